"""Memory of batches is used again, but only once nobody can see it any more."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from loaders import train_loader
from loaders.buffers import KEPT, BufferPool


def address(array: npt.NDArray[np.uint8]) -> int:
    return int(array.ctypes.data)


def test_memory_comes_back_with_the_last_view_of_it() -> None:
    pool = BufferPool()
    first = pool.take(1000)
    tensor = torch.from_numpy(first.reshape(10, 100).view(np.int8))[3:, None]
    place = address(first)
    del first
    tensor.fill_(7)
    other = pool.take(1000)
    assert address(other) != place
    assert bool((tensor == 7).all())
    del tensor
    assert address(pool.take(1000)) == place


def test_memory_of_another_size_is_not_used_and_not_kept_for_ever() -> None:
    pool = BufferPool()
    sizes = [pool.take(size).size for size in range(100, 100 + 3 * KEPT)]
    assert sizes == list(range(100, 100 + 3 * KEPT))
    assert 0 < len(pool._free) <= KEPT


def test_batches_that_are_kept_stay_as_they_were(folder: Path) -> None:
    loader = train_loader(folder, "train", batch_size=8, seed=3)
    kept = [batch["image"] for batch in loader]
    loader.set_epoch(0)
    again = [batch["image"].clone() for batch in loader]
    assert len(kept) > 2 * KEPT
    assert all(torch.equal(one, other) for one, other in zip(kept, again, strict=True))
