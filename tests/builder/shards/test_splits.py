import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.shards.splits import assign_splits, parse_splits
from nucleusnet_core.errors import UsageError

DEFAULT = {"train": 0.8, "validation": 0.1, "test": 0.1}
RUNS = {str(run): 10 for run in range(1, 11)}


def test_fractions_keep_the_order_in_which_they_are_written() -> None:
    assert list(parse_splits("test=0.25, train=0.75").items()) == [("test", 0.25), ("train", 0.75)]


def test_a_single_split_can_have_everything() -> None:
    assert parse_splits("train=1") == {"train": 1.0}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "train",
        "train=",
        "=1",
        "train=1,",
        "train=nan",
        "train=2",
        "train=0,test=1",
        "train=-0.5,test=1.5",
        "a/b=1",
        "../x=1",
        "train=0.5,train=0.5",
        "train=0.5,Train=0.5",
        "train=0.5,test=0.4",
    ],
)
def test_what_is_no_set_of_fractions_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--splits"):
        parse_splits(text)


def test_ten_runs_are_cut_eight_one_one_by_the_hash_of_their_names() -> None:
    splits = assign_splits(RUNS, DEFAULT, seed=0)
    assert splits == {
        "1": "train",
        "2": "train",
        "3": "train",
        "4": "train",
        "5": "test",
        "6": "train",
        "7": "train",
        "8": "train",
        "9": "train",
        "10": "validation",
    }


def test_another_seed_gives_other_splits() -> None:
    assert assign_splits(RUNS, DEFAULT, seed=1) != assign_splits(RUNS, DEFAULT, seed=0)


@pytest.mark.parametrize(("runs", "expected"), [(1, [1, 0, 0]), (2, [2, 0, 0]), (3, [2, 1, 0]), (5, [4, 1, 0])])
def test_cuts_are_rounded_half_up_and_a_split_may_stay_empty(runs: int, expected: list[int]) -> None:
    splits = list(assign_splits({str(run): 1 for run in range(runs)}, DEFAULT, seed=0).values())
    assert [splits.count(name) for name in DEFAULT] == expected


def test_runs_without_nuclei_move_no_other_run_and_join_the_first_split() -> None:
    with_empty = assign_splits({"empty": 0, **RUNS}, DEFAULT, seed=0)
    assert with_empty == {"empty": "train", **assign_splits(RUNS, DEFAULT, seed=0)}


def test_a_run_without_nuclei_makes_no_split_of_its_own() -> None:
    assert assign_splits({"1": 5, "2": 0}, {"train": 0.1, "test": 0.9}, seed=0) == {"1": "test", "2": "test"}


@given(
    kept=st.dictionaries(st.text(max_size=4), st.integers(0, 3), max_size=30),
    cuts=st.lists(st.integers(1, 5), min_size=1, max_size=4),
    seed=st.integers(0, 2**64 - 1),
)
def test_every_run_has_one_split_and_their_order_does_not_matter(
    kept: dict[str, int], cuts: list[int], seed: int
) -> None:
    fractions = {f"s{number}": cut / sum(cuts) for number, cut in enumerate(cuts)}
    splits = assign_splits(kept, fractions, seed)
    assert splits.keys() == kept.keys()
    assert splits == assign_splits(dict(reversed(kept.items())), fractions, seed)
    filled = [group for group in kept if kept[group]]
    for split, fraction in fractions.items():
        count = sum(splits[group] == split for group in filled)
        assert math.floor(fraction * len(filled)) - 1 <= count <= math.ceil(fraction * len(filled)) + 1
