"""What cannot work is one clear error: what was expected, what was found, where."""

import shutil
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from loaders import TrainLoader, train_loader
from loaders.transforms import ToFloat
from nucleusnet_core.errors import (
    CorruptDataError,
    DatasetNotFoundError,
    ManifestError,
    NucleusNetError,
    SelectionError,
    SourceChangedError,
    UsageError,
)
from tests.dataset_folder import nucleus_pixels, ordinary_png, write_dataset_folder
from tests.loaders.damage import replace_cell, state_facts

SHARD = "data/train-00001-of-00004.parquet"
WORKERS = [0, 2] if sys.platform == "linux" else [0]


def read_all(source: Path, **options: Any) -> TrainLoader:
    loader = train_loader(source, **{"batch_size": 16} | options)
    for _ in loader:
        pass
    return loader


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"split": "dev"}, SelectionError, "a split out of train, test, or several different ones .* 'dev' found"),
        ({"split": "train+train"}, SelectionError, "several different ones"),
        ({"columns": ("image", "size")}, SelectionError, "columns out of image, mask, .*; unknown size"),
        ({"columns": ()}, SelectionError, "columns out of image, mask, .*; found none"),
        ({"columns": ("run", "run")}, SelectionError, "each once; found run, run"),
        ({"columns": "image"}, SelectionError, r"expected a list of columns, such as \['image'\], found 'image'"),
        ({"columns": None}, SelectionError, "expected a list of columns, .* found None"),
        ({"columns": iter(("image",))}, SelectionError, "expected a list of columns, .* found <tuple_iterator"),
        ({"columns": [1]}, SelectionError, r"expected a list of columns, .* found \[1\]"),
        ({"batch_size": 0}, UsageError, "batch_size to be an integer of at least 1, found 0"),
        ({"batch_size": 2.0}, UsageError, r"batch_size to be an integer of at least 1, found 2\.0"),
        ({"num_workers": -1}, UsageError, "num_workers to be an integer of at least 0, found -1"),
        ({"seed": 2**64}, UsageError, "expected a seed from 0 to"),
        ({"rank": 1}, UsageError, "rank and world_size together, .*, found rank 1 and world_size None"),
        ({"world_size": 2}, UsageError, "found rank None and world_size 2; give both, or neither"),
        ({"rank": 2, "world_size": 2}, UsageError, "found rank 2 and world_size 2"),
        ({"rank": "0", "world_size": "2"}, UsageError, "found rank '0' and world_size '2'"),
        ({"split": None}, SelectionError, "a split out of train, test, .* 'None' found"),
        ({"transform": ToFloat}, UsageError, r"found the class ToFloat; give one of it: ToFloat\(\.\.\.\)"),
        ({"transform": 3}, UsageError, "transform to be something to call with a batch, found 3"),
        ({"batch_size": 501}, UsageError, "at least 501 rows for 1 ranks .*, found 500 in the split; use a smaller"),
        ({"batch_size": 251, "rank": 0, "world_size": 2}, UsageError, "at least 502 rows for 2 ranks"),
    ],
)
def test_bad_arguments(folder: Path, options: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        train_loader(folder, **{"batch_size": 16} | options)


def test_an_epoch_that_cannot_be_is_refused(folder: Path) -> None:
    loader = train_loader(folder, batch_size=16)
    for epoch in (-1, 2**63, True, 1.0):
        with pytest.raises(UsageError, match=r"expected an epoch from 0 to 2\*\*63 - 1, found"):
            loader.set_epoch(epoch)  # type: ignore[arg-type]


def test_a_folder_that_is_no_dataset(tmp_path: Path) -> None:
    with pytest.raises(DatasetNotFoundError, match=r"a NucleusNet dataset with manifest\.json expected, none found"):
        train_loader(tmp_path, batch_size=16)


def test_a_source_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DatasetNotFoundError, match="no such folder found"):
        train_loader(str(tmp_path / "nothing" / "here"), batch_size=16)


def test_a_damaged_manifest(own_folder: Path) -> None:
    (own_folder / "manifest.json").write_text("{")
    with pytest.raises(ManifestError, match=r"manifest\.json: JSON expected"):
        train_loader(own_folder, batch_size=16)


@pytest.mark.parametrize("workers", WORKERS)
@pytest.mark.parametrize(
    ("cell", "message"),
    [
        (b"\x89PNG?", "expected a PNG, found 5 bytes starting with 89 50 4e 47 3f"),
        (None, "expected a PNG, found 0 bytes starting with nothing"),
        (ordinary_png(nucleus_pixels(1)[:200]), r"expected pixels uint8 \(256, 256\), found uint8 \(200, 256\)"),
        (ordinary_png(nucleus_pixels(1, 16)), r"expected pixels uint8 \(256, 256\), found uint16 \(256, 256\)"),
    ],
    ids=["no PNG", "missing", "another size", "another depth"],
)
def test_a_corrupt_cell_names_its_file_and_row(
    own_folder: Path, workers: int, cell: bytes | None, message: str
) -> None:
    replace_cell(own_folder, SHARD, 77, cell)
    with pytest.raises(CorruptDataError, match=rf"{own_folder.name}/{SHARD}, row 77: {message}"):
        read_all(own_folder, num_workers=workers)


def test_a_damaged_page_names_its_file_and_rows(own_folder: Path) -> None:
    data = bytearray((own_folder / SHARD).read_bytes())
    data[100:140] = bytes(40)
    (own_folder / SHARD).write_bytes(data)
    with pytest.raises(CorruptDataError, match=rf"{SHARD}, rows 0 to 7: expected a readable row group"):
        read_all(own_folder)


def test_changed_pixels_are_seen_by_the_checksum_of_their_page(own_folder: Path) -> None:
    """Damage that can still be decompressed: bytes of a raw zstd block or of what it repeats."""
    data = bytearray((own_folder / SHARD).read_bytes())
    chunk = pq.read_metadata(own_folder / SHARD).row_group(2).column(0)
    assert chunk.path_in_schema == "image.bytes"
    data[chunk.data_page_offset + chunk.total_compressed_size - 3] ^= 1
    (own_folder / SHARD).write_bytes(data)
    with pytest.raises(CorruptDataError, match=rf"{SHARD}, rows 16 to 23: .* does not fit its checksum"):
        read_all(own_folder)


def test_a_truncated_shard(own_folder: Path) -> None:
    size = (own_folder / SHARD).stat().st_size
    (own_folder / SHARD).write_bytes((own_folder / SHARD).read_bytes()[: size // 2])
    with pytest.raises(CorruptDataError, match=rf"{SHARD}: at least {size:,} bytes expected"):
        train_loader(own_folder, batch_size=16)


def test_a_missing_shard(own_folder: Path) -> None:
    (own_folder / SHARD).unlink()
    with pytest.raises(DatasetNotFoundError, match=rf"{SHARD}: a file of the dataset expected, nothing found"):
        train_loader(own_folder, batch_size=16)


def test_a_shard_with_other_columns(own_folder: Path) -> None:
    shutil.copy(own_folder / "metadata/train-00000-of-00001.parquet", own_folder / SHARD)
    state_facts(own_folder, SHARD)
    with pytest.raises(NucleusNetError, match=SHARD):
        read_all(own_folder)


def test_a_shard_that_lacks_a_column(own_folder: Path) -> None:
    pq.write_table(pq.read_table(own_folder / SHARD).drop_columns(["run"]), own_folder / SHARD, row_group_size=8)
    state_facts(own_folder, SHARD)
    with pytest.raises(CorruptDataError, match=rf"{SHARD}: the columns of data/train-00000.* expected, others found"):
        train_loader(own_folder, batch_size=16)


@pytest.mark.parametrize("workers", WORKERS)
def test_a_dataset_that_is_replaced_between_epochs(own_folder: Path, workers: int) -> None:
    loader = read_all(own_folder, num_workers=workers)
    write_dataset_folder(own_folder, {"train": 500, "test": 30}, shard_rows=128, group_rows=8, stored=False)
    with pytest.raises(SourceChangedError, match="the file that was read from before expected, another one found"):
        list(loader)
