"""The batches of an epoch that one process reads, in order."""

import functools
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from typing import Any

import numpy as np
import torch
from torch.utils.data import IterableDataset, get_worker_info

from .buffers import BufferPool
from .columns import Batch, ColumnKind
from .decoding import CellDecoder
from .lanes import BatchPart, LaneCursor
from .plan import EpochPlan, batches_of_reader
from .prefetch import prefetched, wait_for
from .row_group import OpenGroup
from .row_group_reads import FilePart, RowGroupReads
from .split import Split
from .transforms.apply import Transform, transformed

AHEAD_ROWS = 1024
"""Rows whose row groups are being read before they are needed."""
AHEAD_BATCHES = 2
"""Batches made before they are asked for, when no worker process does that."""


class BatchReader:
    """Reads batches of one epoch.

    Args:
        split: what to read from.
        plan: the order of the epoch.
        consumer: the thread that wants the batches.
    """

    def __init__(self, split: Split, plan: EpochPlan, consumer: threading.Thread) -> None:
        self._split = split
        self._plan = plan
        self._consumer = consumer
        crop_px = split.opened.manifest.crop_px
        self._decoders = {name: CellDecoder(bits, crop_px) for name, bits in split.bit_depths.items()}
        self._memory = BufferPool().take
        self._layouts = {name: decoder.layout for name, decoder in self._decoders.items()}
        self._cursors: dict[int, LaneCursor] = {}
        self._reads = RowGroupReads(split.opened, split.kinds)

    def read(self, numbers: range) -> Iterator[tuple[int, Batch]]:
        """Yield the batches with these rising numbers, each with its number."""
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
            self._cursors.clear()  # which closes files: cursors and reader refer to each other

    def close(self) -> None:
        """Give up what is being read; a `read` that waits for it in another thread fails at once."""
        self._reads.close()

    def _prepare(self, number: int) -> None:
        """Start reading what a batch needs."""
        for lane_slice in self._plan.batch(number):
            self._cursor(lane_slice.lane).prepare(lane_slice.start, lane_slice.stop)

    def _cursor(self, lane: int) -> LaneCursor:
        if lane not in self._cursors:
            self._cursors[lane] = LaneCursor(self._plan, lane, self._start_reads, self._open_read)
        return self._cursors[lane]

    def _start_reads(self, groups: Sequence[int]) -> "dict[int, Future[FilePart]]":
        """Start reading row groups that will be used together."""
        reads = self._reads.start([self._split.groups[group] for group in groups])
        return dict(zip(groups, reads, strict=True))

    def _open_read(self, group: int, read: "Future[FilePart]") -> OpenGroup:
        """Wait for a row group that is being read, and open it."""
        split, file = self._split, wait_for(read, self._consumer)
        place, kinds = split.groups[group], split.kinds
        return OpenGroup(split.opened, place, file, kinds=kinds, layouts=self._layouts, memory=self._memory)

    def _batch(self, number: int) -> Batch:
        """Put one batch together."""
        parts: list[BatchPart] = []
        count = 0
        for lane_slice in self._plan.batch(number):
            parts += self._cursor(lane_slice.lane).parts(lane_slice.start, lane_slice.stop, count)
            count += lane_slice.stop - lane_slice.start
        return {name: self._column(name, kind, parts, count) for name, kind in self._split.kinds.items()}

    def _column(self, name: str, kind: ColumnKind, parts: Sequence[BatchPart], count: int) -> Any:
        if name in self._decoders:
            # Page by page, so that one is decompressed, used up and let go of before the next.
            cells = (placed for part in parts for placed in part.group.cells(name, part.rows, part.places))
            return self._decoders[name].decode(cells, count, functools.partial(_row_name, parts))
        if kind == "text":
            return _texts(name, parts, count)
        values = np.empty(count, parts[0].group.values(name).dtype)
        for part in parts:
            values[part.places] = part.group.values(name)[part.rows]
        return torch.from_numpy(values)


def _texts(name: str, parts: Sequence[BatchPart], count: int) -> list[str | None]:
    """Return the texts of one column of a batch."""
    texts: list[str | None] = [None] * count
    for part in parts:
        source = part.group.values(name)
        for place, row in zip(part.places.tolist(), part.rows.tolist(), strict=True):
            texts[place] = source[row]
    return texts


def _row_name(parts: Sequence[BatchPart], place: int) -> str:
    """Return what one row of a batch is called in messages."""
    part = next(part for part in parts if place in part.places)
    return part.group.row_name(int(part.rows[part.places == place][0]))


class BatchStream(IterableDataset[Batch]):
    """The batches of this process, for `torch.utils.data.DataLoader(batch_size=None)`.

    Args:
        split: what to read from.
        batch_size: rows of a batch.
        seed: of the order and of the transform.
        drop_last: leave out what does not make a full batch for every rank.
        transform: applied to every batch.
    """

    def __init__(
        self, split: Split, *, batch_size: int, seed: int, drop_last: bool, transform: Transform | None
    ) -> None:
        self._split = split
        self._batch_size = batch_size
        self._seed = seed
        self._drop_last = drop_last
        self._transform = transform
        self._position = torch.zeros(4, dtype=torch.int64, device="cpu")

    def share_position(self) -> None:
        """Let workers that have started already see what `start_at` chooses."""
        self._position.share_memory_()  # type: ignore[no-untyped-call]

    def start_at(self, epoch: int, consumed: int, rank: int, ranks: int) -> None:
        """Choose where the next iteration begins, in this process and in the workers that will start.

        Args:
            epoch: number of the epoch.
            consumed: batches of it that all ranks together have consumed already.
            rank: number of this process among those that share the epoch.
            ranks: their number.
        """
        self._position.copy_(torch.tensor([epoch, consumed, rank, ranks], device="cpu"))

    def plan(self, epoch: int) -> EpochPlan:
        """Return the order of an epoch."""
        return EpochPlan(tuple(group.rows for group in self._split.groups), self._batch_size, self._seed, epoch)

    def __iter__(self) -> Iterator[Batch]:
        epoch, consumed, rank, ranks = self._position.tolist()
        info = get_worker_info()
        worker = (info.id, info.num_workers) if info else (0, 1)
        plan = self.plan(epoch)
        numbers = batches_of_reader(plan, consumed, reader=(rank, ranks), worker=worker, drop_last=self._drop_last)
        consumer = threading.current_thread()
        reader = BatchReader(self._split, plan, consumer)
        batches = transformed(reader.read(numbers), self._transform, seed=self._seed, epoch=epoch)
        return batches if info else prefetched(batches, AHEAD_BATCHES, give_up=reader.close, consumer=consumer)
