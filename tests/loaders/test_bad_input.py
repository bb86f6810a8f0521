"""What cannot work is one clear error: what is wrong, where, and what to do."""

import shutil
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from loaders import TrainLoader, sample_loader, train_loader
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
from tests.page_damage import change_values

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
        ({"split": "dev"}, SelectionError, "has no split 'dev'; its splits are train, test; join several"),
        ({"split": "train+train"}, SelectionError, r"cannot give a split twice \('train\+train'\)"),
        ({"columns": ("image", "size")}, SelectionError, r"There is no column size; choose from image, mask, .*\.$"),
        ({"columns": ()}, SelectionError, r"columns names no column; choose from image, mask, .*\.$"),
        ({"columns": ("run", "run")}, SelectionError, r"columns is run, run; name each column once\.$"),
        ({"columns": "image"}, SelectionError, r"columns is 'image'; give a list of names, such as \['image'\]\.$"),
        ({"columns": None}, SelectionError, "columns is None; give a list of names"),
        ({"columns": iter(("image",))}, SelectionError, "columns is <tuple_iterator .*; give a list of names"),
        ({"columns": [1]}, SelectionError, r"columns is \[1\]; give a list of names"),
        ({"batch_size": 0}, UsageError, r"batch_size is 0; it must be a whole number of at least 1\.$"),
        ({"batch_size": 2.0}, UsageError, r"batch_size is 2\.0; it must be a whole number of at least 1\.$"),
        ({"num_workers": -1}, UsageError, r"num_workers is -1; it must be a whole number of at least 0\.$"),
        ({"seed": 2**64}, UsageError, "The seed is 18446744073709551616; it must be a whole number from 0 to"),
        ({"rank": 1}, UsageError, "rank is 1 and world_size is None; give both, with 0 <= rank < world_size"),
        (
            {"world_size": 2},
            UsageError,
            "rank is None and world_size is 2; give both, .*, or neither to use torch.distributed",
        ),
        ({"rank": 2, "world_size": 2}, UsageError, "rank is 2 and world_size is 2; give both"),
        ({"rank": "0", "world_size": "2"}, UsageError, "rank is '0' and world_size is '2'; give both"),
        ({"split": None}, SelectionError, "has no split 'None'; its splits are train, test"),
        (
            {"transform": ToFloat},
            UsageError,
            r"transform is the class ToFloat; give an object of it: ToFloat\(\.\.\.\)\.$",
        ),
        ({"transform": 3}, UsageError, "transform is 3; it must be something to call with a batch"),
        (
            {"batch_size": 501},
            UsageError,
            "has 500 rows, and 501 are needed for 1 rank with batches of 501; use a smaller",
        ),
        ({"batch_size": 251, "rank": 0, "world_size": 2}, UsageError, "502 are needed for 2 ranks with batches of 251"),
    ],
)
def test_bad_arguments(folder: Path, options: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        train_loader(folder, **{"batch_size": 16} | options)


def test_an_epoch_that_cannot_be_is_refused(folder: Path) -> None:
    loader = train_loader(folder, batch_size=16)
    for epoch in (-1, 2**63, True, 1.0):
        with pytest.raises(UsageError, match=r"epoch is .*; it must be a whole number from 0 to 2\*\*63 - 1\.$"):
            loader.set_epoch(epoch)  # type: ignore[arg-type]


def test_a_random_sample_has_the_same_epochs(folder: Path) -> None:
    loader = sample_loader(8, source=folder, columns=["label"])
    with pytest.raises(UsageError, match=r"epoch is -1; it must be a whole number from 0 to 2\*\*63 - 1\.$"):
        loader.set_epoch(-1)


def test_a_folder_that_is_no_dataset(tmp_path: Path) -> None:
    with pytest.raises(DatasetNotFoundError, match="There is no NucleusNet dataset at "):
        train_loader(tmp_path, batch_size=16)


def test_a_source_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DatasetNotFoundError, match="is not a dataset: there is no such folder"):
        train_loader(str(tmp_path / "nothing" / "here"), batch_size=16)


def test_a_damaged_manifest(own_folder: Path) -> None:
    (own_folder / "manifest.json").write_text("{")
    with pytest.raises(ManifestError, match=r"manifest\.json: it is not JSON .*; the file is damaged\."):
        train_loader(own_folder, batch_size=16)


@pytest.mark.parametrize("workers", WORKERS)
@pytest.mark.parametrize(
    ("cell", "message"),
    [
        (
            b"\x89PNG?",
            r"the cell cannot be read as a PNG .* 5 bytes, and begins with 89 50 4e 47 3f\. Run `nucleusnet verify`",
        ),
        (None, r"the cell cannot be read as a PNG .* 0 bytes\. Run `nucleusnet verify`"),
        (
            ordinary_png(nucleus_pixels(1)[:200]),
            r"the pixels are uint8 \(200, 256\), and those of all other cells are uint8 \(256, 256\)\.",
        ),
        (
            ordinary_png(nucleus_pixels(1, 16)),
            r"the pixels are uint16 \(256, 256\), and those of all other cells are uint8 \(256, 256\)\.",
        ),
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
    with pytest.raises(CorruptDataError, match=rf"{SHARD}, rows 0 to 7: the row group cannot be read"):
        read_all(own_folder)


def test_changed_pixels_are_seen_by_the_checksum_of_their_page(own_folder: Path) -> None:
    """Damage that can still be decompressed: bytes of a raw zstd block or of what it repeats."""
    data = bytearray((own_folder / SHARD).read_bytes())
    chunk = pq.read_metadata(own_folder / SHARD).row_group(2).column(0)
    assert chunk.path_in_schema == "image.bytes"
    data[chunk.data_page_offset + chunk.total_compressed_size - 3] ^= 1
    (own_folder / SHARD).write_bytes(data)
    with pytest.raises(CorruptDataError, match=rf"{SHARD}, rows 16 to 23: .* does not fit its checksum\); run"):
        read_all(own_folder)


@pytest.mark.parametrize("column", ["label", "run", "nucleus_id"])
def test_changed_values_are_seen_by_the_checksum_of_their_page(own_folder: Path, column: str) -> None:
    change_values(own_folder / SHARD, 2, column)
    with pytest.raises(CorruptDataError, match=rf"{SHARD}, rows 16 to 23: .*CRC"):
        read_all(own_folder, columns=("image", column))


def test_a_truncated_shard(own_folder: Path) -> None:
    size = (own_folder / SHARD).stat().st_size
    (own_folder / SHARD).write_bytes((own_folder / SHARD).read_bytes()[: size // 2])
    with pytest.raises(
        CorruptDataError, match=rf"{SHARD} has {size // 2:,} bytes; at least {size:,} are needed: the file is truncated"
    ):
        train_loader(own_folder, batch_size=16)


def test_a_missing_shard(own_folder: Path) -> None:
    (own_folder / SHARD).unlink()
    with pytest.raises(DatasetNotFoundError, match=rf"{SHARD} does not exist; .*get"):
        train_loader(own_folder, batch_size=16)


def test_a_shard_with_other_columns(own_folder: Path) -> None:
    shutil.copy(own_folder / "metadata/train-00000-of-00001.parquet", own_folder / SHARD)
    state_facts(own_folder, SHARD)
    with pytest.raises(NucleusNetError, match=SHARD):
        read_all(own_folder)


def test_a_shard_that_lacks_a_column(own_folder: Path) -> None:
    pq.write_table(pq.read_table(own_folder / SHARD).drop_columns(["run"]), own_folder / SHARD, row_group_size=8)
    state_facts(own_folder, SHARD)
    with pytest.raises(CorruptDataError, match=rf"{SHARD} has other columns than data/train-00000"):
        train_loader(own_folder, batch_size=16)


@pytest.mark.parametrize("workers", WORKERS)
def test_a_dataset_that_is_replaced_between_epochs(own_folder: Path, workers: int) -> None:
    loader = read_all(own_folder, num_workers=workers)
    write_dataset_folder(own_folder, {"train": 500, "test": 30}, shard_rows=128, group_rows=8, stored=False)
    with pytest.raises(
        SourceChangedError, match="the file has changed since it was first read; open the dataset again"
    ):
        list(loader)
