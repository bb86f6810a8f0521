"""Tries a target with hostile inputs in child processes, and tells which of them ended in no way that is promised.

A target is a module of this folder with three names:

- `PROMISED`: the types of error that it may raise for an input;
- `make(random)`: returns an input, anything, that depends on nothing but that generator;
- `check(case)`: does with it what a user would do; raises one of `PROMISED`, or `WrongError` where it took the input
  and what it made of it is not true.

It may have `prepare()`, which imports and compiles what shall count neither as time nor as memory of a case.
`python -m tests.fuzz` tries all targets and prints a table; with TARGET SEED NUMBER it tries one case, here.
"""

import contextlib
import json
import queue
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field

from tests.root import ROOT

KINDS = ("crash", "hang", "memory", "raw error", "wrong", "noise")
"""What a case must not end in; "noise" is output to the terminal that is not the program's own."""
CASE_SECONDS = 30.0
CASE_BYTES = 1 << 30
_START_SECONDS = 300.0
DETAIL_CHARACTERS = 500


class WrongError(Exception):
    """The target took an input, and made of it what is not true."""


@dataclass(frozen=True)
class Fault:
    """A case that ended as it must not."""

    kind: str
    number: int
    detail: str


@dataclass
class Report:
    """What became of the cases of one target.

    Attributes:
        target: its module.
        seed: of all its cases.
        taken: cases that the target took.
        refused: cases that ended in a promised error.
        faults: all others.
    """

    target: str
    seed: int
    taken: int = 0
    refused: int = 0
    faults: list[Fault] = field(default_factory=list)

    @property
    def cases(self) -> int:
        """How many were tried."""
        return self.taken + self.refused + len(self.faults)

    def count(self) -> Counter[str]:
        """Return the number of faults of each kind."""
        return Counter(fault.kind for fault in self.faults)

    def add(self, kind: str, number: int, detail: str) -> None:
        """Note how a case ended."""
        if kind == "taken":
            self.taken += 1
        elif kind == "refused":
            self.refused += 1
        else:
            self.faults.append(Fault(kind, number, detail))


def run(
    target: str,
    *,
    seed: int = 0,
    count: int = sys.maxsize,
    seconds: float = float("inf"),
    case_seconds: float = CASE_SECONDS,
    case_bytes: int = CASE_BYTES,
) -> Report:
    """Try a target with the cases 0, 1, 2 ... of a seed until either limit is reached.

    Args:
        target: a module such as "tests.fuzz.tiff_images".
        seed: decides every case, with its number.
        count: the most cases.
        seconds: the time after which no further case is begun; the start of the children is not counted.
        case_seconds: a case that lasts longer is a hang.
        case_bytes: a case that asks for more memory at a time is a swelling.
    """
    report = Report(target, seed)
    left = seconds
    while report.cases < count and left > 0:
        with _Child(target, seed, report.cases, case_bytes) as child:
            began = time.monotonic()
            while report.cases < count and time.monotonic() - began < left:
                ended = child.next_end(case_seconds)
                report.add(ended[0], report.cases, ended[1])
                if child.is_lost:
                    break
            left -= time.monotonic() - began
    return report


class _Child:
    """A process that tries cases from some number on, and how it ends.

    Attributes:
        is_lost: whether it has ended, or was ended, in a case.
    """

    def __init__(self, target: str, seed: int, first: int, case_bytes: int) -> None:
        self.is_lost = False
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed in __exit__
        command = [sys.executable, "-m", "tests.fuzz.child", target, str(seed), str(first), str(case_bytes)]
        self._process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, text=True
        )
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        threading.Thread(target=self._read, daemon=True).start()

    def __enter__(self) -> "_Child":
        if self._line(_START_SECONDS) is None:
            self.__exit__()
            raise RuntimeError(f"the process of a fuzz target does not start: {self._said()}")
        return self

    def __exit__(self, *_error: object) -> None:
        self._process.kill()
        self._process.communicate()

    def next_end(self, case_seconds: float) -> tuple[str, str]:
        """Let it try its next case, and return the kind of its end with details."""
        with contextlib.suppress(BrokenPipeError):
            assert self._process.stdin is not None
            self._process.stdin.write("\n")
            self._process.stdin.flush()
        line = self._line(case_seconds)
        if line:
            kind, detail = json.loads(line)
            return kind, detail
        self.is_lost = True
        if line is None:
            return "hang", f"not ended after {case_seconds} s"
        return "crash", f"exit code {self._process.wait()}: {self._said()}"

    def _line(self, seconds: float) -> str | None:
        """Return what it says next, "" at its end, or None if it says nothing in time."""
        try:
            return self._lines.get(timeout=seconds)
        except queue.Empty:
            return None

    def _read(self) -> None:
        assert self._process.stdout is not None
        with contextlib.suppress(ValueError):  # closed meanwhile
            for line in self._process.stdout:
                self._lines.put(line)
        self._lines.put("")

    def _said(self) -> str:
        self._errors.seek(0)
        return self._errors.read().decode(errors="replace")[-DETAIL_CHARACTERS:]
