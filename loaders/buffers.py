"""Memory that is used again: fresh pages from the system cost more than what is done with them."""

import weakref

import numpy as np
import numpy.typing as npt
import torch

KEPT = 16
"""Arrays that a pool keeps for later."""


def new_memory(size: int) -> npt.NDArray[np.uint8]:
    """Return a new array `(size,)`: torch's, since numpy asks for huge pages, which some systems give slowly."""
    return torch.empty(size, dtype=torch.uint8, device="cpu").numpy()


class BufferPool:
    """Lends arrays of bytes, and takes their memory back when nothing refers to them, or to views of them, any more.

    Threads may share one.
    """

    def __init__(self) -> None:
        self._free: dict[int, npt.NDArray[np.uint8]] = {}

    def take(self, size: int) -> npt.NDArray[np.uint8]:
        """Return a writable array `(size,)` that holds anything."""
        memory = self._fitting(size)
        if memory is None:
            memory = new_memory(size)
        # A view of a view refers to the first array that is itself no view, hence the memoryview between.
        array = np.frombuffer(memory.data, np.uint8)
        weakref.finalize(array, self._give_back, memory).atexit = False
        return array

    def _fitting(self, size: int) -> npt.NDArray[np.uint8] | None:
        """Return free memory, the last used first, which the processor's cache may still hold.

        No lock, since memory may be given back in the midst of this; hence keys, of which a copy is made in one go,
        while making pairs could begin a garbage collection that gives memory back.
        """
        for key in reversed(tuple(self._free)):
            memory = self._free.get(key)
            if memory is not None and memory.size == size and self._free.pop(key, None) is not None:
                return memory
        return None

    def _give_back(self, memory: npt.NDArray[np.uint8]) -> None:
        if len(self._free) >= KEPT:
            self._free.clear()  # of other sizes
        self._free[id(memory)] = memory
