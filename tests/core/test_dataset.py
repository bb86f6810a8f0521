"""Opening a dataset, and reading its footers once."""

import json
import pickle
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from nucleusnet_core.dataset import open_dataset
from nucleusnet_core.errors import CorruptDataError, DatasetNotFoundError, ManifestError, SelectionError
from tests.dataset_folder import write_dataset_folder
from tests.root import ROOT


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("Größe 1") / "nucleusnet"
    write_dataset_folder(folder, {"train": 40, "test": 10}, shard_rows=16, group_rows=8)
    return folder


@pytest.fixture
def damaged(folder: Path, tmp_path: Path) -> Path:
    """A copy of which the first shard may be damaged."""
    for path in folder.rglob("*.*"):
        (tmp_path / path.relative_to(folder)).parent.mkdir(exist_ok=True)
        (tmp_path / path.relative_to(folder)).write_bytes(path.read_bytes())
    return tmp_path


def test_the_shards_of_a_split_and_of_several(folder: Path) -> None:
    opened = open_dataset(folder)
    assert [entry.rows for entry in opened.shards("default", "train")] == [16, 16, 8]
    assert [entry.rows for entry in opened.shards("default", "test + train")] == [10, 16, 16, 8]
    assert [entry.path for entry in opened.shards("10k", "test")] == ["10k/test-00000-of-00001.parquet"]


@pytest.mark.parametrize("split", ["dev", "train+dev", "train+train", ""])
def test_an_unknown_split_lists_what_there_is(folder: Path, split: str) -> None:
    with pytest.raises(SelectionError, match="its splits are train, test; join several different ones"):
        open_dataset(folder).shards("default", split)


def test_an_unknown_config_lists_what_there_is(folder: Path) -> None:
    with pytest.raises(SelectionError, match=r"has no config 'x'; .* default, metadata, stitched, 10k"):
        open_dataset(folder).shards("x", "train")


def test_footers_are_those_of_the_files_and_are_read_once(folder: Path) -> None:
    opened = open_dataset(folder)
    entries = opened.shards("default", "train")
    found = opened.footers(entries)
    assert found == [pq.read_metadata(folder / entry.path) for entry in entries]
    assert opened.footer_bytes(entries[0])[-4:] == b"PAR1"
    hidden = folder.rename(folder.with_name("hidden"))
    try:
        assert opened.footers(entries) == found
        copy = pickle.loads(pickle.dumps(opened))  # noqa: S301 - as a DataLoader sends it to its workers
        assert copy.manifest == opened.manifest
        assert copy.footers(entries) == found
    finally:
        hidden.rename(folder)


def test_a_missing_shard_is_named(damaged: Path) -> None:
    opened = open_dataset(damaged)
    entries = opened.shards("default", "train")
    (damaged / entries[1].path).unlink()
    with pytest.raises(DatasetNotFoundError, match=r"train-00001-of-00003\.parquet does not exist"):
        opened.footers(entries)


def test_a_truncated_shard_says_what_is_missing(damaged: Path) -> None:
    opened = open_dataset(damaged)
    entry = opened.shards("default", "train")[0]
    data = (damaged / entry.path).read_bytes()
    (damaged / entry.path).write_bytes(data[:-1])
    with pytest.raises(CorruptDataError, match=rf"has {len(data) - 1:,} bytes; at least {len(data):,} are needed"):
        opened.footer(entry)


def test_a_shard_of_another_content_is_damaged(damaged: Path) -> None:
    opened = open_dataset(damaged)
    first, second, _ = opened.shards("default", "train")
    data = (damaged / first.path).read_bytes()
    (damaged / first.path).write_bytes(bytes(8) + data)
    with pytest.raises(
        CorruptDataError, match=r"train-00000-of-00003\.parquet is damaged: .* do not end in a Parquet footer"
    ):
        opened.footer(first)
    data = (damaged / second.path).read_bytes()
    (damaged / second.path).write_bytes(data[: -second.footer_bytes] + bytes(second.footer_bytes - 8) + data[-8:])
    with pytest.raises(CorruptDataError, match="its Parquet footer has another SHA-256 than the manifest states"):
        opened.footer(second)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": "x"}, "version is 'x'; it must be three numbers such as 1.0.0"),
        ({"recipe": None}, "recipe must be str, not NoneType"),
        ({"runs": {"train": 5}}, "runs of train must be list, not int"),
        ({"runs": {"train": [None]}}, "runs of train must be str, not NoneType"),
        ({"parameters": {"pixels_per_um": "8"}}, "pixels_per_um is '8'; it must be a number above 0"),
        ({"crop_px": 100}, "crop_px is 100; it must be a multiple of 8 from 32 to 1024"),
        ({"crop_px": 256.0}, "crop_px is 256.0; it must be a multiple of 8 from 32 to 1024"),
        ({"frame_um": "20"}, "frame_um is '20'; it must be null, or a number from 0.1 to 1000"),
        ({"frame_um": 0}, "frame_um is 0; it must be null, or a number from 0.1 to 1000"),
        ({"kept": -1}, "kept is -1; it must be a whole number, 0 or more"),
    ],
)
def test_a_manifest_with_other_values_is_named(damaged: Path, change: dict[str, object], message: str) -> None:
    manifest = json.loads((damaged / "manifest.json").read_text("utf-8"))
    (damaged / "manifest.json").write_text(json.dumps(manifest | change), "utf-8")
    with pytest.raises(ManifestError, match=rf"manifest\.json: {message}"):
        open_dataset(damaged)


def test_more_rows_than_a_file_can_hold_are_refused_before_any_is_counted(damaged: Path) -> None:
    manifest = json.loads((damaged / "manifest.json").read_text("utf-8"))
    manifest["shards"][0]["rows"] = 10**13
    (damaged / "manifest.json").write_text(json.dumps(manifest), "utf-8")
    with pytest.raises(
        ManifestError, match=r"rows of data/train-00000-of-00003\.parquet is 10,000,000,000,000: so many do not fit"
    ):
        open_dataset(damaged)


def test_a_shard_with_another_number_of_rows_is_damaged(damaged: Path) -> None:
    manifest = json.loads((damaged / "manifest.json").read_text("utf-8"))
    manifest["shards"][0]["rows"] += 1
    (damaged / "manifest.json").write_text(json.dumps(manifest), "utf-8")
    opened = open_dataset(damaged)
    with pytest.raises(CorruptDataError, match="has 16 rows, and the manifest states 17; run `nucleusnet verify`"):
        opened.footer(opened.shards("default", "train")[0])


def test_a_folder_without_a_manifest_is_no_dataset(tmp_path: Path) -> None:
    with pytest.raises(
        DatasetNotFoundError, match=r"There is no NucleusNet dataset at .*manifest\.json does not exist"
    ):
        open_dataset(tmp_path)


def test_a_damaged_manifest_is_named(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text("{", "utf-8")
    with pytest.raises(ManifestError, match=r"manifest\.json: it is not JSON"):
        open_dataset(tmp_path)


def test_reading_a_folder_loads_no_network_client_and_no_datasets(folder: Path) -> None:
    code = (
        "import sys; from nucleusnet_core.dataset import open_dataset; import nucleusnet_core.shards.rows; "
        f"opened = open_dataset({str(folder)!r}); opened.footers(opened.shards('default', 'train')); "
        "print(*[name for name in ('datasets', 'huggingface_hub', 'httpx2', 'torch') if name in sys.modules])"
    )
    root = ROOT
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
