"""The batches of an epoch that one process reads, in order."""

import inspect
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.utils.data import IterableDataset, get_worker_info

from nucleusnet_source.ordering import random_keys

from .columns import Batch, ColumnKind
from .decoding import CellDecoder
from .fetching import FetchThreads
from .groups import OpenGroup, ReadRange, fetch
from .lanes import LaneCursor
from .plan import EpochPlan, batches_of_reader
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
        self._layouts = {name: decoder.layout for name, decoder in self._decoders.items()}
        self._cursors: dict[int, LaneCursor] = {}
        self._threads = FetchThreads(FETCH_THREADS)

    def read(self, numbers: range) -> Iterator[tuple[int, Batch]]:
        """Give the batches with these rising numbers, each with its number."""
        ahead = -(-AHEAD_ROWS // self._plan.batch_size)
        try:
            for number in numbers[:ahead]:
                self._prepare(number)
            for position, number in enumerate(numbers):
                for coming in numbers[position + ahead : position + ahead + 1]:
                    self._prepare(coming)
                yield number, self._batch(number)
        finally:
            self.close()

    def close(self) -> None:
        """Give up what is being fetched; a `read` that waits for it in another thread fails at once."""
        self._threads.close()

    def _prepare(self, number: int) -> None:
        """Start fetching what a batch needs."""
        for piece in self._plan.batch(number):
            self._cursor(piece.lane).prepare(piece.start, piece.stop)

    def _cursor(self, lane: int) -> LaneCursor:
        if lane not in self._cursors:
            self._cursors[lane] = LaneCursor(self._plan, lane, self._fetch, self._open)
        return self._cursors[lane]

    def _fetch(self, group: int) -> "Future[list[Segment]]":
        split = self._split
        return self._threads.submit(lambda: fetch(split.groups[group], split.kinds, split.read_range))

    def _open(self, group: int, segments: list[Segment]) -> OpenGroup:
        split = self._split
        return OpenGroup(split.groups[group], segments, kinds=split.kinds, layouts=self._layouts)

    def _batch(self, number: int) -> Batch:
        """Put one batch together."""
        picks = [
            pick
            for piece in self._plan.batch(number)
            for pick in self._cursor(piece.lane).rows(piece.start, piece.stop)
        ]
        return {name: self._column(name, kind, picks) for name, kind in self._split.kinds.items()}

    def _column(self, name: str, kind: ColumnKind, picks: Sequence[tuple[OpenGroup, int]]) -> Any:
        values = [group.value(name, row) for group, row in picks]
        if kind == "text":
            return values
        if kind == "number":
            return torch.from_numpy(np.array(values))
        return self._decoders[name].decode(values, lambda n: picks[n][0].place.describe(picks[n][1]))


class BatchStream(IterableDataset[Batch]):
    """The batches of this process, for `torch.utils.data.DataLoader(batch_size=None)`.

    Args:
        split: What to read from.
        batch_size: Rows of a batch.
        seed: Seed of the order and of the transform.
        drop_last: Leave out what does not make a full batch for every rank.
        transform: Applied to every batch.
    """

    def __init__(
        self, split: Split, *, batch_size: int, seed: int, drop_last: bool, transform: Transform | None
    ) -> None:
        self._split = split
        self._batch_size = batch_size
        self._seed = seed
        self._drop_last = drop_last
        self._transform = transform
        self._takes_generator = transform is not None and takes_generator(transform)
        self._position = torch.zeros(4, dtype=torch.int64)

    def share_position(self) -> None:
        """Let workers that have started already see what `start_at` says."""
        self._position.share_memory_()  # type: ignore[no-untyped-call]

    def start_at(self, epoch: int, consumed: int, rank: int, ranks: int) -> None:
        """Say where the next iteration begins, in this process and in the workers that will start.

        Args:
            epoch: Number of the epoch.
            consumed: Batches of it that all ranks together have consumed already.
            rank: Number of this process among those that share the epoch.
            ranks: Their number.
        """
        self._position.copy_(torch.tensor([epoch, consumed, rank, ranks]))

    def plan(self, epoch: int) -> EpochPlan:
        """Give the order of an epoch."""
        return EpochPlan(tuple(group.rows for group in self._split.groups), self._batch_size, self._seed, epoch)

    def __iter__(self) -> Iterator[Batch]:
        epoch, consumed, rank, ranks = self._position.tolist()
        info = get_worker_info()
        worker = (info.id, info.num_workers) if info else (0, 1)
        plan = self.plan(epoch)
        numbers = batches_of_reader(plan, consumed, reader=(rank, ranks), worker=worker, drop_last=self._drop_last)
        reader = BatchReader(self._split, plan)
        batches = self._transformed(reader.read(numbers), epoch)
        return batches if info else made_ahead(batches, AHEAD_BATCHES, give_up=reader.close)

    def _transformed(self, batches: Iterable[tuple[int, Batch]], epoch: int) -> Generator[Batch]:
        for number, batch in batches:
            if self._transform is None:
                yield batch
            elif self._takes_generator:
                key = random_keys(1, self._seed, epoch, _TRANSFORM_STREAM, number)[0]
                yield self._transform(batch, generator=torch.Generator().manual_seed(int(key >> 1)))
            else:
                yield self._transform(batch)


def takes_generator(transform: Transform) -> bool:
    """Say whether a transform has a parameter `generator`."""
    try:
        return "generator" in inspect.signature(transform).parameters
    except ValueError:
        return False


def made_ahead(batches: Generator[Batch], count: int, *, give_up: Callable[[], None]) -> Iterator[Batch]:
    """Give what `batches` gives, while a thread makes up to `count` more.

    The thread only ever works off finite tasks, so that neither a consumer that stops early nor the end of the
    process leaves it waiting.

    Args:
        batches: Makes the batches.
        count: How many.
        give_up: Makes a batch that waits for its data fail; called when the consumer wants no more.
    """
    thread = ThreadPoolExecutor(1, "nucleusnet-batches")
    try:
        coming = deque(thread.submit(next, batches, None) for _ in range(count))
        while (batch := coming.popleft().result()) is not None:
            coming.append(thread.submit(next, batches, None))
            yield batch
    finally:
        give_up()
        thread.shutdown(wait=True, cancel_futures=True)
        batches.close()
