"""`nucleusnet verify`: every kind of damage is found and named, and a good folder has none."""

import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from builder.verify import verify as verify_module
from builder.verify.verify import verify
from nucleusnet_core.cells.png import decode_cell
from nucleusnet_core.errors import DatasetNotFoundError, ManifestError
from nucleusnet_core.manifest import Manifest, ShardEntry
from tests.builder.commands import nucleusnet
from tests.builder.published import reseal, write_sums
from tests.dataset_folder import ordinary_png


@pytest.fixture
def folder(built: Path, tmp_path: Path) -> Path:
    """A dataset folder of our own."""
    return Path(shutil.copytree(built, tmp_path / "nucleusnet"))


def first_shard(folder: Path, config: str = "default", split: str = "train") -> Path:
    manifest = Manifest.from_json((folder / "manifest.json").read_bytes())
    return folder / manifest.shards_of(config, split)[0].path


def problems(folder: Path) -> list[str]:
    return [f"{problem.where}: {problem.message}" for problem in verify(folder).problems]


def change_shard(path: Path, change: Callable[[pa.Table], pa.Table]) -> None:
    """Write a shard anew with other rows."""
    pq.write_table(change(pq.read_table(path)), path, row_group_size=16, compression="zstd")


def with_cell(table: pa.Table, column: str, row: int, data: bytes | None) -> pa.Table:
    """Replace one cell."""
    cells = table.column(column).to_pylist()
    cells[row] = {"bytes": data, "path": None}
    index = table.schema.get_field_index(column)
    return table.set_column(index, table.schema.field(column), pa.array(cells, table.schema.field(column).type))


def with_value(table: pa.Table, column: str, row: int, value: Any) -> pa.Table:
    """Replace one value."""
    values = table.column(column).to_pylist()
    values[row] = value
    index = table.schema.get_field_index(column)
    return table.set_column(index, table.schema.field(column), pa.array(values, table.schema.field(column).type))


def test_a_good_folder_has_no_problems_and_exits_zero(folder: Path) -> None:
    done = nucleusnet("verify", folder, "--json", cwd=folder.parent)
    summary = json.loads(done.stdout)
    manifest = json.loads((folder / "manifest.json").read_bytes())
    assert done.returncode == 0, done.stderr
    assert summary["problems"] == []
    assert summary["rows"] == manifest["kept"] > 0
    assert summary["files"] == sum(path.is_file() for path in folder.rglob("*"))


def test_without_a_folder_it_checks_what_the_bare_name_means(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert nucleusnet("verify", cwd=tmp_path).stdout.startswith("nucleusnet: ")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.setenv("NUCLEUSNET_DATA", str(folder))
    done = nucleusnet("verify", cwd=tmp_path / "elsewhere")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{folder}: ")
    assert re.search(r"files:.* [\d,]+ nuclei", done.stderr)
    assert re.search(r"counts:.* 4/4 \[", done.stderr)
    elsewhere = nucleusnet("verify", "owner/name", cwd=tmp_path)
    assert elsewhere.returncode == 2
    assert "owner/name is not a folder on this machine" in elsewhere.stderr


def test_every_problem_is_listed_on_stderr_and_the_exit_code_is_one(folder: Path) -> None:
    (folder / "extra.txt").write_text("x")
    (folder / "croissant.json").write_bytes(b"{}")
    first_shard(folder, "10k").unlink()
    done = nucleusnet("verify", folder, "--quiet", cwd=folder.parent)
    assert done.returncode == 1
    assert "3 problems" in done.stdout
    assert "extra.txt: this file is not listed in SHA256SUMS; remove it." in done.stderr
    assert "croissant.json: its SHA-256 is " in done.stderr
    assert "10k/train-00000-of-00001.parquet: this file is listed in SHA256SUMS, but it is not there." in done.stderr


def test_a_flipped_bit_of_a_cell_is_named_with_its_row(folder: Path) -> None:
    path = first_shard(folder)
    cell = bytearray(pq.read_table(path).column("image")[3].as_py()["bytes"])
    cell[len(cell) // 2] ^= 1
    change_shard(path, lambda table: with_cell(table, "image", 3, bytes(cell)))
    reseal(folder)
    (found,) = problems(folder)
    assert found.startswith(f"data/{path.name}, row 3, column image: the PNG states checksum ")


def test_an_ordinary_png_among_the_stored_ones_is_no_problem(folder: Path) -> None:
    path = first_shard(folder)
    pixels = decode_cell(pq.read_table(path).column("image")[3].as_py()["bytes"])
    change_shard(path, lambda table: with_cell(table, "image", 3, ordinary_png(pixels)))
    reseal(folder)
    assert problems(folder) == []
    change_shard(path, lambda table: with_cell(table, "image", 3, ordinary_png(pixels)[:-20]))
    reseal(folder)
    (found,) = problems(folder)
    assert found.startswith(f"data/{path.name}, row 3, column image: the PNG is truncated: it ends after ")


@pytest.mark.parametrize("data", [None, b"", b"GIF89a", b"\x89PNG\r\n\x1a\n"])
def test_a_cell_that_is_no_image_is_named(folder: Path, data: bytes | None) -> None:
    path = first_shard(folder)
    change_shard(path, lambda table: with_cell(table, "mask", 17, data))
    reseal(folder)
    message = f"data/{path.name}, row 17, column mask: the cell cannot be read as a PNG"
    if data and data.startswith(b"\x89PNG"):
        message = f"data/{path.name}, row 17, column mask: the PNG is truncated"
    assert any(message in found for found in problems(folder))


def test_a_flipped_bit_of_a_file_is_found(folder: Path) -> None:
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        if path.name in ("README.md", "SHA256SUMS", "manifest.json"):
            continue
        data = bytearray(path.read_bytes())
        data[len(data) // 3] ^= 4
        path.write_bytes(data)
        assert any(f"{path.relative_to(folder).as_posix()}: its SHA-256 is " in found for found in problems(folder)), (
            path
        )
        data[len(data) // 3] ^= 4
        path.write_bytes(data)
    assert problems(folder) == []


def test_a_truncated_shard_is_named_and_the_others_are_checked(folder: Path) -> None:
    path = first_shard(folder)
    path.write_bytes(path.read_bytes()[:-100])
    found = problems(folder)
    assert any("it is damaged, or lacks columns of its config (" in line for line in found)
    assert any("its number of bytes is " in line for line in found)
    assert verify(folder).rows > 0


def test_one_nucleus_twice_is_found(folder: Path) -> None:
    data, beside = first_shard(folder), first_shard(folder, "metadata")
    name = pq.read_table(data).column("nucleus_id")[0].as_py()
    for path in (data, beside):
        change_shard(path, lambda table: with_value(table, "nucleus_id", 5, name))
    reseal(folder)
    assert f"data: nucleus_id {name} is there 2 times; it must be unique." in problems(folder)


def test_other_values_in_metadata_than_in_the_shards_are_found(folder: Path) -> None:
    path = first_shard(folder, "metadata")
    change_shard(path, lambda table: with_value(table, "area_px", 2, 7))
    reseal(folder)
    (found,) = problems(folder)
    assert "rows 0 to" in found
    assert "column area_px has other values in config metadata." in found


def test_missing_rows_in_metadata_are_found(folder: Path) -> None:
    change_shard(first_shard(folder, "metadata"), lambda table: table.slice(1))
    reseal(folder)
    found = problems(folder)
    assert any("the number of the same rows in config metadata is " in line for line in found)
    assert any(line.startswith("metadata/train-00000-of-00001.parquet: its number of rows is ") for line in found)


def test_a_missing_column_is_found(folder: Path) -> None:
    change_shard(first_shard(folder), lambda table: table.drop_columns(["nucleus_id"]))
    reseal(folder)
    assert any("the list of columns is" in line or "it is damaged" in line for line in problems(folder))


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("run_name", None, "column run_name: it is None; it must be a text."),
        ("pixels_per_um", 0.0, "column pixels_per_um: it is 0.0; it must be a number above 0."),
        ("crop_pixels_per_um", float("nan"), "column crop_pixels_per_um: it is nan; it must be a number above 0."),
    ],
)
def test_a_row_without_run_or_scale_is_found(folder: Path, column: str, value: object, message: str) -> None:
    change_shard(first_shard(folder, "metadata"), lambda table: with_value(table, column, 0, value))
    reseal(folder)
    assert f"metadata/train-00000-of-00001.parquet, row 0, {message}" in problems(folder)


def test_other_scales_and_warnings_than_those_of_the_images_are_found(folder: Path) -> None:
    reseal(folder, scale_sources={"TIFF": 1}, warnings={"blank": 1})
    found = [line for line in problems(folder) if "config stitched" in line]
    assert [line.split(" is ")[0] for line in found] == ["manifest.json: scale_sources", "manifest.json: warnings"]


def test_a_run_in_two_splits_is_found(folder: Path) -> None:
    moved = pq.read_table(first_shard(folder, split="test")).column("stitched_image")[0].as_py()
    run = pq.read_table(first_shard(folder, split="test")).column("run_name")[0].as_py()
    for config in ("default", "metadata"):
        path = first_shard(folder, config)
        change_shard(path, lambda table: with_value(table, "stitched_image", 0, moved))
    reseal(folder)
    wanted = f"the split of {moved}, group {run}, is train, but test in manifest.json."
    assert any(wanted in line for line in problems(folder))
    runs = json.loads((folder / "manifest.json").read_bytes())["runs"]
    reseal(folder, runs=runs | {"train": [*runs["train"], run]})
    assert f"manifest.json: group {run} lies in 2 splits; it must lie in one." in problems(folder)


def test_other_counts_in_the_card_are_found_and_other_edits_are_not(folder: Path) -> None:
    card = folder / "README.md"
    text = card.read_text("utf-8")
    card.write_text(text + "\nA note by hand.\n", "utf-8")
    assert problems(folder) == []
    card.write_text(text.replace("num_examples: ", "num_examples: 1"), "utf-8")
    assert any(
        line.startswith("README.md: the number of rows of config default, split train is ") for line in problems(folder)
    )
    for broken in ("", "---\n{\n---\n", "---\ndataset_info: 3\n---\n", "---\n- a\n---\n"):
        card.write_text(broken, "utf-8")
        assert any(line.startswith("README.md: ") for line in problems(folder)), broken
    card.write_bytes(b"\xff\xfe")
    assert any(
        line.startswith("README.md: the head of the dataset card, between two lines ---, cannot be read")
        for line in problems(folder)
    )
    card.unlink()
    assert any(
        line.startswith("README.md: the head of the dataset card, between two lines ---, cannot be read")
        for line in problems(folder)
    )


def test_counts_that_do_not_add_up_are_found(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_bytes())
    dropped = manifest["dropped"] | {"touches_border": manifest["dropped"]["touches_border"] + 1}
    reseal(folder, found=manifest["found"] + 1, dropped=dropped)
    found = problems(folder)
    assert any(line.startswith("provenance.parquet: the number of labels found is ") for line in found)
    assert any(line.startswith("provenance.parquet: the number of labels dropped is ") for line in found)


def test_a_stitched_image_with_another_count_or_none_is_found(folder: Path) -> None:
    path = first_shard(folder, "stitched")
    name = pq.read_table(path).column("name")[0].as_py()
    kept = pq.read_table(path).column("kept")[0].as_py()
    change_shard(path, lambda table: with_value(table, "kept", 0, kept + 1))
    reseal(folder)
    assert any(
        f"kept of {name} is {kept + 1}, but {kept} by counting in provenance.parquet." in line
        for line in problems(folder)
    )
    change_shard(path, lambda table: table.slice(1))
    reseal(folder)
    assert f"stitched: image {name} has 0 rows; it must have one." in problems(folder)


def test_a_nucleus_of_another_split_in_10k_is_found(folder: Path) -> None:
    other = pq.read_table(first_shard(folder, split="test")).column("nucleus_id")[0].as_py()
    change_shard(first_shard(folder, "10k"), lambda table: with_value(table, "nucleus_id", 0, other))
    reseal(folder)
    assert any(f"nucleus {other} is not in split train of config default." in s for s in problems(folder))


def test_damaged_provenance_and_sums_are_named(folder: Path) -> None:
    (folder / "provenance.parquet").write_bytes(b"PAR1")
    write_sums(folder)
    assert any("provenance.parquet: it is damaged, its rows of labels cannot be read (" in s for s in problems(folder))
    sums = folder / "SHA256SUMS"
    sums.write_text(sums.read_text() + "nonsense\n" + sums.read_text().splitlines()[0] + "\n")
    found = problems(folder)
    assert any("the line 'nonsense' is not of the form '<sha256>  <path>'." in line for line in found)
    assert any("is listed twice." in line for line in found)
    sums.unlink()
    assert any(line.startswith("SHA256SUMS: the list of all files cannot be read (") for line in problems(folder))


def test_links_are_refused_and_not_followed(folder: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "key").write_text("private")
    (folder / "linked").symlink_to(secret)
    path = first_shard(folder)
    path.rename(tmp_path / "elsewhere.parquet")
    path.symlink_to(tmp_path / "elsewhere.parquet")
    sums = folder / "SHA256SUMS"
    sums.write_text(sums.read_text() + f"{'0' * 64}  ../secret/key\n")
    found = problems(folder)
    assert "linked: this is a link; a published folder must hold the file itself." in found
    assert f"data/{path.name}: this is a link; a published folder must hold the file itself." in found
    assert "../secret/key: this file is listed in SHA256SUMS, but it is not there." in found
    assert not any("linked/key" in line for line in found)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_something_that_is_no_file_is_named_and_not_opened(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    assert "pipe: this is neither a file nor a folder; remove it." in problems(folder)


def test_no_dataset_and_a_damaged_manifest_are_errors(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(
        DatasetNotFoundError, match=r"is not a dataset folder, it has no manifest\.json; give the folder"
    ):
        verify(tmp_path)
    manifest = json.loads((folder / "manifest.json").read_bytes())
    manifest["shards"][0]["path"] = "../outside.parquet"
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ManifestError, match=r"the path of a shard is '\.\./outside\.parquet'; it must"):
        verify(folder)
    (folder / "manifest.json").write_bytes(b"{")
    assert nucleusnet("verify", folder, cwd=tmp_path).returncode == 1


def test_many_problems_of_one_file_are_counted_not_listed(folder: Path) -> None:
    path = first_shard(folder)
    rows = pq.read_table(path).num_rows

    def empty_masks(table: pa.Table) -> pa.Table:
        for row in range(rows):
            table = with_cell(table, "mask", row, b"x")
        return table

    change_shard(path, empty_masks)
    reseal(folder)
    found = problems(folder)
    assert len(found) == 21
    assert found[20] == f"data/{path.name}: {rows - 20} more problems like these."


def test_worker_processes_report_the_same(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = first_shard(folder)
    change_shard(path, lambda table: with_cell(table, "mask", 1, b"x"))
    monkeypatch.setattr(verify_module, "PARALLEL_FROM_BYTES", 0)
    one, two = verify(folder, workers=1), verify(folder, workers=2)
    assert one == two
    assert len(one.problems) == 4


def test_rows_of_several_shards_are_compared_with_the_right_rows_of_metadata(folder: Path) -> None:
    manifest = Manifest.from_json((folder / "manifest.json").read_bytes())
    (whole,) = manifest.shards_of("default", "train")
    table = pq.read_table(folder / whole.path)
    shards: list[ShardEntry] = []
    for number, (start, count) in enumerate([(0, 7), (7, 11), (18, table.num_rows - 18)]):
        path = f"data/train-{number:05d}-of-00003.parquet"
        pq.write_table(table.slice(start, count), folder / path, row_group_size=5)
        shards.append(ShardEntry("default", "train", path, count, count, 1, "0" * 64))
    (folder / whole.path).unlink()
    reseal(folder, shards=[*shards, *(shard for shard in manifest.shards if shard != whole)])
    assert problems(folder) == []
    change_shard(folder / shards[1].path, lambda part: part.take(pc.sort_indices(part, [("area_px", "ascending")])))
    reseal(folder)
    assert {line.split(":")[0].split(",")[0] for line in problems(folder)} == {shards[1].path}
