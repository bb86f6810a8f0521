"""The tests themselves: those that interrupt programs pass in the background too, where interrupts are ignored."""

import os
import signal
import subprocess
import sys

import pytest

from tests.root import ROOT

INTERRUPTS = [
    "tests/core/terminal/test_interrupts.py",
    "tests/builder/workers/test_engine.py::test_an_interrupt_does_not_wait_for_what_runs",
]


@pytest.mark.skipif(os.name == "nt", reason="there is no nohup")
def test_a_test_that_interrupts_a_program_passes_under_nohup() -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *INTERRUPTS]
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # as nohup and a shell's & leave it to what they start
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)
    finally:
        signal.signal(signal.SIGINT, before)
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout
