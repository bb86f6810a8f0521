"""What the worker processes of the engine's tests do."""

import logging
import os
import signal
import time
import warnings
from collections.abc import Callable
from pathlib import Path


def square(number: int) -> int:
    return number * number


def process_id(_: int) -> int:
    time.sleep(0.02)
    return os.getpid()


def refuse_three(number: int) -> int:
    if number == 3:
        raise ValueError("three is refused")
    return number


def refuse_all(number: int) -> int:
    raise ValueError(f"{number} is refused")


def hand_back_a_function(_: int) -> Callable[[], None]:
    return lambda: None


def sleep(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


def die_at_first(task: tuple[int, Path]) -> int:
    """Task 2 ends its worker unless the marker file says that it has done so before."""
    number, marker = task
    if number == 2 and not marker.exists():
        marker.touch()
        os._exit(1)
    return number


def die_by_signal_at_first(task: tuple[int, Path]) -> int:
    """Task 2 is killed as the system kills for lack of memory, once."""
    number, marker = task
    if number == 2 and not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def die_at_two_and_five(number: int) -> int:
    """Tasks 2 and 5 end their worker whenever they run."""
    if number in (2, 5):
        os._exit(1)
    return number


def die(task: tuple[int, Path]) -> None:
    """End the worker, and leave a file that says which task did."""
    number, folder = task
    (folder / f"{number}").touch()
    os._exit(1)


def note_start(task: tuple[int, Path]) -> int:
    """Leave a file that says when the task began."""
    number, folder = task
    (folder / f"{number}").write_text(str(time.monotonic()))
    time.sleep(0.05)
    return number


def note_process_and_sleep(task: tuple[int, Path]) -> int:
    """Leave a file named after the process, then work for a long time."""
    number, folder = task
    (folder / f"{os.getpid()}.started").touch()
    time.sleep(600)
    return number


def hang_at_two(task: tuple[int, float, Path]) -> int:
    """Task 2 never ends; the others take a while, and note that they began."""
    number, seconds, folder = task
    (folder / f"{number}.{time.monotonic_ns()}").touch()
    if number == 2:
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
        while True:
            pass
    time.sleep(seconds)
    return number


def log_of_libraries(number: int) -> int:
    """Say something as a library does, and warn."""
    logging.getLogger("somelibrary").warning("library says %d", number)
    warnings.warn(f"warning {number}", stacklevel=1)
    return number
