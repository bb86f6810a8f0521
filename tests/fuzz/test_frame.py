"""The frame of the fuzz targets sees what it is there to see."""

from pathlib import Path
from random import Random

import pytest

from tests.fuzz.every_fault import ENDS, make
from tests.fuzz.frame import KINDS, run


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="limits the memory of processes as Linux does")
def test_every_kind_of_end_is_told_apart() -> None:
    report = run("tests.fuzz.every_fault", seed=12, count=20, case_seconds=2)
    expected = [ENDS[make(Random(f"12/{number}"))] for number in range(20)]
    assert {*KINDS, "taken", "refused"} == set(expected)
    assert [(fault.number, fault.kind) for fault in report.faults] == [
        (number, kind) for number, kind in enumerate(expected) if kind in KINDS
    ]
    assert (report.taken, report.refused) == (expected.count("taken"), expected.count("refused"))
    assert report.cases == 20
