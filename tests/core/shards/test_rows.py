"""Reading chosen rows: the right ones, with nothing else, and every kind of damage named."""

import hashlib
import json
import shutil
from collections import Counter
from pathlib import Path

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nucleusnet_core.dataset import OpenDataset, open_dataset
from nucleusnet_core.errors import CorruptDataError, DatasetNotFoundError, SelectionError
from nucleusnet_core.sampling.draw import sample_table
from nucleusnet_core.shards import rows as fetch
from nucleusnet_core.shards.rows import Picks, ReadReport, fetch_rows
from nucleusnet_core.shards.tables import read_row_group
from nucleusnet_dataset import features
from tests.dataset_folder import write_dataset_folder
from tests.page_damage import change_values

SPLITS = {"train": 2500, "test": 40}
SHARD_ROWS = 600


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Shards of four times 600, 100 and 40 rows; row groups of 256, 256, 88 and so on."""
    folder = tmp_path_factory.mktemp("Größe 1") / "nucleusnet"
    write_dataset_folder(folder, SPLITS, shard_rows=SHARD_ROWS)
    return folder


@pytest.fixture(scope="module")
def opened(folder: Path) -> OpenDataset:
    return open_dataset(folder)


@pytest.fixture(scope="module")
def whole(folder: Path) -> pa.Table:
    """All rows of split train, in order."""
    return pa.concat_tables(pq.read_table(path) for path in sorted((folder / "data").glob("train-*")))


@pytest.fixture
def copied(folder: Path, tmp_path: Path) -> Path:
    """A copy of the dataset folder, to be damaged."""
    return Path(shutil.copytree(folder, tmp_path / "copy"))


def train(opened: OpenDataset, rows: list[int]) -> Picks:
    return Picks(tuple(opened.shards("default", "train")), np.array(rows, np.int64))


@settings(max_examples=25, deadline=None)
@given(
    rows=st.lists(st.integers(0, 2499), min_size=1, max_size=30),
    columns=st.lists(st.sampled_from(["image", "mask", "label", "run", "quarter", "clipped"]), min_size=1, unique=True),
)
def test_any_rows_and_columns_are_those_of_the_file(
    opened: OpenDataset, whole: pa.Table, rows: list[int], columns: list[str]
) -> None:
    table, _ = fetch_rows(opened, train(opened, rows), columns)
    assert table.column_names == columns
    assert table.equals(whole.take(rows).select(columns))


def test_all_columns_come_with_the_features_of_the_dataset(opened: OpenDataset, whole: pa.Table) -> None:
    table, _ = fetch_rows(opened, train(opened, [2499, 0, 600, 599, 0]))
    assert table.equals(whole.take([2499, 0, 600, 599, 0]), check_metadata=True)
    assert datasets.Dataset(table).features == features("default")


def test_some_columns_come_with_their_features_alone(opened: OpenDataset) -> None:
    table, _ = fetch_rows(opened, train(opened, [3]), ["run", "image"])
    content = json.loads(table.schema.metadata[b"huggingface"])
    assert list(content["info"]["features"]) == ["run", "image"]
    assert datasets.Dataset(table).features["image"] == datasets.Image(mode="L")


def test_rows_that_do_not_fit_one_portion_of_arrow_are_put_in_order_too(
    opened: OpenDataset, whole: pa.Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch, "_TAKE_BYTES", 1 << 20)
    rows = np.random.default_rng(0).permutation(2500)[:100].tolist()
    table, _ = fetch_rows(opened, train(opened, rows), ["image", "label"])
    assert table["label"].num_chunks > 5
    assert table.equals(whole.take(rows).select(["image", "label"]))


def test_what_is_read_is_footers_and_the_touched_row_groups_and_footers_once(folder: Path) -> None:
    opened = open_dataset(folder)
    first, second, *_ = opened.shards("default", "train")
    _, report = fetch_rows(opened, train(opened, [0, 3, 601]))
    groups = [_group_bytes(folder / first.path, 0), _group_bytes(folder / second.path, 0)]
    assert report == ReadReport(4, sum(groups) + first.footer_bytes + second.footer_bytes)
    _, again = fetch_rows(opened, train(opened, [0, 3, 601]))
    assert again == ReadReport(2, sum(groups))
    _, labels = fetch_rows(opened, train(opened, [0]), ["label"])
    assert labels.bytes < 2000


def _group_bytes(path: Path, group: int) -> int:
    metadata = pq.read_metadata(path).row_group(group)
    return sum(metadata.column(number).total_compressed_size for number in range(metadata.num_columns))


def test_neighbouring_row_groups_are_read_together(folder: Path) -> None:
    opened = open_dataset(folder)
    _, report = fetch_rows(opened, train(opened, [0, 300, 599]))
    assert report.requests == 2


@pytest.mark.parametrize("method", ["blocks", "rows"])
def test_a_sample_is_the_rows_that_the_seed_chooses(opened: OpenDataset, method: str) -> None:
    table, _ = sample_table(opened, n=1000, split="train+test", seed=5, columns=["label"], method=method)
    labels = table["label"].to_pylist()
    assert len(set(labels)) == 1000
    again, _ = sample_table(opened, n=1000, split="train+test", seed=5, columns=["label", "image"], method=method)
    assert again["label"].to_pylist() == labels


def test_a_sample_with_a_known_seed_is_these_nuclei(opened: OpenDataset) -> None:
    blocks, _ = sample_table(opened, n=5, seed=0, columns=["nucleus_id"])
    rows, _ = sample_table(opened, n=3, seed=0, columns=["nucleus_id"], method="rows")
    assert blocks["nucleus_id"].to_pylist() == [
        "Run01TL_top_left_ROI_264",
        "Run06TL_top_left_ROI_2013",
        "Run06TL_top_left_ROI_2445",
        "Run07TL_top_left_ROI_270",
        "Run04TL_top_left_ROI_531",
    ]
    assert rows["nucleus_id"].to_pylist() == [
        "Run04TL_top_left_ROI_1739",
        "Run05TL_top_left_ROI_564",
        "Run01TL_top_left_ROI_848",
    ]


def test_files_with_other_row_groups_give_the_same_nuclei(opened: OpenDataset, tmp_path: Path) -> None:
    write_dataset_folder(tmp_path / "other", SPLITS, shard_rows=SHARD_ROWS, group_rows=37)
    other = open_dataset(tmp_path / "other")
    for n in (10, 700):
        expected, _ = sample_table(opened, n=n, seed=3, columns=["nucleus_id", "image"])
        found, _ = sample_table(other, n=n, seed=3, columns=["nucleus_id", "image"])
        assert found.equals(expected)


@pytest.mark.parametrize("method", ["blocks", "rows"])
def test_samples_show_every_run_as_often_as_the_split_has_it(opened: OpenDataset, whole: pa.Table, method: str) -> None:
    expected = Counter(whole["stitched_image"].to_pylist())
    found: Counter[str] = Counter()
    for seed in range(400):
        table, _ = sample_table(opened, n=20, seed=seed, columns=["stitched_image"], method=method)
        found[table["stitched_image"][0].as_py()] += 1
    means = {name: 400 * count / 2500 for name, count in expected.items()}
    assert len(means) == 8
    assert sum((found[name] - mean) ** 2 / mean for name, mean in means.items()) < 24.32  # 0.999 quantile, 7 degrees


def test_too_many_rows_or_an_unknown_split_or_column_list_what_there_is(opened: OpenDataset) -> None:
    with pytest.raises(SelectionError, match=r"split train: 2,501 nuclei cannot be drawn of 2,500"):
        sample_table(opened, n=2501)
    with pytest.raises(SelectionError, match="its splits are train, test"):
        sample_table(opened, n=1, split="dev")
    with pytest.raises(
        SelectionError, match=r"no column 'picture'; .* different columns out of image, mask, nucleus_id"
    ):
        sample_table(opened, n=1, columns=["picture"])
    with pytest.raises(SelectionError, match=r"columns is 'run'; give a list of different columns out of image"):
        sample_table(opened, n=1, columns="run")
    for columns in (["run", "run"], []):
        with pytest.raises(SelectionError, match="different columns out of image, mask"):
            sample_table(opened, n=1, columns=columns)


def test_a_missing_or_truncated_shard_is_named(copied: Path) -> None:
    opened = open_dataset(copied)
    picks = train(opened, [0, 700])
    path = copied / picks.entries[1].path
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(CorruptDataError, match=r"train-00001-of-00005\.parquet has .* bytes; at least .* are needed"):
        fetch_rows(opened, picks)
    path.unlink()
    with pytest.raises(DatasetNotFoundError, match=r"train-00001-of-00005\.parquet does not exist"):
        fetch_rows(opened, picks)


def test_damaged_bytes_name_the_file_and_the_row_group(copied: Path) -> None:
    opened = open_dataset(copied)
    picks = train(opened, [300])
    path = copied / picks.entries[0].path
    start = pq.read_metadata(path).row_group(1).column(0).data_page_offset
    data = bytearray(path.read_bytes())
    data[start : start + 400] = bytes(400)
    path.write_bytes(data)
    with pytest.raises(CorruptDataError, match=r"train-00000-of-00005\.parquet: row groups 1 to 1 cannot be decoded"):
        fetch_rows(opened, picks, ["image"])


def test_shards_with_different_columns_are_refused(copied: Path) -> None:
    manifest = json.loads((copied / "manifest.json").read_text("utf-8"))
    entry = next(entry for entry in manifest["shards"] if entry["path"] == "data/train-00001-of-00005.parquet")
    table = pq.read_table(copied / entry["path"]).drop_columns(["clipped"])
    pq.write_table(table, copied / entry["path"])
    data = (copied / entry["path"]).read_bytes()
    entry["bytes"], entry["footer_bytes"] = len(data), int.from_bytes(data[-8:-4], "little") + 8
    entry["sha256"] = hashlib.sha256(data).hexdigest()
    (copied / "manifest.json").write_text(json.dumps(manifest), "utf-8")
    opened = open_dataset(copied)
    with pytest.raises(
        CorruptDataError, match=r"train-00001-of-00005\.parquet has other columns than data/train-00000"
    ):
        fetch_rows(opened, train(opened, [0, 700]), ["label"])


@pytest.mark.parametrize("column", ["image.bytes", "mask.bytes", "label", "nucleus_id"])
def test_values_that_changed_are_seen_by_the_checksum_of_their_page(copied: Path, column: str) -> None:
    opened = open_dataset(copied)
    entry = opened.shards("default", "train")[0]
    change_values(copied / entry.path, 1, column)
    names = [column.split(".", maxsplit=1)[0]]
    message = f"{entry.path}: row groups 1 to 1 cannot be decoded .*CRC"
    with pytest.raises(CorruptDataError, match=message):
        fetch_rows(opened, train(opened, [256]), names)
    assert fetch_rows(opened, train(opened, [255]), names)[0].num_rows == 1


def test_a_whole_row_group_is_held_against_its_checksums_too(copied: Path) -> None:
    opened = open_dataset(copied)
    entry = opened.shards("default", "train")[0]
    change_values(copied / entry.path, 1, "area_px")
    assert read_row_group(opened, entry, 0).num_rows == 256
    with pytest.raises(CorruptDataError, match=f"{entry.path}.*CRC"):
        read_row_group(opened, entry, 1)
