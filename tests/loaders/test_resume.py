"""Stopping and going on: nothing twice, nothing lost, whoever goes on."""

import itertools
import json
import sys
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loaders import TrainLoader, train_loader
from nucleusnet_core.errors import StateError
from tests.dataset_folder import write_dataset_folder

pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create")
# Starting processes is slow elsewhere; that it works with "spawn" has a test of its own.
WORKERS = st.sampled_from([0, 0, 0, 1, 2, 4]) if sys.platform == "linux" else st.just(0)
TOPOLOGY = st.tuples(st.integers(1, 4), WORKERS)


def loader_of(folder: Path, **options: Any) -> TrainLoader:
    settings: dict[str, Any] = {"batch_size": 16, "columns": ("nucleus_id",), "seed": 3} | options
    return train_loader(folder, **settings)


def ids(batches: Any) -> list[tuple[str, ...]]:
    return [tuple(batch["nucleus_id"]) for batch in batches]


def in_turn(parts: list[list[tuple[str, ...]]]) -> list[tuple[str, ...]]:
    """The batches of all ranks in the order in which they take turns."""
    return [batch for turn in itertools.zip_longest(*parts) for batch in turn if batch is not None]


def run_ranks(
    folder: Path, state: dict[str, Any] | None, topology: tuple[int, int], batches: int | None, **options: Any
) -> tuple[list[tuple[str, ...]], dict[str, Any]]:
    """Go on from a state with some ranks, for some batches of each or to the end of the epoch."""
    ranks, workers = topology
    parts, states = [], []
    for rank in range(ranks):
        loader = loader_of(folder, rank=rank, world_size=ranks, num_workers=workers, **options)
        if state is not None:
            loader.load_state_dict(state)
        parts.append(ids(itertools.islice(loader, batches)))
        states.append(json.loads(json.dumps(loader.state_dict())))
    assert all(other == states[0] for other in states)
    return in_turn(parts), states[0]


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    topologies=st.tuples(TOPOLOGY, TOPOLOGY, TOPOLOGY),
    stops=st.tuples(st.integers(1, 6), st.integers(1, 5)),
    drop_last=st.booleans(),
)
def test_resuming_twice_gives_the_uninterrupted_sequence(
    folder: Path, topologies: tuple[tuple[int, int], ...], stops: tuple[int, int], drop_last: bool
) -> None:
    first, second, third = topologies
    options = {"batch_size": 9, "drop_last": drop_last}
    whole = ids(loader_of(folder, **options))
    start, state = run_ranks(folder, None, first, stops[0], **options)
    middle, state = run_ranks(folder, state, second, stops[1], **options)
    end, state = run_ranks(folder, state, third, None, **options)
    given_batches = start + middle + end
    left_out = len(whole) - len(given_batches)
    assert given_batches == whole[: len(given_batches)]
    assert 0 <= left_out < (third[0] if drop_last else 1)
    assert (state["epoch"], state["batches"]) == (1, 0)


def test_a_state_is_small_and_names_what_it_belongs_to(folder: Path) -> None:
    loader = loader_of(folder)
    batches = iter(loader)
    next(batches)
    next(batches)
    state = loader.state_dict()
    assert len(json.dumps(state)) < 400
    assert state | {"dataset": ""} == {
        "format": 1,
        "dataset": "",
        "version": "2.0.0",
        "split": "train",
        "columns": ["nucleus_id"],
        "batch_size": 16,
        "drop_last": True,
        "seed": 3,
        "epoch": 0,
        "batches": 2,
    }


def test_a_state_of_the_end_of_an_epoch_goes_on_with_the_next(folder: Path) -> None:
    loader, other = loader_of(folder), loader_of(folder)
    list(loader)
    other.load_state_dict(loader.state_dict())
    assert ids(other) == ids(loader)


def test_set_epoch_with_the_epoch_of_the_state_goes_on_in_it(folder: Path) -> None:
    loader, other = loader_of(folder), loader_of(folder)
    loader.set_epoch(4)
    batches = iter(loader)
    given_before = ids(itertools.islice(batches, 5))
    other.load_state_dict(loader.state_dict())
    other.set_epoch(4)
    rest = ids(other)
    assert given_before + rest == ids(epoch_of(folder, 4))
    assert other.epoch == 5


def epoch_of(folder: Path, epoch: int) -> TrainLoader:
    loader = loader_of(folder)
    loader.set_epoch(epoch)
    return loader


@pytest.mark.skipif(sys.platform != "linux", reason="fork is Linux's")
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_persistent_workers_follow_states_and_epochs(folder: Path, method: str) -> None:
    loader = loader_of(folder, num_workers=2, persistent_workers=True, multiprocessing_context=method)
    first = ids(loader)
    given_before = ids(itertools.islice(loader, 7))
    state = loader.state_dict()
    other_epoch = epoch_of(folder, 5)
    loader.set_epoch(5)
    assert ids(loader) == ids(other_epoch)
    loader.load_state_dict(state)
    assert first == ids(epoch_of(folder, 0))
    assert given_before + ids(loader) == ids(epoch_of(folder, 1))


def test_without_workers_none_of_them_persists(folder: Path) -> None:
    assert ids(loader_of(folder, persistent_workers=True)) == ids(loader_of(folder))


def test_numbers_of_numpy_and_splits_of_datasets_make_the_same_state(folder: Path) -> None:
    numbers = {"batch_size": np.int64(16), "seed": np.int64(3), "rank": np.int32(0), "world_size": np.int32(1)}
    loader = train_loader(folder, datasets.Split.TRAIN, columns=("nucleus_id",), **numbers)  # type: ignore[arg-type]
    loader.set_epoch(np.int64(2))  # type: ignore[arg-type]
    plain = loader_of(folder)
    plain.set_epoch(2)
    assert json.dumps(loader.state_dict()) == json.dumps(plain.state_dict())


@pytest.mark.filterwarnings("ignore:'pin_memory' argument is set as true")
def test_pinned_memory_makes_no_difference(folder: Path) -> None:
    columns = ("label", "nucleus_id")
    plain, pinned = (loader_of(folder, columns=columns, pin_memory=pin) for pin in (False, True))
    assert [batch["label"].tolist() for batch in pinned] == [batch["label"].tolist() for batch in plain]


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"batch_size": 8}, r"batch_size is 16 in the state and 8 in the loader\. Make"),
        ({"drop_last": False}, "drop_last is True in the state and False in the loader"),
        ({"columns": ("label",)}, r"columns is \['nucleus_id'\] in the state and \['label'\] in the loader"),
        ({"seed": 4}, "seed is 3 in the state and 4 in the loader"),
        ({"split": "test"}, "split is 'train' in the state and 'test' in the loader"),
    ],
)
def test_a_state_of_another_loader_is_refused(folder: Path, options: dict[str, Any], named: str) -> None:
    state = loader_of(folder).state_dict()
    with pytest.raises(StateError, match=named):
        loader_of(folder, **options).load_state_dict(state)


def test_a_state_of_another_dataset_is_refused(folder: Path, tmp_path: Path) -> None:
    write_dataset_folder(tmp_path, {"train": 64}, group_rows=8)
    with pytest.raises(StateError, match=r"dataset is '[0-9a-f]{16}' in the state and '[0-9a-f]{16}' in the loader"):
        loader_of(folder).load_state_dict(loader_of(tmp_path).state_dict())


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"format": 2}, "format is 2 in the state and 1 in the loader"),
        ({"version": "0.9.0"}, r"version is '0\.9\.0' in the state and '2\.0\.0' in the loader"),
        ({"batches": -1}, "batches is -1 in the state and can be 0 to 32"),
        ({"batches": 33}, "batches is 33 in the state and can be 0 to 32"),
        ({"batches": True}, "batches is True in the state and can be 0 to 32"),
        ({"epoch": None}, "epoch is None in the state and can be 0 to 9,223,372,036,854,775,807"),
    ],
)
def test_a_damaged_state_is_refused(folder: Path, changed: dict[str, Any], named: str) -> None:
    loader = loader_of(folder)
    with pytest.raises(StateError, match=named):
        loader.load_state_dict(loader.state_dict() | changed)
    assert loader.state_dict()["batches"] == 0


def test_something_else_than_a_state_is_refused(folder: Path) -> None:
    with pytest.raises(StateError, match=r"The state is None; give what state_dict\(\) returned\."):
        loader_of(folder).load_state_dict(None)  # type: ignore[arg-type]


def test_at_the_end_of_an_epoch_no_rank_forgets_the_batch_that_another_one_still_gives(folder: Path) -> None:
    """500 rows in batches of 100 for two ranks: the first gives three of them, the second two."""
    ranks = [
        train_loader(folder, batch_size=100, columns=("label",), drop_last=False, rank=rank, world_size=2)
        for rank in (0, 1)
    ]
    streams = [iter(loader) for loader in ranks]
    for _ in range(2):
        for stream in streams:
            next(stream)
    states = [loader.state_dict() for loader in ranks]
    assert states[0] == states[1]
    assert (states[0]["epoch"], states[0]["batches"]) == (0, 4)
    next(streams[0])
    assert (ranks[0].state_dict()["epoch"], ranks[0].state_dict()["batches"]) == (1, 0)


def test_a_loop_that_counts_batches_goes_on_to_the_next_epoch(folder: Path) -> None:
    # Lightning takes as many batches as `len` says and never asks whether there are more.
    loader = loader_of(folder)
    epochs = [ids(itertools.islice(loader, len(loader))) for _ in range(2)]
    assert epochs == [ids(epoch_of(folder, 0)), ids(epoch_of(folder, 1))]


def test_behind_the_last_batch_a_state_means_the_next_epoch(folder: Path) -> None:
    loader, other = loader_of(folder), loader_of(folder)
    for _ in itertools.islice(loader, len(loader)):
        pass
    assert loader.state_dict()["epoch"] == 1
    other.load_state_dict(loader.state_dict())
    assert ids(other) == ids(epoch_of(folder, 1))


def test_lightning_finds_set_epoch_where_it_looks(folder: Path) -> None:
    loader = loader_of(folder)
    loader.sampler.set_epoch(3)
    assert ids(loader) == ids(epoch_of(folder, 3))
