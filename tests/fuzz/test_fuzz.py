"""A slice of every fuzz target; `make fuzz` goes on for ten minutes."""

import os
from pathlib import Path

import pytest

from tests.fuzz.frame import run
from tests.fuzz.targets import targets

SECONDS = float(os.environ.get("NUCLEUSNET_FUZZ_SECONDS", "15"))


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="limits the memory of processes as Linux does")
@pytest.mark.parametrize("target", targets())
def test_no_input_crashes_hangs_swells_or_lies(target: str) -> None:
    report = run(target, seconds=SECONDS)
    assert report.faults == []
    assert min(report.taken, report.refused) >= 5
