"""Which rows a sample takes: every row with the same probability, the same ones everywhere."""

from collections import Counter
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nucleusnet_core.errors import SelectionError, UsageError
from nucleusnet_core.orders import keyed_hash
from nucleusnet_core.sampling.choose import choose_rows, place_runs, run_rows, unit_sizes

FULL_SIZE = [15_161] * 70
SMALL = [700, 513, 100, 30, 1000, 257, 400]
"""3000 rows: units of 256 to 444, merged over the two small shards."""

layouts = st.lists(st.integers(0, 1500), min_size=1, max_size=8).filter(sum)


def chi_square(counts: list[int], expected: list[float]) -> float:
    return sum((count - mean) ** 2 / mean for count, mean in zip(counts, expected, strict=True))


@given(layouts, st.data(), st.sampled_from(["blocks", "rows"]), st.integers(0, 2**64 - 1))
def test_a_sample_is_n_distinct_rows_of_those_there_are(
    shard_rows: list[int], data: st.DataObject, method: str, seed: int
) -> None:
    n = data.draw(st.integers(1, sum(shard_rows)))
    rows = choose_rows(shard_rows, n, seed=seed, method=method)
    assert rows.dtype == np.int64
    assert rows.shape == (n,)
    assert len(np.unique(rows)) == n
    assert 0 <= rows.min() <= rows.max() < sum(shard_rows)


@given(st.lists(st.integers(1, 12), min_size=1, max_size=6), st.data())
def test_over_all_starts_and_rotations_every_row_has_the_same_chance(sizes: list[int], data: st.DataObject) -> None:
    total = sum(sizes)
    count = data.draw(st.integers(1, total // max(sizes)))
    most = count * min(sizes)
    n = data.draw(st.integers(1, most))
    expected_rows = [Fraction(0)] * len(sizes)
    for start in range(total):
        for rotation in range(count):
            units, lengths = place_runs(np.array(sizes), n, count, start=start, rotation=rotation)
            assert len(set(units)) == count
            assert lengths.sum() == n
            for unit, length in zip(units, lengths, strict=True):
                assert length <= sizes[unit]
                expected_rows[unit] += Fraction(int(length), total * count)
    assert [expected / size for expected, size in zip(expected_rows, sizes, strict=True)] == [Fraction(n, total)] * len(
        sizes
    )


@given(st.integers(1, 20), st.data())
def test_over_all_offsets_every_row_of_a_unit_is_in_a_run_equally_often(size: int, data: st.DataObject) -> None:
    length = data.draw(st.integers(0, size))
    counts = Counter(int(row) for offset in range(size) for row in run_rows(1000, size, offset=offset, length=length))
    assert counts == Counter({1000 + row: length for row in range(size) if length})


@given(layouts)
def test_units_cover_all_rows_and_have_enough_of_them(shard_rows: list[int]) -> None:
    sizes = unit_sizes(shard_rows)
    assert sizes.sum() == sum(shard_rows)
    assert (sizes >= 256).all() or sizes.tolist() == [sum(shard_rows)]


def test_units_are_row_groups_and_short_ones_join_their_neighbours() -> None:
    assert unit_sizes([600, 512, 256]).tolist() == [256, 344, 256, 256, 256]
    assert unit_sizes([100, 100, 50, 300, 20, 256]).tolist() == [550, 276]
    assert unit_sizes([256, 10, 20]).tolist() == [286]
    assert unit_sizes([30, 0, 40]).tolist() == [70]


def test_a_thousand_of_the_full_size_come_from_four_row_groups_in_even_runs() -> None:
    for seed in range(50):
        rows = np.sort(choose_rows(FULL_SIZE, 1000, seed=seed))
        groups = Counter((rows // 15_161 * 1000 + np.minimum(rows % 15_161 // 256, 58)).tolist())
        assert list(groups.values()) == [250] * 4


def test_a_run_is_consecutive_and_goes_round_its_unit() -> None:
    assert run_rows(512, 256, offset=254, length=4).tolist() == [766, 767, 512, 513]
    for seed in range(20):
        rows = np.sort(choose_rows(FULL_SIZE, 40, seed=seed))
        gaps = [int(after - before) for before, after in pairwise(rows) if after - before > 1]
        assert 3 <= len(gaps) <= 7  # four runs of ten, of which each may be cut by the end of its unit


def test_the_rows_of_a_sample_stand_in_random_order() -> None:
    rows = choose_rows(FULL_SIZE, 1000, seed=5)
    neighbours = int((np.abs(np.diff(rows)) == 1).sum())
    assert neighbours < 10


@pytest.mark.parametrize("n", [1, 3, 4, 5, 1000, 1024, 1025, 100_000])
def test_a_sample_has_as_many_runs_as_it_needs(n: int) -> None:
    rows = choose_rows(FULL_SIZE, n, seed=9)
    units = np.cumsum(unit_sizes(FULL_SIZE))
    touched = Counter(np.searchsorted(units, rows, side="right").tolist())
    assert len(touched) == max(min(4, n), -(-n // 256))
    assert max(touched.values()) - min(touched.values()) <= 1


@pytest.mark.parametrize(("shard_rows", "n"), [([300], 100), ([2600], 2500), ([90, 80], 170), ([1000], 1000)])
def test_where_blocks_cannot_be_fair_they_are_exact_rows(shard_rows: list[int], n: int) -> None:
    blocks = choose_rows(shard_rows, n, seed=3, method="blocks")
    assert blocks.tolist() == choose_rows(shard_rows, n, seed=3, method="rows").tolist()
    assert not (np.diff(np.sort(choose_rows([3000], 20, seed=3, method="rows"))) == 1).all()


def test_the_same_seed_takes_the_same_rows_on_every_machine_and_library() -> None:
    blocks = choose_rows(FULL_SIZE, 1000, seed=1)
    assert blocks[:6].tolist() == [697365, 384826, 656959, 697333, 950506, 697377]
    assert choose_rows(FULL_SIZE, 4, seed=2**64 - 1).tolist() == [361296, 446015, 280282, 353905]
    exact = choose_rows(FULL_SIZE, 6, seed=1, method="rows")
    assert exact.tolist() == [803189, 143278, 177699, 658219, 581941, 443133]
    assert choose_rows(SMALL, 7, seed=0).tolist() == [78, 1710, 2824, 1997, 2825, 77, 1996]


def test_without_a_seed_every_sample_is_another_one() -> None:
    assert choose_rows(SMALL, 20).tolist() != choose_rows(SMALL, 20).tolist()


@pytest.mark.parametrize("method", ["blocks", "rows"])
@pytest.mark.parametrize("n", [1, 30, 1000])
def test_one_row_of_each_of_many_samples_is_uniform_over_the_file(method: str, n: int) -> None:
    firsts = np.array([choose_rows(SMALL, n, seed=seed, method=method)[0] for seed in range(3000)])
    tenths = np.bincount(firsts * 10 // 3000, minlength=10).tolist()
    assert chi_square(tenths, [300.0] * 10) < 27.88  # 0.999 quantile, 9 degrees of freedom
    in_group = np.bincount(firsts % 100, minlength=100).tolist()
    assert chi_square(in_group, [30.0] * 100) < 148.23  # 99 degrees of freedom
    starts = np.cumsum([0, *SMALL[:-1]])
    shards = np.bincount(np.searchsorted(starts, firsts, side="right") - 1, minlength=7).tolist()
    assert chi_square(shards, [float(rows) for rows in SMALL]) < 22.46  # 6 degrees of freedom


@pytest.mark.parametrize("method", ["blocks", "rows"])
@pytest.mark.parametrize("n", [1, 30, 1000])
def test_one_row_of_each_of_many_samples_shows_runs_and_images_as_often_as_the_file_has_them(
    method: str, n: int
) -> None:
    # 8 runs with 5 stitched images each, of which some have five times the nuclei of others, in the order of a build.
    names = [f"Run{run}_{image}" for run in range(8) for image in range(5) for _ in range(25 * (image + 1))]
    order = sorted(range(3000), key=lambda row: keyed_hash(f"{names[row]}_{row}", seed=0, purpose="row"))
    names = [names[row] for row in order]
    drawn = [names[choose_rows(SMALL, n, seed=seed, method=method)[0]] for seed in range(2000)]
    for length, limit in ((len("Run0_0"), 72.05), (len("Run0"), 24.32)):  # 0.999 quantiles, 39 and 7 degrees
        there = Counter(name[:length] for name in names)
        found = Counter(name[:length] for name in drawn)
        assert len(there) == {6: 40, 4: 8}[length]
        assert chi_square([found[name] for name in there], [count * 2 / 3 for count in there.values()]) < limit


@pytest.mark.parametrize(("method", "n"), [("blocks", 33), ("rows", 33), ("blocks", 1000)])
def test_every_row_is_taken_equally_often_in_many_samples(method: str, n: int) -> None:
    samples = 4000
    counts = np.zeros(3000, np.int64)
    for seed in range(samples):
        counts[choose_rows(SMALL, n, seed=seed, method=method)] += 1
    probability = n / 3000
    deviations = (counts - samples * probability) / np.sqrt(samples * probability * (1 - probability))
    assert np.abs(deviations).max() < 5
    # Rows of a unit come together, so there are as many degrees of freedom as there are units, less one: 8.
    per_unit = [float((part**2).mean()) for part in np.split(deviations, np.cumsum(unit_sizes(SMALL))[:-1])]
    assert len(per_unit) == 9
    assert sum(per_unit) < 26.12  # 0.999 quantile


def test_every_pair_of_rows_is_equally_likely_in_an_exact_sample() -> None:
    pairs = Counter(tuple(sorted(choose_rows([12], 2, seed=seed, method="rows").tolist())) for seed in range(3300))
    assert len(pairs) == 66
    assert chi_square(list(pairs.values()), [50.0] * 66) < 105.99  # 0.999 quantile, 65 degrees of freedom


@pytest.mark.parametrize("n", [0, -1, 3001])
def test_a_sample_that_cannot_be_says_how_many_rows_there_are(n: int) -> None:
    with pytest.raises(SelectionError, match=rf"^{n:,} nuclei cannot be drawn of 3,000; ask for 1 to 3,000\."):
        choose_rows(SMALL, n, seed=0)


@pytest.mark.parametrize("n", [10.0, "10", True, None])
def test_a_number_of_rows_that_is_none_is_refused(n: Any) -> None:
    with pytest.raises(UsageError, match=f"n is {n!r}; it must be a whole number"):
        choose_rows(SMALL, n, seed=0)
    assert choose_rows(SMALL, np.int32(10), seed=0).tolist() == choose_rows(SMALL, 10, seed=0).tolist()  # type: ignore[arg-type]


def test_an_unknown_method_or_seed_is_refused() -> None:
    with pytest.raises(UsageError, match="There is no method 'fast'; choose blocks or rows"):
        choose_rows(SMALL, 1, seed=0, method="fast")
    with pytest.raises(UsageError, match="The seed is -1; it must be a whole number from 0"):
        choose_rows(SMALL, 1, seed=-1)
