"""Nuclei chosen by their warnings."""

import shutil
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from nucleusnet_core.dataset import open_dataset
from nucleusnet_core.errors import SelectionError, UsageError
from nucleusnet_core.shards.warning_filter import WarningFilter
from tests.dataset_folder import write_dataset_folder
from tests.shard_facts import facts_of

WORDS = pa.chunked_array([[["dim"], [], ["saturated", "dim"]], [["cut"], ["saturated"]]], pa.list_(pa.string()))


@pytest.mark.parametrize(
    ("without", "only", "rows"),
    [
        ((), (), [0, 1, 2, 3, 4]),
        (("dim",), (), [1, 3, 4]),
        (("dim", "cut"), (), [1, 4]),
        ((), ("saturated",), [2, 4]),
        ((), ("saturated", "cut"), [2, 3, 4]),
        (("dim",), ("saturated",), [4]),
        (("blank",), (), [0, 1, 2, 3, 4]),
        ((), ("blank",), []),
    ],
)
def test_rows_are_chosen_by_their_words(without: tuple[str, ...], only: tuple[str, ...], rows: list[int]) -> None:
    assert WarningFilter(without, only).chosen(WORDS).tolist() == rows


def test_a_choice_is_said_in_words() -> None:
    assert (
        str(WarningFilter(("dim", "cut"), ("saturated", "blank"))) == "with saturated or blank and without dim or cut"
    )
    assert not WarningFilter()
    assert WarningFilter(only=("dim",))


def test_words_that_are_no_warnings_are_refused() -> None:
    with pytest.raises(UsageError, match=r"^--without: there is no warning 'dark'; choose of blank, saturated, "):
        WarningFilter(("dim", "dark"))
    with pytest.raises(UsageError, match=r"^--only: there is no warning 'blured'; did you mean blurred\?$"):
        WarningFilter(only=("blured",))
    with pytest.raises(UsageError, match=r"^--only and --without both name dim; give it to one of them\.$"):
        WarningFilter(("dim",), ("dim",))


def test_row_numbers_count_through_the_splits(tmp_path: Path) -> None:
    write_dataset_folder(tmp_path, {"train": 40, "test": 9})
    tables = [pq.read_table(path) for path in (tmp_path / "metadata").glob("train-*")]
    tables += [pq.read_table(path) for path in (tmp_path / "metadata").glob("test-*")]
    words = pa.concat_tables(tables).column("warnings").to_pylist()
    found = WarningFilter(("saturated",)).rows(open_dataset(tmp_path), ["train", "test"])
    assert found.tolist() == [row for row, said in enumerate(words) if "saturated" not in said]
    with pytest.raises(SelectionError, match=r"^No nucleus of train is with blank; ask for other warnings\.$"):
        WarningFilter(only=("blank",)).rows(open_dataset(tmp_path), ["train"])


def test_a_dataset_without_warnings_is_named(tmp_path: Path) -> None:
    manifest = write_dataset_folder(tmp_path / "new", {"train": 9})
    shutil.copytree(tmp_path / "new", tmp_path / "old")
    (entry,) = manifest.shards_of("metadata", "train")
    path = tmp_path / "old" / entry.path
    pq.write_table(pq.read_table(path).drop_columns("warnings"), path)
    data = path.read_bytes()
    shards = [replace(one, **facts_of(data)) if one.path == entry.path else one for one in manifest.shards]
    (tmp_path / "old" / "manifest.json").write_bytes(replace(manifest, shards=shards).to_json())
    with pytest.raises(SelectionError, match="states no warnings of nuclei, as it was built by an older nucleusnet; "):
        WarningFilter(("dim",)).rows(open_dataset(tmp_path / "old"), ["train"])
