"""A random sample in batches like those of `train_loader`."""

import contextlib
import secrets
from collections.abc import Iterator, Sequence
from os import PathLike
from typing import Any

import pyarrow as pa
import torch

from nucleusnet_core.contract import BARE_NAME
from nucleusnet_core.dataset import open_dataset
from nucleusnet_core.orders import check_seed
from nucleusnet_core.sampling.draw import choose_picks
from nucleusnet_core.shards.rows import Picks, fetch_rows

from .checks import check_at_least, check_epoch, check_transform
from .columns import Batch, PlacedCells, bit_depths, cells, column_kinds, numbers, texts
from .decoding import CellDecoder
from .transforms.apply import Transform, transformed


class SampleLoader:
    """Batches of a random sample that is held in memory; made by `sample_loader`.

    Every iteration yields the same batches. The number of an iteration, its epoch, enters only the generator of the
    transform, which so makes other random changes each time: the first iteration has epoch 0.

    Args:
        table: the rows.
        source: where they were drawn from, for `repr`.
        split: the split that they were drawn from, for `repr`.
        decoders: decoders of the columns of cells.
        places: where the rows lie, for error messages.
        seed: of the sample and of the transform.
        batch_size: rows of a batch.
        drop_last: leave out a last batch that is shorter.
        transform: applied to every batch.

    Attributes:
        seed: draws the same sample again, also if none was given.
        batch_size: rows of a batch.
    """

    def __init__(
        self,
        table: pa.Table,
        *,
        source: str,
        split: str,
        decoders: dict[str, CellDecoder],
        places: Picks,
        seed: int,
        batch_size: int,
        drop_last: bool,
        transform: Transform | None,
    ) -> None:
        self.seed = seed
        self.batch_size = batch_size
        self._source = source
        self._split = split
        self._table = table
        self._kinds = column_kinds(table.schema, table.schema.names)
        self._decoders = decoders
        self._places = places
        self._drop_last = drop_last
        self._transform = transform
        self._epoch = 0

    def __repr__(self) -> str:
        return (
            f"SampleLoader(source={self._source!r}, split={self._split!r}, columns={self._table.column_names}, "
            f"rows={len(self._table)}, batch_size={self.batch_size}, batches={len(self)}, seed={self.seed}, "
            f"epoch={self._epoch})"
        )

    def __len__(self) -> int:
        """Return the number of batches."""
        rows = len(self._table)
        return rows // self.batch_size if self._drop_last else -(-rows // self.batch_size)

    def __iter__(self) -> Iterator[Batch]:
        epoch, self._epoch = self._epoch, self._epoch + 1
        batches = ((number, self._batch(number)) for number in range(len(self)))
        return transformed(batches, self._transform, seed=self.seed, epoch=epoch)

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch of the next iteration: which random changes the transform makes.

        Raises:
            UsageError: there is no such epoch.
        """
        self._epoch = check_epoch(epoch)

    def _batch(self, number: int) -> Batch:
        first = number * self.batch_size
        rows = self._table.slice(first, self.batch_size)
        return {name: self._column(name, rows[name], first) for name in rows.column_names}

    def _column(self, name: str, values: pa.ChunkedArray, first: int) -> Any:
        if self._kinds[name] == "text":
            return texts(values)
        if self._kinds[name] == "number":
            return torch.from_numpy(numbers(values))
        decoder = self._decoders[name]
        placed = PlacedCells(range(len(values)), cells(values, decoder.layout), range(len(values)))
        return decoder.decode([placed], len(values), lambda n: self._places.row_name(first + n))


def sample_loader(
    n: int = 1000,
    *,
    source: str | PathLike[str] = BARE_NAME,
    split: str = "train",
    batch_size: int = 32,
    seed: int | None = None,
    columns: Sequence[str] = ("image",),
    method: str = "blocks",
    drop_last: bool = False,
    transform: Transform | None = None,
) -> SampleLoader:
    """Draw n distinct random nuclei, every one of the split equally likely, for iterating in batches.

    What a batch holds is the same as with `train_loader`. The sample is read here, only the bytes that hold it, and
    kept in memory, 66 kB a nucleus of 256 x 256 px and 8 bits; batches are decoded when they are asked for, 0.1 ms
    a nucleus, so there is nothing for worker processes to do.

    Args:
        n: number of nuclei.
        source: dataset folder, URL of one, `owner/name` on the Hub, or `nucleusnet` for what the bare name means.
        split: a split, or several, such as "train+test", whose nuclei all have the same chance.
        batch_size: nuclei of a batch.
        seed: the same one draws the same nuclei of the same dataset, wherever it lies; None for others each time.
        columns: wanted columns of config `default`, in the order of a batch.
        method: "blocks" or "rows", see `nucleusnet_core.sampling.choose`.
        drop_last: leave out a last batch that is shorter.
        transform: see `train_loader`.

    Raises:
        DatasetNotFoundError: there is no dataset at `source`.
        SelectionError: there is no such split or column, or there are fewer than n nuclei.
        UsageError: a number cannot work, or there is no such method.
        NucleusNetError: the dataset is damaged, changed, or cannot be reached.
    """
    batch_size = check_at_least(batch_size, 1, "batch_size")
    n = check_at_least(n, batch_size if drop_last else 1, "n")
    if transform is not None:
        check_transform(transform)
    seed = secrets.randbits(64) if seed is None else check_seed(seed)
    opened = open_dataset(source)
    with contextlib.closing(opened.store):
        picks = choose_picks(opened, n=n, split=split, seed=seed, method=method)
        table, _ = fetch_rows(opened, picks, columns)
    depths = bit_depths(column_kinds(table.schema, table.schema.names), opened.manifest)
    return SampleLoader(
        table,
        source=opened.store.name,
        split=str(split),
        decoders={name: CellDecoder(bits, opened.manifest.crop_px) for name, bits in depths.items()},
        places=picks,
        seed=seed,
        batch_size=batch_size,
        drop_last=drop_last,
        transform=transform,
    )
