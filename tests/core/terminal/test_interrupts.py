"""Interrupts that wait, and processes that none reaches."""

import signal
import subprocess
import sys
import threading

import pytest

from nucleusnet_core.terminal.interrupts import interrupts_held

HELD = """
import os, signal, subprocess, sys
from nucleusnet_core.terminal.interrupts import interrupts_held
child = "import signal, os; os.kill(os.getpid(), signal.SIGINT); print('child lives', flush=True)"
try:
    with interrupts_held():
        os.kill(os.getpid(), signal.SIGINT)
        subprocess.run([sys.executable, "-c", child])
        print("the block ends", flush=True)
    print("never")
except KeyboardInterrupt:
    print("interrupted", signal.getsignal(signal.SIGINT) is signal.default_int_handler)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_an_interrupt_waits_for_the_end_of_the_block_and_reaches_no_process_that_began_in_it() -> None:
    done = subprocess.run([sys.executable, "-c", HELD], capture_output=True, text=True, check=True)
    assert done.stdout == "child lives\nthe block ends\ninterrupted True\n"


def test_a_block_without_interrupts_leaves_everything_as_it_was() -> None:
    before = signal.getsignal(signal.SIGINT)
    with interrupts_held():
        assert signal.getsignal(signal.SIGINT) is not before
    assert signal.getsignal(signal.SIGINT) is before


def test_where_interrupts_are_ignored_they_stay_so() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with interrupts_held():
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
            signal.raise_signal(signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_other_threads_may_hold_interrupts_too() -> None:
    held: list[bool] = []

    def hold() -> None:
        with interrupts_held():
            held.append(True)

    thread = threading.Thread(target=hold)
    thread.start()
    thread.join()
    assert held == [True]
