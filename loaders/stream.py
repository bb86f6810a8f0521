"""The batches of an epoch that one process reads, in order."""

import inspect
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.utils.data import IterableDataset, get_worker_info

from nucleusnet_source.ordering import random_keys

from .columns import Batch, CellDecoder, ColumnKind
from .groups import OpenGroup, ReadRange, fetch
from .lanes import LaneCursor
from .plan import EpochPlan, LaneSlice, batches_of_reader
from .segments import Segment
from .shards import RowGroup

AHEAD_ROWS = 1024
"""Rows whose row groups are being fetched before they are needed."""
AHEAD_BATCHES = 2
"""Batches made before they are asked for, when no worker process does that."""
FETCH_THREADS = 4
_TRANSFORM_STREAM = 4

Transform = Callable[..., Batch]
"""Called with a batch, and with `generator=` (a torch.Generator) if it has such a parameter."""


@dataclass(frozen=True)
class Split:
    """What a process needs to know of a split to read from it.

    Attributes:
        read_range: Reads bytes of a file of the dataset.
        groups: The row groups of the split.
        kinds: The wanted columns.
        bit_depths: Bits of a pixel of each column of cells.
    """

    read_range: ReadRange
    groups: tuple[RowGroup, ...]
    kinds: Mapping[str, ColumnKind]
    bit_depths: Mapping[str, int]


class BatchReader:
    """Reads batches of one epoch.

    Args:
        split: What to read from.
        plan: The order of the epoch.
    """

    def __init__(self, split: Split, plan: EpochPlan) -> None:
        self._split = split
        self._plan = plan
        self._decoders = {name: CellDecoder(bits) for name, bits in split.bit_depths.items()}
        self._cursors: dict[int, LaneCursor] = {}
        self._threads = ThreadPoolExecutor(FETCH_THREADS, "nucleusnet-fetch")

    def read(self, numbers: range) -> Iterator[tuple[int, Batch]]:
        """Give the batches with these rising numbers, each with its number."""
        ahead = -(-AHEAD_ROWS // self._plan.batch_size)
        upcoming = iter(numbers)
        ...
