"""Ctrl-C at any moment: one line and exit code 130, also while libraries are being imported."""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType

INTERRUPTED = 130
_IMPORTING = "<frozen importlib._bootstrap>"


@contextlib.contextmanager
def ending_at_interrupt() -> Iterator[None]:
    """Let an interrupt end the process with one line; code that works can still clean up at a `KeyboardInterrupt`.

    A `KeyboardInterrupt` in the middle of an import can become any other error in the library that is imported, so
    the process ends at once then: it leaves nothing that a kill would not leave as well.
    """
    before = signal.getsignal(signal.SIGINT)
    # Shells and nohup have work in the background ignore interrupts; it stays so.
    if threading.current_thread() is not threading.main_thread() or before is signal.SIG_IGN:
        yield
        return
    signal.signal(signal.SIGINT, _on_interrupt)
    try:
        yield
    except (KeyboardInterrupt, SystemExit) as error:
        if isinstance(error, SystemExit) and error.code != INTERRUPTED:
            raise
        ignore_interrupts()  # a second one would come in the middle of the message
        _say()
        raise SystemExit(INTERRUPTED) from None
    finally:
        signal.signal(signal.SIGINT, before)


@contextlib.contextmanager
def interrupts_held() -> Iterator[None]:
    """Let an interrupt wait until the block ends, and keep it from processes and threads that begin in the block.

    Processes inherit the blocked signal for as long as they live, also while they start; Windows knows no such thing.
    """
    came: list[int] = []
    before = signal.getsignal(signal.SIGINT)
    # The blocked signal alone does not do: another thread may receive it, and Python would then interrupt this one.
    deferred = threading.current_thread() is threading.main_thread() and callable(before)
    if deferred:
        signal.signal(signal.SIGINT, lambda number, _frame: came.append(number))
    try:
        with _interrupts_blocked():
            yield
    finally:
        if deferred:
            signal.signal(signal.SIGINT, before)
        if came:
            signal.raise_signal(signal.SIGINT)


@contextlib.contextmanager
def _interrupts_blocked() -> Iterator[None]:
    if sys.platform == "win32":
        yield
        return
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def ignore_interrupts() -> None:
    """Ignore interrupts from now on: where only libraries clean up, one would show a traceback of theirs."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _on_interrupt(_signal: int, frame: FrameType | None) -> None:
    place = frame
    while place is not None:
        if place.f_code.co_filename == _IMPORTING:
            _say(after_bar="tqdm" in sys.modules)
            os._exit(INTERRUPTED)
        place = place.f_back
    raise KeyboardInterrupt


def _say(*, after_bar: bool = False) -> None:
    """Print the one line; below a progress bar that may still be open on the line above."""
    with contextlib.suppress(OSError, ValueError):
        print("\n" * after_bar + "nucleusnet: interrupted.", file=sys.stderr, flush=True)
