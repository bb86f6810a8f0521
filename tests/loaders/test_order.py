"""Which rows a stream gives, in which order, to whom."""

import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from loaders import TrainLoader, train_loader

WORKERS = [0, 1, 2, 4] if sys.platform == "linux" else [0]
COLUMNS = ("nucleus_id",)


def ids_of(loader: TrainLoader) -> list[list[str]]:
    """The nucleus_ids of each batch of an epoch."""
    return [batch["nucleus_id"] for batch in loader]


def flat(batches: list[list[str]]) -> list[str]:
    return [nucleus for batch in batches for nucleus in batch]


def ids_on_disk(folder: Path, split: str) -> list[str]:
    files = sorted((folder / "data").glob(f"{split}-*.parquet"))
    return [nucleus for file in files for nucleus in pq.read_table(file)["nucleus_id"].to_pylist()]


def test_the_order_of_a_seed_and_epoch_is_the_same_in_every_version(folder: Path) -> None:
    # A change of this order breaks every saved state: then raise loaders.state.STATE_FORMAT too.
    loader = train_loader(str(folder), "test", batch_size=4, seed=11, columns=COLUMNS)
    loader.set_epoch(2)
    one_lane = [[int(nucleus.rsplit("_", 1)[1]) for nucleus in batch] for batch in ids_of(loader)]
    assert one_lane == [
        [516, 501, 508, 525],
        [509, 521, 530, 505],
        [523, 526, 524, 506],
        [514, 527, 513, 520],
        [518, 529, 502, 511],
        [507, 528, 512, 515],
        [504, 503, 522, 519],
    ]
    loader = train_loader(str(folder), "train", batch_size=4, seed=11, columns=COLUMNS)
    twelve_lanes = [[int(nucleus.rsplit("_", 1)[1]) for nucleus in batch] for batch in ids_of(loader)]
    assert twelve_lanes[11:15] == [[456, 154, 448, 348], [331, 36, 29, 43], [117, 310, 391, 337], [149, 494, 239, 25]]


@pytest.mark.filterwarnings("ignore:This DataLoader will create")
@pytest.mark.parametrize("workers", WORKERS)
@pytest.mark.parametrize("world_size", [1, 2, 3, 4])
def test_all_ranks_and_workers_together_give_every_row_once(folder: Path, world_size: int, workers: int) -> None:
    parts = [
        ids_of(
            train_loader(
                str(folder),
                batch_size=7,
                columns=COLUMNS,
                drop_last=False,
                rank=rank,
                world_size=world_size,
                num_workers=workers,
            )
        )
        for rank in range(world_size)
    ]
    assert sorted(nucleus for part in parts for nucleus in flat(part)) == sorted(ids_on_disk(folder, "train"))
    counts = [len(part) for part in parts]
    assert max(counts) - min(counts) <= 1
    assert sum(counts) == 72


@pytest.mark.filterwarnings("ignore:This DataLoader will create")
@pytest.mark.parametrize("workers", WORKERS)
@pytest.mark.parametrize("world_size", [1, 2, 3, 4])
def test_drop_last_gives_all_ranks_the_same_number_of_full_batches(folder: Path, world_size: int, workers: int) -> None:
    parts = [
        ids_of(
            train_loader(
                str(folder), batch_size=7, columns=COLUMNS, rank=rank, world_size=world_size, num_workers=workers
            )
        )
        for rank in range(world_size)
    ]
    assert {len(part) for part in parts} == {71 // world_size}
    assert {len(batch) for part in parts for batch in part} == {7}
    given = [nucleus for part in parts for nucleus in flat(part)]
    assert len(set(given)) == len(given)
    assert 500 - len(given) < world_size * 7


@pytest.mark.skipif(sys.platform != "linux", reason="workers start slowly without fork")
@pytest.mark.filterwarnings("ignore:This DataLoader will create 4 worker")
def test_no_number_of_ranks_or_workers_changes_the_batches(folder: Path) -> None:
    alone = ids_of(train_loader(str(folder), batch_size=16, columns=COLUMNS))
    four_workers = ids_of(train_loader(str(folder), batch_size=16, columns=COLUMNS, num_workers=4))
    ranks = [
        ids_of(train_loader(str(folder), batch_size=16, columns=COLUMNS, rank=rank, world_size=3)) for rank in range(3)
    ]
    assert four_workers == alone
    assert [batch for turn in zip(*ranks, strict=True) for batch in turn] == alone[:30]


def test_an_epoch_has_another_order_than_the_last(folder: Path) -> None:
    loader = train_loader(str(folder), batch_size=50, columns=COLUMNS)
    first, second = flat(ids_of(loader)), flat(ids_of(loader))
    assert loader.epoch == 2
    assert sorted(first) == sorted(second)
    # 500 rows in an unrelated order leave one row in its place on average; 12 or more happen once in 10**9.
    assert sum(before == after for before, after in zip(first, second, strict=True)) < 12


def test_set_epoch_chooses_an_order(folder: Path) -> None:
    loader, other = (train_loader(str(folder), batch_size=50, columns=COLUMNS) for _ in range(2))
    epochs = [ids_of(loader) for _ in range(3)]
    other.set_epoch(2)
    assert ids_of(other) == epochs[2]
    other.set_epoch(0)
    assert ids_of(other) == epochs[0]


def test_breaking_out_and_starting_again_gives_the_epoch_again(folder: Path) -> None:
    loader = train_loader(str(folder), batch_size=50, columns=COLUMNS)
    for _ in loader:
        break
    again = ids_of(loader)
    assert again == ids_of(train_loader(str(folder), batch_size=50, columns=COLUMNS))


def test_len_is_the_number_of_batches_of_an_epoch(folder: Path) -> None:
    def length(**options: Any) -> int:
        return len(train_loader(str(folder), batch_size=30, columns=COLUMNS, **options))

    assert length() == 16
    assert length(drop_last=False) == 17
    assert [length(drop_last=False, rank=rank, world_size=3) for rank in range(3)] == [6, 6, 5]
    assert length(rank=2, world_size=3) == 5


def test_a_loader_says_what_it_is(folder: Path) -> None:
    loader = train_loader(folder, batch_size=30, seed=7, columns=COLUMNS, rank=1, world_size=3, drop_last=False)
    loader.set_epoch(4)
    assert repr(loader) == (
        f"TrainLoader(source={str(folder)!r}, split='train', columns=['nucleus_id'], rows=500, batch_size=30, "
        "batches=6, seed=7, epoch=4)"
    )


def test_several_splits_are_one_stream(folder: Path) -> None:
    loader = train_loader(str(folder), "train+test", batch_size=10, columns=COLUMNS)
    assert sorted(flat(ids_of(loader))) == sorted(ids_on_disk(folder, "train") + ids_on_disk(folder, "test"))
