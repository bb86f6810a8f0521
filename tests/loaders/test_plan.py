import json
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loaders.plan import EpochPlan, batches_of_reader, cut_windows, lane_count

GROUPS = st.lists(st.integers(1, 12), min_size=1, max_size=70).map(tuple)
SMALL = settings(max_examples=60, deadline=None)


def rows_of(plan: EpochPlan, numbers: range) -> list[tuple[int, int]]:
    """(row group, row) of all rows of some batches, in order."""
    lanes = [
        [pick for pool in range(len(lane.pools)) for pick in pool_of(plan, lane.number, pool)] for lane in plan.lanes
    ]
    return [
        pick
        for number in numbers
        for piece in plan.batch(number)
        for pick in lanes[piece.lane][piece.start : piece.stop]
    ]


def pool_of(plan: EpochPlan, lane: int, pool: int) -> list[tuple[int, int]]:
    rows = plan.pool_rows(lane, pool)
    return list(zip(rows.group.tolist(), rows.row.tolist(), strict=True))


def test_the_order_of_an_epoch_is_the_same_in_every_version() -> None:
    # A change of this order breaks every saved state: then raise loaders.state.STATE_FORMAT too.
    plan = EpochPlan((3, 2, 3, 1), 2, seed=7, epoch=1)
    assert rows_of(plan, range(5)) == [(3, 0), (2, 1), (0, 2), (1, 0), (0, 0), (2, 2), (1, 1), (2, 0), (0, 1)]


@SMALL
@given(GROUPS, st.integers(1, 40), st.integers(0, 2**64 - 1), st.integers(0, 5))
def test_an_epoch_holds_every_row_once(groups: tuple[int, ...], batch_size: int, seed: int, epoch: int) -> None:
    plan = EpochPlan(groups, batch_size, seed, epoch)
    found = rows_of(plan, range(plan.all_batches))
    assert sorted(found) == [(group, row) for group, rows in enumerate(groups) for row in range(rows)]


@SMALL
@given(GROUPS, st.integers(1, 40))
def test_all_batches_but_the_last_are_full(groups: tuple[int, ...], batch_size: int) -> None:
    plan = EpochPlan(groups, batch_size, seed=0, epoch=0)
    sizes = [sum(piece.stop - piece.start for piece in plan.batch(number)) for number in range(plan.all_batches)]
    assert sizes[: plan.full_batches] == [batch_size] * plan.full_batches
    assert sizes[plan.full_batches :] == ([plan.rows % batch_size] if plan.rows % batch_size else [])


@SMALL
@given(GROUPS, st.integers(1, 40))
def test_a_lane_is_asked_for_its_rows_in_order(groups: tuple[int, ...], batch_size: int) -> None:
    plan = EpochPlan(groups, batch_size, seed=0, epoch=0)
    pieces = [piece for number in range(plan.all_batches) for piece in plan.batch(number)]
    for lane in plan.lanes:
        asked = [(piece.start, piece.stop) for piece in pieces if piece.lane == lane.number]
        assert all(before[1] == after[0] for before, after in pairwise(asked))
        assert [asked[0][0], asked[-1][1]] == [0, lane.rows]


@SMALL
@given(
    st.integers(1, 400),
    st.integers(0, 400),
    st.integers(1, 4),
    st.sampled_from([1, 2, 3, 4]),
    st.booleans(),
)
def test_readers_share_what_is_left_of_an_epoch_without_overlap(
    batches: int, start: int, ranks: int, workers: int, drop_last: bool
) -> None:
    plan = EpochPlan((batches * 3 - 1,), 3, seed=0, epoch=0)
    each = [
        batches_of_reader(plan, start, reader=(rank, ranks), worker=(worker, workers), drop_last=drop_last)
        for rank in range(ranks)
        for worker in range(workers)
    ]
    left = range(start, batches)
    if drop_last:
        left = range(start, start + max(0, batches - 1 - start) // ranks * ranks)
    assert sorted(number for numbers in each for number in numbers) == list(left)


@pytest.mark.parametrize("drop_last", [True, False])
@pytest.mark.parametrize("workers", [1, 2, 3, 4])
@pytest.mark.parametrize("ranks", [1, 2, 3, 4])
def test_workers_that_take_turns_keep_the_order_of_their_rank(ranks: int, workers: int, drop_last: bool) -> None:
    plan = EpochPlan((100,), 3, seed=0, epoch=0)
    for rank in range(ranks):
        alone = batches_of_reader(plan, 5, reader=(rank, ranks), drop_last=drop_last)
        shared = [
            batches_of_reader(plan, 5, reader=(rank, ranks), worker=(worker, workers), drop_last=drop_last)
            for worker in range(workers)
        ]
        turns = [numbers[turn] for turn in range(len(alone)) for numbers in shared if turn < len(numbers)]
        assert turns == list(alone)


@pytest.mark.parametrize("readers", [1, 2, 3, 4, 6, 12])
def test_readers_whose_number_divides_12_share_no_row_group(readers: int) -> None:
    plan = EpochPlan((8,) * 96, 4, seed=3, epoch=0)
    lanes = [
        {plan.batch(number)[0].lane for number in range(reader, plan.all_batches, readers)} for reader in range(readers)
    ]
    assert len(plan.lanes) == 12
    assert sum(len(each) for each in lanes) == 12


def test_the_first_batch_needs_one_row_group() -> None:
    plan = EpochPlan((256,) * 96, 256, seed=0, epoch=0)
    assert [len(lane.windows[0]) for lane in plan.lanes] == [1, 2, 3, 4] * 3


def test_a_batch_mixes_the_row_groups_of_a_window() -> None:
    plan = EpochPlan((256,) * 96, 256, seed=0, epoch=0)
    groups = [{group for group, _ in rows_of(plan, range(number, number + 1))} for number in (0, 12, 48)]
    assert [len(each) for each in groups] == [1, 3, 4]


def test_every_row_is_equally_likely_to_come_early() -> None:
    # 2,000 epochs: the share of epochs in which a row is in the first of 8 batches has a standard error of 0.0074.
    early = np.zeros((4, 8))
    for epoch in range(2000):
        for group, row in rows_of(EpochPlan((8,) * 4, 4, seed=5, epoch=epoch), range(1)):
            early[group, row] += 1 / 2000
    assert np.abs(early - 1 / 8).max() < 0.0074 * 4


def test_epochs_and_seeds_have_unrelated_orders() -> None:
    orders = {
        json.dumps(rows_of(EpochPlan((8,) * 9, 4, seed, epoch), range(18))) for seed in range(4) for epoch in range(4)
    }
    assert len(orders) == 16


@pytest.mark.parametrize(("groups", "lanes"), [(1, 1), (7, 1), (8, 2), (12, 3), (16, 4), (24, 6), (47, 6), (48, 12)])
def test_small_splits_have_fewer_lanes(groups: int, lanes: int) -> None:
    assert lane_count(groups) == lanes


def test_windows_are_as_even_as_possible() -> None:
    sizes = [len(window) for window in cut_windows(range(15), first=2)]
    assert sizes == [2, 3, 3, 3, 4]
