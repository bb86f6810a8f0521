"""A random sample in batches, as `train_loader` gives them."""

import secrets
from collections.abc import Iterator, Sequence
from os import PathLike
from typing import Any

import pyarrow as pa
import torch

from nucleusnet_core.dataset import open_dataset
from nucleusnet_core.orders import check_seed
from nucleusnet_core.sampling.draw import choose_picks
from nucleusnet_core.shards.rows import Picks, fetch_rows

from .checks import check_at_least, check_transform
from .columns import Batch, CellRun, bit_depths, cells, column_kinds, numbers, texts
from .decoding import CellDecoder
from .transforms.apply import Transform, transformed


class SampleLoader:
    """Batches of a random sample that is held in memory; made by `sample_loader`.

    Every iteration gives the same batches. An epoch number enters only the generator of the transform, which so makes
    other random changes each time: the n-th iteration has epoch n - 1.

    Args:
        table: The rows.
        decoders: Decoders of the columns of cells.
        places: Where the rows lie, for error messages.
        seed: Of the sample and of the transform.
        batch_size: Rows of a batch.
        drop_last: Leave out a last batch that is shorter.
        transform: Applied to every batch.

    Attributes:
        seed: Gives the same sample again, also if none was given.
        batch_size: Rows of a batch.
    """

    def __init__(
        self,
        table: pa.Table,
        *,
        decoders: dict[str, CellDecoder],
        places: Picks,
        seed: int,
        batch_size: int,
        drop_last: bool,
        transform: Transform | None,
    ) -> None:
        self.seed = seed
        self.batch_size = batch_size
        self._table = table
        self._kinds = column_kinds(table.schema, table.schema.names)
        self._decoders = decoders
        self._places = places
        self._drop_last = drop_last
        self._transform = transform
        self._epoch = 0

    def __len__(self) -> int:
        """Give the number of batches."""
        rows = len(self._table)
        return rows // self.batch_size if self._drop_last else -(-rows // self.batch_size)

    def __iter__(self) -> Iterator[Batch]:
        epoch, self._epoch = self._epoch, self._epoch + 1
        batches = ((number, self._batch(number)) for number in range(len(self)))
        return transformed(batches, self._transform, seed=self.seed, epoch=epoch)

    def set_epoch(self, epoch: int) -> None:
        """Choose what random changes the transform makes in the next iteration."""
        self._epoch = check_seed(epoch)

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
        run = CellRun(range(len(values)), cells(values, decoder.layout), range(len(values)))
        return decoder.decode([run], len(values), lambda n: self._places.describe(first + n))


def sample_loader(
    n: int = 1000,
    *,
    source: str | PathLike[str] = "nucleusnet",
    split: str = "train",
    batch_size: int = 32,
    seed: int | None = None,
    columns: Sequence[str] = ("image",),
    method: str = "blocks",
    drop_last: bool = False,
    transform: Transform | None = None,
) -> SampleLoader:
    """Draw n distinct random nuclei, every one of the split equally likely, and give them in batches.

    What a batch holds is the same as with `train_loader`. The sample is read here, only the bytes that hold it, and
    kept in memory, 66 kB a nucleus of 8 bits; batches are decoded when they are asked for, 0.1 ms a nucleus, so
    there is nothing for worker processes to do.

    Args:
        n: Number of nuclei.
        source: Dataset folder, URL of one, `owner/name` on the Hub, or `nucleusnet` for what the bare name means.
        split: A split, or several, such as "train+test", whose nuclei all have the same chance.
        batch_size: Nuclei of a batch.
        seed: The same one draws the same nuclei of the same dataset, wherever it lies; None for others each time.
        columns: Wanted columns of config `default`, in the order that a batch shall have.
        method: "blocks" or "rows", see `nucleusnet_core.sampling.choose`.
        drop_last: Leave out a last batch that is shorter.
        transform: See `train_loader`.

    Raises:
        DatasetNotFoundError: There is no dataset at `source`.
        SelectionError: There is no such split or column, or there are fewer than n nuclei.
        UsageError: A number cannot work, or there is no such method.
        NucleusNetError: The dataset is damaged, changed, or cannot be reached.
    """
    batch_size = check_at_least(batch_size, 1, "batch_size")
    n = check_at_least(n, batch_size if drop_last else 1, "n")
    if transform is not None:
        check_transform(transform)
    seed = secrets.randbits(64) if seed is None else check_seed(seed)
    opened = open_dataset(source)
    picks = choose_picks(opened, n=n, split=split, seed=seed, method=method)
    table, _ = fetch_rows(opened, picks, columns)
    opened.store.close()
    depths = bit_depths(column_kinds(table.schema, table.schema.names), opened.manifest)
    return SampleLoader(
        table,
        decoders={name: CellDecoder(bits) for name, bits in depths.items()},
        places=picks,
        seed=seed,
        batch_size=batch_size,
        drop_last=drop_last,
        transform=transform,
    )
