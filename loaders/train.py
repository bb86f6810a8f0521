"""The training stream: every nucleus of a split once an epoch, in random order, to be resumed at every batch."""

from collections.abc import Iterator, Mapping, Sequence
from os import PathLike
from typing import Any

import torch
import torch.distributed
from torch.utils.data import DataLoader

from nucleusnet_core.contract import BARE_NAME, DEFAULT
from nucleusnet_core.dataset import open_dataset
from nucleusnet_core.orders import check_seed

from .checks import check_at_least, check_epoch, check_topology, check_transform
from .columns import Batch
from .plan import batches_of_reader, check_not_empty
from .split import fingerprint, open_split
from .state import STATE_FORMAT, check_state
from .stream import BatchStream
from .transforms.apply import Transform, seed_workers


class TrainLoader:
    """Batches of a split of a NucleusNet dataset, in another order every epoch; made by `train_loader`.

    Iterating yields the batches of one epoch, iterating again those of the next one. If you break out of an iteration
    and start another, you get the same batches again, from where the first one began: call `set_epoch` to have others.
    Lightning and accelerate take the loader as it is; Lightning keeps its state in its checkpoints, accelerate does
    behind `accelerator.register_for_checkpointing(loader)`.

    Args:
        stream: the batches of this process.
        source: where the dataset lies, for `repr`.
        identity: what a saved state has to agree with; plain JSON values.
        rank: number of this process, or None to ask torch.distributed.
        world_size: number of processes, or None to ask torch.distributed.
        options: of the torch DataLoader that runs the stream.

    Attributes:
        batch_size: rows of a batch.
    """

    def __init__(
        self,
        stream: BatchStream,
        *,
        source: str,
        identity: Mapping[str, Any],
        rank: int | None,
        world_size: int | None,
        options: Mapping[str, Any],
    ) -> None:
        self.batch_size: int = identity["batch_size"]
        self._drop_last: bool = identity["drop_last"]
        self._stream = stream
        self._source = source
        self._identity = identity
        self._given_topology = check_topology(rank, world_size)
        # A generator of its own, so that iterating draws nothing from the global one.
        self._generator = torch.Generator()
        self._loader = DataLoader(stream, batch_size=None, collate_fn=unchanged, generator=self._generator, **options)
        self._epoch = 0
        self._start = self._taken = 0
        self._sharing = 1
        self._whole: int | None = None
        check_not_empty(stream.plan(0), self._topology[1], drop_last=self._drop_last)

    def __repr__(self) -> str:
        own = self._identity
        return (
            f"TrainLoader(source={self._source!r}, split={own['split']!r}, columns={own['columns']}, "
            f"rows={self._stream.plan(self._epoch).rows}, batch_size={self.batch_size}, batches={len(self)}, "
            f"seed={own['seed']}, epoch={self._epoch})"
        )

    @property
    def epoch(self) -> int:
        """Number of the epoch that is iterated, or else of the one that comes next."""
        return self._epoch

    @property
    def _topology(self) -> tuple[int, int]:
        """Rank and world size."""
        if self._given_topology is not None:
            return self._given_topology
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            return torch.distributed.get_rank(), torch.distributed.get_world_size()
        return 0, 1

    def _numbers(self, start: int) -> range:
        """Return the numbers of the batches of this rank when the epoch goes on at batch `start`."""
        plan = self._stream.plan(self._epoch)
        return batches_of_reader(plan, start, reader=self._topology, drop_last=self._drop_last)

    def __len__(self) -> int:
        """Return the number of batches of a whole epoch on this rank."""
        return len(self._numbers(0))

    def __iter__(self) -> Iterator[Batch]:
        self._leave_finished_epoch()
        epoch, (rank, ranks) = self._epoch, self._topology
        check_not_empty(self._stream.plan(epoch), ranks, drop_last=self._drop_last)
        self._taken, self._sharing, self._whole = 0, ranks, len(self._numbers(self._start))
        self._stream.start_at(epoch, self._start, rank, ranks)
        seed_workers(self._generator, self._identity["seed"], epoch, self._start, rank)
        # What torch makes for itself stays on the CPU, whatever `torch.set_default_device` says.
        with torch.device("cpu"):
            batches = iter(self._loader)
        for batch in batches:
            self._taken += 1
            yield batch
        if self._epoch == epoch:
            self._go_to(epoch + 1)

    def _leave_finished_epoch(self) -> None:
        """Go to the next epoch if all batches were taken, but nobody asked whether there are more."""
        if self._taken and self._taken == self._whole:
            self._go_to(self._epoch + 1)

    def _go_to(self, epoch: int, batches: int = 0) -> None:
        self._epoch, self._start, self._taken, self._whole = epoch, batches, 0, None

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch of the next iteration.

        Naming the current epoch changes nothing, so that a loop which does so at the start of every epoch also
        goes on in the middle of one after `load_state_dict`.

        Raises:
            UsageError: there is no such epoch.
        """
        epoch = check_epoch(epoch)
        self._leave_finished_epoch()
        if epoch != self._epoch:
            self._go_to(epoch)

    @property
    def sampler(self) -> "TrainLoader":
        """The loader itself: Lightning calls `set_epoch` of what it finds under this name."""
        return self

    def state_dict(self) -> dict[str, Any]:
        """Return the position behind the batch that was taken last, as plain JSON values.

        It is the same on all ranks that have taken the same number of batches.
        """
        consumed, batches = self._start + self._taken * self._sharing, self._stream.plan(self._epoch).all_batches
        position = {"epoch": self._epoch, "batches": min(consumed, batches)}
        if self._taken and self._taken == self._whole and (self._drop_last or consumed >= batches):
            position = {"epoch": self._epoch + 1, "batches": 0}
        return {**self._identity, **position}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where `state` was taken, with any number of ranks and workers.

        Every rank loads the same state.

        Raises:
            StateError: the state is of another dataset, version, split, batch size, ...; says which.
        """
        check_state(state, self._identity, batches=self._stream.plan(0).all_batches)
        self._go_to(state["epoch"], state["batches"])


def train_loader(
    source: str | PathLike[str] = BARE_NAME,
    split: str = "train",
    *,
    batch_size: int,
    seed: int = 0,
    columns: Sequence[str] = ("image",),
    num_workers: int = 0,
    rank: int | None = None,
    world_size: int | None = None,
    drop_last: bool = True,
    transform: Transform | None = None,
    pin_memory: bool = False,
    persistent_workers: bool = False,
    multiprocessing_context: str | None = None,
) -> TrainLoader:
    """Stream a split for training, every nucleus once an epoch, in an order that only (seed, epoch) decides.

    A batch is a dict from column name to value: `image` a uint8 tensor `(B, 1, crop_px, crop_px)` of raw camera values
    (uint16 if the dataset has 16 bits), `image_<channel>` such a tensor of a further channel, `mask` a bool tensor of
    that shape, other numbers tensors `(B,)` in which a missing integer is -1 and a missing real is NaN, texts lists in
    which a missing one is None, and `warnings` a list of lists of texts. Channels that are not wanted are not read.

    Shared by `world_size` ranks and `num_workers` workers, the batches stay the same; 1, 2, 3, 4, 6 or 12 of
    these processes in all read nothing twice. One process with `num_workers=0` is the cheapest way to read: a
    thread makes batches ahead.

    Args:
        source: dataset folder, URL of one, `owner/name` on the Hub, or `nucleusnet` for what the bare name means.
        split: a split, or several, such as "train+test".
        batch_size: rows of a batch on each rank.
        seed: of the order and of the transform.
        columns: wanted columns of config `default`, in the order of a batch.
        num_workers: worker processes.
        rank: number of this process; by default that of torch.distributed, or 0.
        world_size: number of processes that share the epoch; by default that of torch.distributed, or 1.
        drop_last: whether all ranks get the same number of full batches, and fewer than `world_size * batch_size` rows
            are left out at the end of an epoch. Otherwise every row comes exactly once, the last batch may be shorter,
            and ranks may differ by one batch.
        transform: called with each batch, where it is made; what it returns takes the batch's place. If it has a
            parameter `generator`, it gets a `torch.Generator` that only (seed, epoch, batch) decides; without one, it
            draws from the global generator of the worker, or without workers of this process, in a thread.
        pin_memory: as in `torch.utils.data.DataLoader`.
        persistent_workers: as in `torch.utils.data.DataLoader`; without workers it means nothing.
        multiprocessing_context: "fork", "spawn" or "forkserver"; by default what Python uses. All but "fork" import
            the script again in every worker, so it needs `if __name__ == "__main__":` around what it does.

    Raises:
        DatasetNotFoundError: there is no dataset at `source`.
        SelectionError: the split or a column does not exist.
        UsageError: a number cannot work.
        NucleusNetError: the dataset is damaged, changed, or cannot be reached.
    """
    batch_size = check_at_least(batch_size, 1, "batch_size")
    num_workers = check_at_least(num_workers, 0, "num_workers")
    seed = check_seed(seed)
    if transform is not None:
        check_transform(transform)
    opened = open_dataset(source)
    entries = opened.shards(DEFAULT, split)
    stream = BatchStream(
        open_split(opened, entries, columns), batch_size=batch_size, seed=seed, drop_last=drop_last, transform=transform
    )
    identity = {
        "format": STATE_FORMAT,
        "dataset": fingerprint(entries),
        "version": opened.manifest.version,
        "split": str(split),
        "columns": list(columns),
        "batch_size": batch_size,
        "drop_last": drop_last,
        "seed": seed,
    }
    persistent_workers = persistent_workers and num_workers > 0
    if persistent_workers:
        stream.share_position()
    options = {
        "num_workers": num_workers,
        "pin_memory": pin_memory,
        "persistent_workers": persistent_workers,
        "multiprocessing_context": multiprocessing_context if num_workers else None,
    }
    return TrainLoader(
        stream, source=opened.store.name, identity=identity, rank=rank, world_size=world_size, options=options
    )


def unchanged(batch: Any) -> Any:
    """Return a batch as it is, for a DataLoader that is to leave it alone."""
    return batch
