"""Archives: what goes in, how it is split, the same bytes always, and what becomes of interruptions and bad input."""

import csv
import json
import os
import shutil
import stat
import subprocess
import sys
import tracemalloc
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.archive.archive import archive
from builder.archive.index import read_index
from builder.archive.metadata import Creator, RecordMetadata, parse_creator
from builder.archive.plan import METADATA_FILES, RECORD_RESERVE_BYTES, Limits, file_cost, parse_bytes, plan_records
from builder.archive.sources import ArchiveFile
from nucleusnet_core.errors import (
    ArchiveError,
    CorruptDataError,
    ManifestError,
    NucleusNetError,
    OutputError,
    SourceChangedError,
    UsageError,
)
from nucleusnet_core.terminal.progress import NoProgress
from tests.root import ROOT

from ..commands import COMMAND, contents, environment, nucleusnet, start
from .archive_input import (
    IMAGE_BYTES,
    MASK_BYTES,
    METADATA,
    SMALL,
    options,
    sha256,
    touch,
    write_dataset,
    write_stitched,
)

posix_only = pytest.mark.skipif(os.name == "nt", reason="POSIX signals and links")


def published(out: Path) -> dict[str, str]:
    """SHA-256 of what goes to a repository: the files in the record folders."""
    return {path: digest for path, digest in contents(out).items() if path.startswith("record-")}


def unpacked(out: Path, folder: Path) -> dict[str, str]:
    """Unpack all zips into one folder; SHA-256 of every file."""
    for path in sorted(out.glob("record-*/*.zip")):
        with zipfile.ZipFile(path) as file:
            file.extractall(folder)
    return contents(folder)


def test_images_and_masks_become_records_of_zips_that_unpack_to_the_same_files(tmp_path: Path) -> None:
    write_stitched(tmp_path / "stitched", 9)
    (tmp_path / "stitched" / "notes.txt").write_text("private", "utf-8")
    result = archive(options(tmp_path / "stitched", tmp_path / "zips"))
    assert (result.written, result.kept) == (5, 0)
    assert [list(record.files) for record in result.index.records] == [
        ["stitched-001.zip", "stitched-002.zip", "contents.csv", "ro-crate-metadata.json", "SHA256SUMS"],
        ["stitched-003.zip", "stitched-004.zip", "contents.csv", "ro-crate-metadata.json", "SHA256SUMS"],
        ["stitched-005.zip", "contents.csv", "ro-crate-metadata.json", "SHA256SUMS"],
    ]
    expected = contents(tmp_path / "stitched")
    del expected["notes.txt"]
    assert unpacked(tmp_path / "zips", tmp_path / "back") == expected
    for record in result.index.records:
        folder = tmp_path / "zips" / record.name
        assert sorted(record.files) == sorted(path.name for path in folder.iterdir())
        assert all(sha256(folder / name) == digest.sha256 for name, digest in record.files.items())
        lines = sorted(f"{digest.sha256}  {name}" for name, digest in record.files.items() if name != "SHA256SUMS")
        assert sorted((folder / "SHA256SUMS").read_text("utf-8").splitlines()) == lines
        assert record.bytes <= SMALL.record_bytes
        for line in csv.DictReader((folder / "contents.csv").open(encoding="utf-8", newline="")):
            assert (line["sha256"], line["zip"] in record.files) == (expected[line["file"]], True)


def test_a_dataset_folder_gives_exactly_its_listed_files_and_the_card(tmp_path: Path) -> None:
    write_dataset(tmp_path / "verdigris")
    (tmp_path / "verdigris" / "data" / "secret.txt").write_text("private", "utf-8")
    archive(options(tmp_path / "verdigris", tmp_path / "zips", Limits(record_bytes=10**7, zip_bytes=10**6)))
    expected = contents(tmp_path / "verdigris")
    del expected["data/secret.txt"]
    assert {"README.md", "SHA256SUMS", "manifest.json"} < expected.keys()
    assert unpacked(tmp_path / "zips", tmp_path / "back") == expected


def test_zips_are_stored_dated_1980_and_pass_another_reader(tmp_path: Path) -> None:
    write_stitched(tmp_path / "stitched", 2)
    archive(options(tmp_path / "stitched", tmp_path / "zips"))
    path = tmp_path / "zips" / "record-1" / "stitched-001.zip"
    with zipfile.ZipFile(path) as file:
        assert file.testzip() is None
        infos = file.infolist()
    assert [info.filename for info in infos] == sorted(info.filename for info in infos)
    assert {info.compress_type for info in infos} == {zipfile.ZIP_STORED}
    assert {info.date_time for info in infos} == {(1980, 1, 1, 0, 0, 0)}
    assert {(info.create_system, info.external_attr >> 16, info.flag_bits) for info in infos} == {(3, 0o100644, 0)}
    if shutil.which("unzip"):
        assert subprocess.run(["unzip", "-tq", path], check=False, capture_output=True).returncode == 0
        listed = subprocess.run(["unzip", "-Z", "-l", path], check=True, capture_output=True, text=True).stdout
        assert listed.count(" stor ") == 4


def test_the_same_files_give_the_same_bytes_from_another_place_time_and_system_mask(tmp_path: Path) -> None:
    write_stitched(tmp_path / "a" / "stitched", 5)
    shutil.copytree(tmp_path / "a" / "stitched", tmp_path / "b" / "stitched")
    for path in (tmp_path / "b" / "stitched").iterdir():
        touch(path)
        path.chmod(0o600)
    archive(options(tmp_path / "a" / "stitched", tmp_path / "a" / "zips"))
    before = os.umask(0o077)
    try:
        archive(options(tmp_path / "b" / "stitched", tmp_path / "b" / "zips"))
    finally:
        os.umask(before)
    assert published(tmp_path / "a" / "zips") == published(tmp_path / "b" / "zips")
    assert (tmp_path / "a/zips/archive.json").read_bytes() == (tmp_path / "b/zips/archive.json").read_bytes()


@pytest.mark.parametrize("record", [1, 2])
def test_rocrate_reads_the_metadata_which_name_every_part(tmp_path: Path, record: int) -> None:
    from rocrate.rocrate import ROCrate

    write_stitched(tmp_path / "stitched", 7)
    archive(options(tmp_path / "stitched", tmp_path / "zips"))
    folder = tmp_path / "zips" / f"record-{record}"
    crate = ROCrate(folder)
    root = crate.root_dataset
    assert crate.metadata["conformsTo"] == "https://w3id.org/ro/crate/1.2"
    assert (root["name"], root["position"]) == (f"CV-1 nuclei (part {record} of 2)", record)
    assert (root["datePublished"], root["license"]["name"]) == ("2026-01-02", "CC-BY-4.0")
    assert [person["name"] for person in root["author"]] == ["Doe, Jane", "Roe, Max"]
    assert root["author"][0].id == "https://orcid.org/0000-0002-1825-0097"
    assert root["author"][1]["affiliation"]["name"] == "Some Institute"
    assert root["isPartOf"]["name"] == "CV-1 nuclei"
    assert [part["name"] for part in root["isPartOf"]["hasPart"]] == [f"CV-1 nuclei (part {n} of 2)" for n in (1, 2)]
    files = {entity.id: entity for entity in root["hasPart"]}
    assert files.keys() == {path.name for path in folder.iterdir()} - {"SHA256SUMS", "ro-crate-metadata.json"}
    for name, entity in files.items():
        assert entity["sha256"] == sha256(folder / name)
        assert entity["contentSize"] == str((folder / name).stat().st_size)


def test_every_term_of_the_crate_is_in_its_context(tmp_path: Path) -> None:
    import rocrate

    write_stitched(tmp_path / "stitched", 7)
    archive(options(tmp_path / "stitched", tmp_path / "zips"))
    crate = json.loads((tmp_path / "zips" / "record-1" / "ro-crate-metadata.json").read_bytes())
    context = json.loads((Path(rocrate.__path__[0]) / "data" / "ro-crate.jsonld").read_bytes())["@context"]
    terms = {term for entity in crate["@graph"] for term in entity} - {"@id", "@type"}
    types = {entity["@type"] for entity in crate["@graph"]}
    assert (terms | types) - context.keys() == set()
    ids = [entity["@id"] for entity in crate["@graph"]]
    assert len(set(ids)) == len(ids)
    references = json.dumps([list(entity.values()) for entity in crate["@graph"]])
    linked = {json.loads(f'"{part.split(chr(34))[0]}"') for part in references.split('{"@id": "')[1:]}
    assert linked - set(ids) == {"https://w3id.org/ro/crate/1.2"}


def test_a_finished_archive_is_kept_and_only_a_changed_image_costs_its_zip(tmp_path: Path) -> None:
    write_stitched(tmp_path / "stitched", 6)
    archive(options(tmp_path / "stitched", tmp_path / "zips"))
    before = published(tmp_path / "zips")
    written = {path: path.stat().st_mtime_ns for path in (tmp_path / "zips").glob("record-*/*.zip")}
    again = archive(options(tmp_path / "stitched", tmp_path / "zips"))
    assert (again.written, again.kept) == (0, 3)
    assert {path: path.stat().st_mtime_ns for path in written} == written
    assert published(tmp_path / "zips") == before

    (tmp_path / "stitched" / "Run02TL_top_left.tif").write_bytes(bytes(IMAGE_BYTES))
    with pytest.raises(OutputError, match=r"stitched-002\.zip.*--overwrite"):
        archive(options(tmp_path / "stitched", tmp_path / "zips"))
    assert published(tmp_path / "zips") == before
    assert read_index(tmp_path / "zips").records[0].name == "record-1"
    again = archive(options(tmp_path / "stitched", tmp_path / "zips", overwrite=True))
    assert (again.written, again.kept) == (1, 2)
    archive(options(tmp_path / "stitched", tmp_path / "fresh"))
    assert published(tmp_path / "zips") == published(tmp_path / "fresh")


def test_a_zip_that_was_damaged_since_is_written_again(tmp_path: Path) -> None:
    write_stitched(tmp_path / "stitched", 4)
    archive(options(tmp_path / "stitched", tmp_path / "zips"))
    before = published(tmp_path / "zips")
    (tmp_path / "zips" / "record-1" / "stitched-002.zip").write_bytes(b"damaged")
    (tmp_path / "zips" / "receipts" / "stitched-001.zip.json").write_text("{", "utf-8")
    assert archive(options(tmp_path / "stitched", tmp_path / "zips")).written == 2
    assert published(tmp_path / "zips") == before


def test_new_limits_replace_zips_only_when_told_and_leave_nothing_old(tmp_path: Path) -> None:
    write_stitched(tmp_path / "stitched", 8)
    archive(options(tmp_path / "stitched", tmp_path / "zips"))
    larger = Limits(record_bytes=2_000_000, record_files=5, zip_bytes=500_000)
    with pytest.raises(OutputError, match="--overwrite"):
        archive(options(tmp_path / "stitched", tmp_path / "zips", larger))
    archive(options(tmp_path / "stitched", tmp_path / "zips", larger, overwrite=True))
    archive(options(tmp_path / "stitched", tmp_path / "fresh", larger))
    assert published(tmp_path / "zips") == published(tmp_path / "fresh")
    assert contents(tmp_path / "zips").keys() == contents(tmp_path / "fresh").keys()


@posix_only
def test_killed_at_any_moment_the_next_call_goes_on_and_gives_the_same_bytes(tmp_path: Path) -> None:
    write_stitched(tmp_path / "stitched", 24, image_bytes=4_000_000)
    arguments = ["archive", "stitched", "--out", "zips", "--zip-bytes", "9MB", "--date", "2026-01-02", "--quiet"]
    finished: dict[str, int] = {}
    for kept in (1, 3, 5):
        process = start(*arguments, cwd=tmp_path)
        while process.poll() is None and len(list(tmp_path.glob("zips/receipts/*.json"))) < kept:
            pass
        process.kill()
        process.communicate()
        assert not (tmp_path / "zips" / "archive.json").exists()
        receipts = [path.name.removesuffix(".json") for path in (tmp_path / "zips" / "receipts").glob("*.zip.json")]
        now = {name: (tmp_path / "zips" / "record-1" / name).stat().st_mtime_ns for name in receipts}
        assert finished.items() <= now.items(), "a finished zip was written again"
        finished = now
    assert 5 <= len(finished) < 12
    done = nucleusnet(*arguments, "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) | {"records": None} == {
        "archive": "zips", "records": None, "written": 12 - len(finished), "kept": len(finished)
    }  # fmt: skip
    assert [path for path in contents(tmp_path / "zips") if ".tmp" in path] == []
    shutil.move(tmp_path / "zips", tmp_path / "interrupted")
    nucleusnet(*arguments, cwd=tmp_path)
    assert published(tmp_path / "interrupted") == published(tmp_path / "zips")


def test_memory_stays_flat_over_a_large_file(tmp_path: Path) -> None:
    write_stitched(tmp_path / "stitched", 1)
    with (tmp_path / "stitched" / "Run00TL_top_left.tif").open("r+b") as file:
        file.truncate(200_000_000)
    tracemalloc.start()
    try:
        archive(options(tmp_path / "stitched", tmp_path / "zips", Limits()))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 8_000_000


def test_sizes_beyond_32_bit_fields_are_written_as_zip64(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_stitched(tmp_path / "stitched", 2)
    # The standard library decides by this limit, in truth 2 GiB; below it the same fields are written for small files.
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 50_000)
    archive(options(tmp_path / "stitched", tmp_path / "zips"))
    monkeypatch.undo()
    data = (tmp_path / "zips" / "record-1" / "stitched-001.zip").read_bytes()
    assert data.count(b"PK\x06\x06") == data.count(b"PK\x06\x07") == 1, "ZIP64 end of central directory"
    assert data.count(b"\x01\x00\x10\x00" + IMAGE_BYTES.to_bytes(8, "little") * 2) >= 2, "ZIP64 sizes"
    assert unpacked(tmp_path / "zips", tmp_path / "back") == contents(tmp_path / "stitched")
    if shutil.which("unzip"):
        path = tmp_path / "zips" / "record-1" / "stitched-001.zip"
        assert subprocess.run(["unzip", "-tq", path], check=False, capture_output=True).returncode == 0


sizes = st.lists(st.integers(0, 60_000), min_size=1, max_size=40)


@given(sizes, st.integers(10_000, 200_000), st.integers(61_000, 300_000), st.integers(4, 9))
def test_any_files_are_packed_once_in_order_within_all_limits(
    file_bytes: list[int], zip_bytes: int, room: int, record_files: int
) -> None:
    files = [ArchiveFile(Path(f"{n}"), f"{n:03}.tif", f"{n // 2}", size, 0) for n, size in enumerate(file_bytes)]
    limits = Limits(RECORD_RESERVE_BYTES + 4096 + room, record_files, zip_bytes)
    records = plan_records(files, "s", limits)
    zips = [plan for record in records for plan in record.zips]
    assert [file for plan in zips for file in plan.files] == files
    assert [plan.name for plan in zips] == [f"s-{n:03}.zip" for n in range(1, len(zips) + 1)]
    for record in records:
        assert 1 <= len(record.zips) <= record_files - len(METADATA_FILES)
        assert sum(plan.most_bytes + 4096 for plan in record.zips) <= limits.record_bytes - RECORD_RESERVE_BYTES
    for plan in zips:
        assert len(plan.files) == 1 or plan.most_bytes <= zip_bytes
    home = {file.name: plan.name for plan in zips for file in plan.files}
    for first, second in zip(files[::2], files[1::2], strict=False):
        if file_cost(first) + file_cost(second) <= min(zip_bytes, limits.largest_zip_bytes):
            assert home[first.name] == home[second.name]


def test_250_gb_of_stitched_images_become_six_linked_records_of_50_gb() -> None:
    image, mask = 156_000_000, 2_000_000
    files = [
        ArchiveFile(Path(name), name, name[:4], size, 0)
        for n in range(1600)
        for name, size in ((f"{n:04}.tif", image), (f"{n:04}_cp_masks.png", mask))
    ]
    records = plan_records(files, "stitched", Limits())
    assert [len(record.zips) for record in records] == [5, 5, 5, 5, 5, 1]
    assert all(sum(plan.most_bytes for plan in record.zips) < 50 * 10**9 for record in records)


def test_a_file_larger_than_a_record_is_named(tmp_path: Path) -> None:
    write_stitched(tmp_path / "stitched", 3)
    with (tmp_path / "stitched" / "Run01TL_top_left.tif").open("r+b") as file:
        file.truncate(60 * 10**9)  # sparse
    with pytest.raises(
        ArchiveError, match=r"Run01TL_top_left\.tif has 60,000,000,000 bytes; in a record of 50,000,000,000"
    ):
        archive(options(tmp_path / "stitched", tmp_path / "zips", Limits()))
    assert not (tmp_path / "zips").exists()


def test_a_disk_that_is_too_small_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    write_stitched(tmp_path / "stitched", 1)
    with (tmp_path / "stitched" / "Run00TL_top_left.tif").open("r+b") as file:
        file.truncate(15 * 10**12)  # sparse
    with pytest.raises(OutputError, match=r"of free space; about 15000\.0 GB are needed"):
        archive(options(tmp_path / "stitched", tmp_path / "zips", Limits(record_bytes=20 * 10**12)))
    assert published(tmp_path / "zips") == {}


@posix_only
def test_a_disk_that_is_full_after_all_is_said_and_the_next_call_goes_on(tmp_path: Path) -> None:
    import resource

    write_stitched(tmp_path / "stitched", 2, image_bytes=3_000_000)
    command = [*COMMAND, "archive", "stitched", "--out", "zips", "--zip-bytes", "4MB", "--quiet"]
    limit = (5_000_000, resource.RLIM_INFINITY)  # bytes of a file: the next best thing to a small disk
    (tmp_path / "stitched" / "Run01TL_top_left.tif").write_bytes(bytes(6_000_000))
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        encoding="utf-8",
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limit),
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert "zips: the disk is full (File too large); make room and " in done.stderr
    assert done.stderr.count("\n") == 1
    again = nucleusnet("archive", "stitched", "--out", "zips", "--zip-bytes", "4MB", "--json", cwd=tmp_path)
    assert (json.loads(again.stdout)["written"], json.loads(again.stdout)["kept"]) == (2, 1)


class Disturbance(NoProgress):
    """Does something when the first bytes have been copied."""

    def __init__(self, action: object) -> None:
        self.action, self.done = action, False

    def step(self, count: int = 1, *, nuclei: int = 0) -> None:
        if not self.done:
            self.done = True
            self.action()  # type: ignore[operator]


@pytest.mark.parametrize("what", ["grows", "shrinks", "touched"])
def test_a_file_that_changes_while_it_is_read_ends_the_archive(tmp_path: Path, what: str) -> None:
    write_stitched(tmp_path / "stitched", 2, image_bytes=3_000_000)
    path = tmp_path / "stitched" / "Run00TL_top_left.tif"
    actions = {
        "grows": lambda: path.open("ab").write(b"x"),
        "shrinks": lambda: os.truncate(path, 1_500_000),
        "touched": lambda: touch(path),
    }
    limits = Limits(record_bytes=20_000_000)
    with pytest.raises(SourceChangedError, match=r"Run00TL_top_left\.tif"):
        archive(options(tmp_path / "stitched", tmp_path / "zips", limits), Disturbance(actions[what]))
    assert contents(tmp_path / "zips").keys() == {"metadata.json"}
    archive(options(tmp_path / "stitched", tmp_path / "zips", limits))
    assert unpacked(tmp_path / "zips", tmp_path / "back") == contents(tmp_path / "stitched")


def test_a_file_that_is_gone_when_its_turn_comes_is_named(tmp_path: Path) -> None:
    write_stitched(tmp_path / "stitched", 6)
    last = tmp_path / "stitched" / "Run05TL_top_left.tif"
    with pytest.raises(
        ArchiveError, match=r"Run05TL_top_left\.tif cannot be read \(No such file.*finished zips are kept"
    ):
        archive(options(tmp_path / "stitched", tmp_path / "zips"), Disturbance(last.unlink))
    write_stitched(tmp_path / "again", 6)
    shutil.copy2(tmp_path / "again" / last.name, last)
    assert archive(options(tmp_path / "stitched", tmp_path / "zips")).kept == 2


def break_shard(folder: Path) -> None:
    (folder / "data" / "train-00000-of-00001.parquet").write_bytes(b"other")


def drop_line(folder: Path) -> None:
    lines = (folder / "SHA256SUMS").read_text("utf-8").splitlines(keepends=True)
    (folder / "SHA256SUMS").write_text("".join(line for line in lines if "data/train" not in line), "utf-8")


def add_line(path: str) -> object:
    def act(folder: Path) -> None:
        with (folder / "SHA256SUMS").open("a", encoding="utf-8") as file:
            file.write(f"{'0' * 64}  {path}\n")

    return act


def link_shard(folder: Path) -> None:
    path = folder / "metadata" / "train-00000-of-00001.parquet"
    path.rename(folder.parent / "elsewhere")
    path.symlink_to(folder.parent / "elsewhere")


def link_folder(folder: Path) -> None:
    (folder / "10k").rename(folder.parent / "elsewhere")
    (folder / "10k").symlink_to(folder.parent / "elsewhere")


@posix_only
@pytest.mark.parametrize(
    ("damage", "error", "words"),
    [
        (break_shard, CorruptDataError, "SHA-256"),
        (drop_line, CorruptDataError, "data/train-00000-of-00001.parquet"),
        (add_line("../outside.txt"), CorruptDataError, r"\.\./outside\.txt"),
        (add_line("/etc/passwd"), CorruptDataError, "/etc/passwd"),
        (add_line("data/..\\outside"), CorruptDataError, "outside"),
        (add_line("data/missing.parquet"), ArchiveError, "data/missing.parquet does not exist"),
        (link_shard, ArchiveError, "metadata/train-00000-of-00001.parquet is a link, or lies behind one"),
        (link_folder, ArchiveError, "10k/train-00000-of-00001.parquet is a link, or lies behind one"),
        (lambda folder: (folder / "README.md").unlink(), ArchiveError, r"README\.md does not exist"),
        (lambda folder: (folder / "manifest.json").write_text("{", "utf-8"), ManifestError, r"manifest\.json"),
    ],
)
def test_a_damaged_dataset_folder_is_refused(
    tmp_path: Path, damage: object, error: type[NucleusNetError], words: str
) -> None:
    write_dataset(tmp_path / "nucleusnet")
    damage(tmp_path / "nucleusnet")  # type: ignore[operator]
    with pytest.raises(error, match=words):
        archive(options(tmp_path / "nucleusnet", tmp_path / "zips", Limits()))
    assert list(tmp_path.glob("zips/record-*/*")) == []


@posix_only
def test_links_among_the_images_are_followed_inside_and_refused_outside(tmp_path: Path) -> None:
    write_stitched(tmp_path / "stitched", 1)
    (tmp_path / "stitched" / "Run05TL_top_left.tif").symlink_to("Run00TL_top_left.tif")
    archive(options(tmp_path / "stitched", tmp_path / "zips"))
    assert unpacked(tmp_path / "zips", tmp_path / "back") == contents(tmp_path / "stitched")
    (tmp_path / "stitched" / "Run07TL_top_left.tif").symlink_to("missing.tif")
    with pytest.raises(ArchiveError, match=r"Run07TL_top_left\.tif cannot be read"):
        archive(options(tmp_path / "stitched", tmp_path / "other"))
    (tmp_path / "stitched" / "Run07TL_top_left.tif").unlink()
    (tmp_path / "secret.tif").write_bytes(b"secret")
    (tmp_path / "stitched" / "Run06TL_top_left.tif").symlink_to(tmp_path / "secret.tif")
    with pytest.raises(ArchiveError, match=r"Run06TL_top_left\.tif is a link to .*secret\.tif, outside"):
        archive(options(tmp_path / "stitched", tmp_path / "other"))


def test_masks_of_another_folder_and_subfolders_keep_their_paths(tmp_path: Path) -> None:
    write_stitched(tmp_path / "stitched" / "a", 1)
    write_stitched(tmp_path / "stitched" / "b", 2)
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "x_cp_masks.png").write_bytes(b"m")
    chosen = replace(options(tmp_path / "stitched", tmp_path / "zips"), masks=tmp_path / "labels", recursive=True)
    archive(chosen)
    expected = contents(tmp_path / "stitched") | {"masks/x_cp_masks.png": sha256(tmp_path / "labels/x_cp_masks.png")}
    assert unpacked(tmp_path / "zips", tmp_path / "back") == expected


@posix_only
@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["cell.tif", "Cell.tif"], r"Cell\.tif|cell\.tif would be one file where upper and lower case"),
        (["e\u0301.tif", "\u00e9.tif"], "would be one file where upper and lower case"),
        (["a\\..\\..\\evil.tif"], "evil.tif.*rename"),
        (["a:b.tif"], "a:b.tif.*rename"),
        (["line\nbreak.tif"], "rename"),
        ([os.fsdecode(b"\xff.tif")], "rename"),
        (["only.txt"], "holds neither stitched images"),
        ([], "holds neither stitched images"),
    ],
)
def test_names_that_cannot_be_unpacked_everywhere_are_refused(tmp_path: Path, names: list[str], words: str) -> None:
    (tmp_path / "stitched").mkdir()
    for name in names:
        (tmp_path / "stitched" / name).write_bytes(b"x")
    with pytest.raises(ArchiveError, match=words):
        archive(options(tmp_path / "stitched", tmp_path / "zips"))


def test_an_output_that_is_not_ours_is_left_alone(tmp_path: Path) -> None:
    write_stitched(tmp_path / "stitched", 1)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.docx").write_bytes(b"years")
    with pytest.raises(UsageError, match="mine holds something other than an archive"):
        archive(options(tmp_path / "stitched", tmp_path / "mine", overwrite=True))
    for place in (tmp_path / "stitched", tmp_path / "stitched" / "zips", tmp_path / "mine" / "thesis.docx"):
        with pytest.raises(UsageError, match=r"--out: .* is an input|lies inside .*stitched, which is read|is a file"):
            archive(options(tmp_path / "stitched", place))
    write_dataset(tmp_path / "verdigris")
    with pytest.raises(UsageError, match=r"--out: .* lies inside the dataset .*verdigris"):
        archive(options(tmp_path / "stitched", tmp_path / "verdigris" / "zips"))
    archive(options(tmp_path / "stitched", tmp_path / "made" / "zips"))
    archive(options(tmp_path / "stitched", tmp_path / "zips"))
    (tmp_path / "zips" / "record-2").symlink_to(tmp_path / "mine")
    with pytest.raises(OutputError, match="record-2 is a file or link in the place of a folder"):
        archive(options(tmp_path / "stitched", tmp_path / "zips", overwrite=True))
    (tmp_path / "zips" / "record-2").unlink()
    (tmp_path / "zips" / "record-1" / "notes.txt").write_bytes(b"mine")
    with pytest.raises(OutputError, match=r"notes\.txt.*move it away"):
        archive(options(tmp_path / "stitched", tmp_path / "zips", overwrite=True))
    assert (tmp_path / "mine" / "thesis.docx").read_bytes() == b"years"


def test_another_folder_never_replaces_a_finished_archive_unasked(tmp_path: Path) -> None:
    write_stitched(tmp_path / "a" / "stitched", 2)
    write_stitched(tmp_path / "b" / "stitched", 1)
    archive(options(tmp_path / "a" / "stitched", tmp_path / "zips"))
    before = contents(tmp_path / "zips")
    with pytest.raises(OutputError, match="--overwrite"):
        archive(options(tmp_path / "b" / "stitched", tmp_path / "zips"))
    assert contents(tmp_path / "zips") == before


@pytest.mark.parametrize(
    ("text", "expected"),
    [("50GB", 50 * 10**9), ("1.5kB", 1500), ("7", 7), ("2 TB", 2 * 10**12), ("300m", 300 * 10**6)],
)
def test_sizes_are_read_in_decimal_units(text: str, expected: int) -> None:
    assert parse_bytes(text, "--zip-bytes") == expected


@pytest.mark.parametrize("text", ["", "GB", "-1", "1e9", "5 GiB", "ten"])
def test_what_is_no_size_is_refused_by_the_option_s_name(text: str) -> None:
    with pytest.raises(UsageError, match=r"--zip-bytes: .* is not a size such as 50GB"):
        parse_bytes(text, "--zip-bytes")


def test_creators_are_read_with_and_without_the_optional_parts() -> None:
    assert parse_creator("Doe, Jane") == Creator("Doe, Jane")
    assert parse_creator("Doe, Jane; A; B") == Creator("Doe, Jane", "A; B")
    assert parse_creator("Doe, Jane; https://orcid.org/0000-0002-1694-233X").orcid == "0000-0002-1694-233X"
    for wrong in ("", ";A", "Doe; 0000-0002-1694-2330", "Doe; 1234-5678"):
        with pytest.raises(UsageError, match="--creator"):
            parse_creator(wrong)


@pytest.mark.parametrize(
    ("field", "value"), [("title", " "), ("description", ""), ("license", "free for all"), ("published", "2026-13-01")]
)
def test_metadata_that_no_repository_takes_are_refused(field: str, value: str) -> None:
    with pytest.raises(UsageError, match=r"is empty|is not an SPDX identifier|is not a date"):
        RecordMetadata.from_dict(METADATA.to_dict() | {field: value})


def test_the_command_takes_the_card_s_words_remembers_options_and_reports(tmp_path: Path) -> None:
    write_dataset(tmp_path / "verdigris")
    given_once = ["--creator", "Doe, Jane; Some Institute", "--date", "2025-05-05"]
    done = nucleusnet("archive", "verdigris", "--out", "zips", *given_once, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "zips: 1 record, 1 zip written, 0 kept"
    assert "100%" in done.stderr
    done = nucleusnet("archive", "verdigris", "--out", "zips", "--keyword", "roof", "--json", "--quiet", cwd=tmp_path)
    assert (json.loads(done.stdout)["kept"], done.stderr) == (1, "")
    assert read_index(tmp_path / "zips").metadata == RecordMetadata(
        title="Nuclei of Verdigris",
        description="Every nucleus of an old roof.",
        creators=(Creator("Doe, Jane", "Some Institute"),),
        license="CC-BY-NC-4.0",
        keywords=("roof",),
        version="2.0.0",
        published="2025-05-05",
    )


def test_the_dataset_of_the_bare_name_is_archived_unless_another_folder_is_named(tmp_path: Path) -> None:
    write_dataset(tmp_path / "nucleusnet")
    done = nucleusnet("archive", "--out", "zips", "--quiet", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert unpacked(tmp_path / "zips", tmp_path / "back") == contents(tmp_path / "nucleusnet")


def test_a_study_file_says_who_and_what_and_options_win(tmp_path: Path) -> None:
    write_stitched(tmp_path / "stitched", 1)
    study = ROOT / "study.toml"
    done = nucleusnet("archive", "stitched", "--out", "zips", "--study", study, "--keyword", "CV-1", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    metadata = read_index(tmp_path / "zips").metadata
    assert (metadata.title, metadata.license, metadata.keywords) == ("NucleusNet", "CC-BY-4.0", ("CV-1",))
    assert metadata.creators == (Creator("The NucleusNet authors"),)
    paragraphs = metadata.description.split("\n\n")
    assert paragraphs[0].startswith("Single-cell nuclei, cut out of stitched confocal DAPI images of CV-1 cells")
    assert {"Cell line: CV-1", "Stain: DAPI", "Objective: 100x"} <= set(paragraphs)


def test_a_study_of_another_scale_than_the_dataset_s_is_refused(tmp_path: Path) -> None:
    write_dataset(tmp_path / "verdigris")
    study = tmp_path / "study.toml"
    study.write_text((ROOT / "study.toml").read_text("utf-8").replace("8.0453", "4.0"), "utf-8")
    done = nucleusnet("archive", "verdigris", "--out", "zips", "--study", study, cwd=tmp_path)
    assert (done.returncode, "pixels_per_um" in done.stderr) == (2, True)


def test_an_unknown_license_is_said_in_the_crate(tmp_path: Path) -> None:
    write_stitched(tmp_path / "stitched", 1)
    done = nucleusnet("archive", "stitched", "--out", "zips", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    crate = json.loads((tmp_path / "zips" / "record-1" / "ro-crate-metadata.json").read_bytes())
    entities = {entity["@id"]: entity for entity in crate["@graph"]}
    assert entities[entities["./"]["license"]["@id"]]["description"] == "The license is not stated: ask the creators."


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["stitched", "--out", "zips", "--record-files", "3"], 2, "--record-files is 3; it must be at least 4"),
        (["stitched", "--out", "zips", "--record-bytes", "1MB", "--creator", "X; 1234-5678"], 2, "is not an ORCID iD"),
        (["stitched", "--out", "zips", "--license", "a b"], 2, "--license: 'a b' is not an SPDX"),
        (["nowhere", "--out", "zips"], 2, "nowhere does not exist; give a folder of this machine."),
        (
            ["stitched", "--out", "zips", "--masks", "nowhere"],
            2,
            "nowhere does not exist; give a folder of this machine.",
        ),
    ],
)
def test_wrong_use_is_told_in_one_line(tmp_path: Path, arguments: list[str], code: int, words: str) -> None:
    write_stitched(tmp_path / "stitched", 1)
    done = nucleusnet("archive", *arguments, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (code, "")
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.glob("zips/record-*")) == []


def test_importing_the_verbs_loads_nothing_heavy() -> None:
    heavy = ("datasets", "pyarrow", "numpy", "torch", "numba", "rocrate")
    modules = "builder.archive.cli, builder.archive.archive, builder.deposit.deposit"
    code = f"import sys, {modules}; print(*[name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_published_files_are_readable_by_all(tmp_path: Path) -> None:
    write_stitched(tmp_path / "stitched", 1)
    archive(options(tmp_path / "stitched", tmp_path / "zips"))
    modes = [path.stat().st_mode & stat.S_IRUSR for path in (tmp_path / "zips").glob("record-*/*")]
    assert len(modes) == 4
    assert all(modes)
    assert MASK_BYTES < IMAGE_BYTES
