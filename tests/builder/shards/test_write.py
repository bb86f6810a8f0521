"""How the rows of a split are cut into shards: every hash lies in one, and all but the last hold whole row groups."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.shards.write import LAST_HASH, plan_boundaries


@given(
    hashes=st.lists(st.integers(0, LAST_HASH), min_size=1, max_size=3000),
    cells_bytes=st.integers(0, 10_000),
    seed=st.integers(0, 2**32 - 1),
)
def test_shards_follow_each_other_and_hold_whole_row_groups(hashes: list[int], cells_bytes: int, seed: int) -> None:
    values = np.array(hashes, np.uint64)
    ranges = plan_boundaries(values, cells_bytes, 1000)
    assert ranges[0][0] == 0
    assert ranges[-1][1] == LAST_HASH
    assert all(after == before + 1 for (_, before), (after, _) in itertools.pairwise(ranges))
    assert len(ranges) <= max(1, round(cells_bytes / 1000))
    rows = [int(((values >= np.uint64(first)) & (values <= np.uint64(last))).sum()) for first, last in ranges]
    assert sum(rows) == len(hashes)
    if len(set(hashes)) == len(hashes):
        assert all(count % 256 == 0 for count in rows[:-1])
    shuffled = np.random.default_rng(seed).permutation(values)
    assert plan_boundaries(shuffled, cells_bytes, 1000) == ranges


@pytest.mark.parametrize(("cells_bytes", "rows"), [(1000, [1100]), (2000, [512, 588]), (3000, [256, 512, 332])])
def test_the_number_of_shards_is_that_of_the_bytes(cells_bytes: int, rows: list[int]) -> None:
    values = np.arange(1100, dtype=np.uint64)
    ranges = plan_boundaries(values, cells_bytes, 1000)
    assert [int(((values >= first) & (values <= last)).sum()) for first, last in ranges] == rows
