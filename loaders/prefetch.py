"""Batches made ahead in a thread, and reads waited for, no longer than somebody wants them."""

import contextlib
import threading
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, wait
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from nucleusnet_core.errors import UsageError

Made = TypeVar("Made")
Result = TypeVar("Result")

END = object()
"""Stands behind the last batch."""
CHECK_SECONDS = 0.5
"""How often a thread that waits looks whether the one it works for has ended."""
HOLD_SECONDS = 2
"""How long the end of a process waits until a daemon thread that takes batches has come back for the next one."""


def prefetched(
    batches: Generator[Made], count: int, *, give_up: Callable[[], None], consumer: threading.Thread
) -> Iterator[Made]:
    """Yield what `batches` yields, while a thread makes up to `count` more.

    Args:
        batches: makes the batches.
        count: how many are made ahead, at least 1.
        give_up: makes a batch that waits for its data fail; called when no more are wanted.
        consumer: the thread that asks for them.
    """
    thread = BatchThread(batches, count, consumer)
    thread.start()
    try:
        while (batch := thread.next_batch()) is not END:
            yield batch
            del batch
    finally:
        give_up()
        thread.close()


def wait_for(read: "Future[Result]", consumer: threading.Thread) -> Result:
    """Return what a read gives, waiting for it as long as the thread that wants it lives.

    Raises:
        UsageError: that thread has ended.
        CancelledError: the read was given up.
    """
    while not read.done():
        if not may_still_ask(consumer):
            raise _abandoned()
        wait([read], CHECK_SECONDS)
    return read.result()


def may_still_ask(consumer: threading.Thread) -> bool:
    """Return whether a thread may still ask for something; one that is a daemon ends with the main thread."""
    return consumer.is_alive() and (not consumer.daemon or threading.main_thread().is_alive())


class BatchThread(threading.Thread):
    """Makes batches until there are enough ahead.

    A daemon thread could be stopped in compiled code when the process ends, which aborts the process. This is none: it
    ends by itself when it is closed or when its consumer has ended, as the main thread does before a process waits for
    its other threads.

    Args:
        batches: makes the batches.
        count: how many are made before they are asked for.
        consumer: the thread that asks for them.
    """

    def __init__(self, batches: Generator[Any], count: int, consumer: threading.Thread) -> None:
        super().__init__(name="nucleusnet-batches", daemon=False)
        self._batches = batches
        self._consumer = consumer
        self._room = threading.Semaphore(count - 1)
        self._closed = False
        self._held = threading.Event()
        self._made: SimpleQueue[tuple[Any, BaseException | None]] = SimpleQueue()

    def run(self) -> None:
        """Make batches."""
        try:
            for batch in self._batches:
                self._made.put((batch, None))
                del batch
                if not self._is_more_wanted():
                    self._say_why()
                    return
            self._made.put((END, None))
        except BaseException as error:  # for the consumer
            self._made.put((END, error))
        finally:
            self._batches.close()

    def _is_more_wanted(self) -> bool:
        while not self._room.acquire(timeout=CHECK_SECONDS):
            if not may_still_ask(self._consumer):
                return False
        return not self._closed

    def _say_why(self) -> None:
        """Tell a consumer that has ended so; wait for a daemon until it is held."""
        if not self._consumer.is_alive():
            self._made.put((END, _abandoned()))
        elif not self._closed:
            self._held.wait(HOLD_SECONDS)

    def _hold_at_the_end(self) -> None:
        """Keep a daemon thread here once the main thread has ended: in compiled code it would abort the process."""
        if threading.current_thread().daemon and not threading.main_thread().is_alive():
            self._held.set()
            threading.Event().wait()

    def next_batch(self) -> Any:
        """Return the next batch, or `END` behind the last one; raises what making it raised."""
        made = None
        while made is None:
            # Short waits, because Windows delivers an interrupt from the keyboard only between them.
            with contextlib.suppress(Empty):
                made = self._made.get(timeout=CHECK_SECONDS)
            self._hold_at_the_end()
            if made is None and not self.is_alive() and self._made.empty() and threading.main_thread().is_alive():
                raise UsageError("This epoch was begun by another process; iterate anew after a fork.")
        batch, error = made
        self._room.release()
        if error is not None:
            raise error
        return batch

    def close(self) -> None:
        """Wait until the batch that is being made is done, and make no more."""
        self._closed = True
        self._room.release()
        self.join()


def _abandoned() -> UsageError:
    return UsageError("The thread that began this epoch has ended; iterate in one thread.")
