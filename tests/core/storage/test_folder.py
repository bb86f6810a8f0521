"""A dataset in a folder: exact ranges, and every way in which a file can be the wrong one."""

import io
import os
import pickle
import sys
from pathlib import Path

import pytest

from nucleusnet_core.errors import CorruptDataError, DatasetNotFoundError, SourceChangedError
from nucleusnet_core.storage.folder import FolderStore
from tests.open_files import open_files


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "Zellkerne 1 µm"
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "a.bin").write_bytes(bytes(range(100)))
    return folder


def link(target: Path, path: Path) -> None:
    try:
        path.symlink_to(target)
    except OSError:
        pytest.skip("this system makes no symbolic links")


def test_a_range_is_exactly_the_bytes_asked_for(folder: Path) -> None:
    store = FolderStore(folder)
    assert store.read_range("data/a.bin", 3, 4) == bytes([3, 4, 5, 6])
    assert store.read_range("data/a.bin", 98, 2) == bytes([98, 99])
    assert store.read_range("data/a.bin", 100, 0) == b""
    assert store.read_file("data/a.bin", max_bytes=100) == bytes(range(100))
    assert store.name == str(folder.resolve())


def test_a_buffer_is_filled_with_the_bytes_from_its_start_on(folder: Path) -> None:
    buffer = bytearray(b"abcdefgh")
    FolderStore(folder).read_into("data/a.bin", 40, memoryview(buffer)[2:5])
    assert buffer == b"ab()*fgh"


def test_an_open_file_gives_its_bytes_and_looks_whether_it_is_still_the_same(folder: Path) -> None:
    file = FolderStore(folder).open_file("data/a.bin")
    file.read_ahead(0, 1 << 20)
    assert file.view(98, 100) == bytes([98, 99])
    assert file.read(3, 3) == b""
    assert file.size() == 100
    with pytest.raises(CorruptDataError, match=r"a\.bin has 100 bytes; at least 101 are needed"):
        file.view(99, 101)
    (folder / "data" / "a.bin").write_bytes(bytes(101))
    with pytest.raises(SourceChangedError, match=r"a\.bin: the file has changed since it was first read"):
        file.view(0, 1)


def test_a_file_is_closed_with_the_last_reference_to_it(folder: Path) -> None:
    file = FolderStore(folder).open_file("data/a.bin")
    assert open_files(folder) == ["a.bin"]
    del file
    assert open_files(folder) == []


class ThreeBytes(io.FileIO):
    """A file on a drive that gives at most three bytes at a time."""

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(min(3, size or 0))


def test_reads_that_are_cut_short_are_gone_on_with(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(io, "FileIO", ThreeBytes)
    assert FolderStore(folder).read_range("data/a.bin", 40, 10) == bytes(range(40, 50))


def test_a_range_beyond_the_end_names_the_file_what_it_has_and_what_is_needed(folder: Path) -> None:
    with pytest.raises(CorruptDataError, match=r"a\.bin has 100 bytes; at least 101 are needed"):
        FolderStore(folder).read_range("data/a.bin", 99, 2)
    with pytest.raises(CorruptDataError, match=r"a\.bin has 100 bytes; at least 101 are needed"):
        FolderStore(folder).read_into("data/a.bin", 99, memoryview(bytearray(2)))


def test_a_file_that_is_too_large_is_not_read(folder: Path) -> None:
    with pytest.raises(CorruptDataError, match=r"a\.bin has 100 bytes; at most 99 are allowed"):
        FolderStore(folder).read_file("data/a.bin", max_bytes=99)


def test_a_missing_file_or_a_folder_in_its_place_is_named(folder: Path) -> None:
    store = FolderStore(folder)
    with pytest.raises(DatasetNotFoundError, match=r"b\.bin does not exist"):
        store.read_range("data/b.bin", 0, 1)
    with pytest.raises(DatasetNotFoundError, match="data is not a file"):
        store.read_file("data", max_bytes=10)


def test_a_folder_that_is_none_is_named(folder: Path) -> None:
    with pytest.raises(DatasetNotFoundError, match="missing does not exist"):
        FolderStore(folder / "missing")
    with pytest.raises(DatasetNotFoundError, match=r"a\.bin is a file, not a dataset folder"):
        FolderStore(folder / "data" / "a.bin")


@pytest.mark.parametrize("path", ["../secret.txt", "data/../../secret.txt", "{absolute}"])
def test_paths_do_not_lead_out_of_the_folder(folder: Path, path: str) -> None:
    secret = folder.parent / "secret.txt"
    secret.write_text("secret", "utf-8")
    with pytest.raises(CorruptDataError, match="leads out of the dataset folder"):
        FolderStore(folder).read_range(path.format(absolute=secret), 0, 1)


def test_a_path_does_not_lead_out_by_a_link_and_back(folder: Path) -> None:
    (folder.parent / "secret.txt").write_text("secret", "utf-8")
    link(folder.parent, folder / "up")
    with pytest.raises(CorruptDataError, match="leads out of the dataset folder"):
        FolderStore(folder).read_file("up/../../secret.txt", max_bytes=10)


def test_files_that_are_links_are_read_as_in_the_cache_of_the_hub(folder: Path) -> None:
    (folder.parent / "blobs").mkdir()
    (folder / "data" / "a.bin").rename(folder.parent / "blobs" / "0123")
    link(Path("../../blobs/0123"), folder / "data" / "a.bin")
    assert FolderStore(folder).read_range("data/a.bin", 5, 1) == bytes([5])


def test_what_serves_files_follows_links_inside_the_folder_alone(folder: Path) -> None:
    (folder.parent / "secret.txt").write_text("secret", "utf-8")
    link(folder.parent / "secret.txt", folder / "outside.txt")
    link(folder.parent, folder / "up")
    link(folder / "data" / "a.bin", folder / "inside.bin")
    store = FolderStore(folder).without_links()
    assert store.read_range("inside.bin", 5, 1) == bytes([5])
    for path in ("outside.txt", "up/secret.txt"):
        with pytest.raises(CorruptDataError, match="leads out of the dataset folder"):
            store.read_file(path, max_bytes=10)


def test_the_folder_itself_may_be_a_link(folder: Path) -> None:
    link(folder, folder.parent / "link")
    assert FolderStore(folder.parent / "link").read_range("data/a.bin", 7, 1) == bytes([7])


@pytest.mark.parametrize("copied", [False, True])
def test_a_file_that_changes_under_the_reader_is_an_error(folder: Path, copied: bool) -> None:
    store = FolderStore(folder)
    store.read_range("data/a.bin", 0, 1)
    if copied:
        store = pickle.loads(pickle.dumps(store))  # noqa: S301 - as a DataLoader sends it to its workers
    path = folder / "data" / "a.bin"
    path.write_bytes(bytes(100))
    os.utime(path, (1, 1))
    with pytest.raises(SourceChangedError, match=r"a\.bin: the file has changed since it was first read"):
        store.read_range("data/a.bin", 0, 1)
    assert FolderStore(folder).read_range("data/a.bin", 99, 1) == b"\0"


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="permissions do not bind this user")
def test_a_file_that_may_not_be_read_says_so(folder: Path) -> None:
    (folder / "data" / "a.bin").chmod(0)
    with pytest.raises(CorruptDataError, match=r"a\.bin cannot be read \(.*\); check the permissions"):
        FolderStore(folder).read_range("data/a.bin", 0, 1)
