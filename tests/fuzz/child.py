"""The process that tries the cases of a fuzz target, one for each line that it reads; see `tests.fuzz.frame`."""

import contextlib
import importlib
import json
import os
import re
import resource
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from random import Random
from types import ModuleType
from typing import IO, Any

from tests.fuzz.frame import DETAIL_CHARACTERS, WrongError


def single(target: str, seed: int, number: int) -> None:
    """Try one case here, for a debugger; its error is raised."""
    module = importlib.import_module(target)
    _prepare(module)
    module.check(module.make(_generator(seed, number)))


def _generator(seed: int, number: int) -> Random:
    return Random(f"{seed}/{number}")


def _prepare(module: ModuleType) -> None:
    getattr(module, "prepare", lambda: None)()


def serve(target: str, seed: int, first: int, case_bytes: int) -> None:
    """Be the child: try a case for each line that comes, and answer with a line on how it ended."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever else is printed is noise
    module = importlib.import_module(target)
    _prepare(module)
    _limit_memory(case_bytes)
    print("ready", file=answers, flush=True)
    for number, _ in enumerate(sys.stdin, first):
        with _noise() as noise:
            kind, detail = _tried(module, _generator(seed, number))
        if kind in ("taken", "refused") and noise:
            kind, detail = "noise", noise[0]
        print(json.dumps([kind, detail]), file=answers, flush=True)


def _tried(module: ModuleType, random: Random) -> tuple[str, str]:
    try:
        module.check(module.make(random))
    except module.PROMISED as error:
        return ("memory", _told(error)) if _is_for_memory(error) else ("refused", _told(error))
    except WrongError as error:
        return "wrong", str(error)[:DETAIL_CHARACTERS]
    except BaseException as error:  # any other is what this looks for
        return ("memory" if _is_for_memory(error) else "raw error"), _told(error)
    return "taken", ""


def _told(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"[:DETAIL_CHARACTERS]


def _is_for_memory(error: BaseException | None) -> bool:
    """Whether a refusal is but the end of the memory, which would have swollen elsewhere."""
    while error is not None:
        if isinstance(error, MemoryError):
            return True
        error = error.__cause__ or error.__context__
    return False


def _limit_memory(case_bytes: int) -> None:
    """Forbid this process more private memory than it has now and a case may ask for; of Linux."""
    status = Path("/proc/self/status").read_text("utf-8")
    found = re.search(r"VmData:\s+(\d+) kB", status)
    assert found is not None
    limit = int(found[1]) * 1024 + case_bytes
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))


@contextlib.contextmanager
def _noise() -> Iterator[list[str]]:
    """Yield a list; afterwards it holds what was written to stderr and stdout meanwhile, if anything was."""
    said: list[str] = []
    sys.stderr.flush()
    with tempfile.TemporaryFile() as file, _as_stderr(file):
        yield said
        sys.stdout.flush()
        sys.stderr.flush()
        if text := os.pread(file.fileno(), DETAIL_CHARACTERS, 0).decode(errors="replace"):
            said.append(text)


@contextlib.contextmanager
def _as_stderr(file: IO[Any]) -> Iterator[None]:
    """Send what is written to stdout and stderr to a file; not what the system writes when the process dies."""
    kept = [os.dup(1), os.dup(2)]
    for number in (1, 2):
        os.dup2(file.fileno(), number)
    try:
        yield
    finally:
        for number, before in zip((1, 2), kept, strict=True):
            os.dup2(before, number)
            os.close(before)


if __name__ == "__main__":
    serve(sys.argv[1], *map(int, sys.argv[2:]))
