"""Files appear whole, on the disk before they get their name, and one process at a time holds a lock."""

import os
from pathlib import Path

import pytest

from nucleusnet_core.errors import OutputError
from nucleusnet_core.files.atomic import atomic_path, write_bytes_atomic
from nucleusnet_core.files.locking import locked


def write_half(path: Path) -> None:
    with atomic_path(path) as partial:
        partial.write_bytes(b"ne")
        assert path.read_bytes() == b"old"
        raise ValueError("half")


def test_until_a_file_is_whole_the_old_one_is_there_and_after_a_failure_too(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with pytest.raises(ValueError, match="half"):
        write_half(path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]
    assert path.read_bytes() == b"old"
    write_bytes_atomic(path, b"new")
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]
    assert path.read_bytes() == b"new"


@pytest.mark.skipif(os.name == "nt", reason="Windows syncs no folders")
def test_a_file_is_on_the_disk_before_it_gets_its_name_and_its_name_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[str] = []
    fsync, replace = os.fsync, os.replace

    def noted_fsync(descriptor: int) -> None:
        is_folder = os.path.isdir(descriptor)  # noqa: PTH112 - a descriptor has no Path
        events.append("folder synced" if is_folder else "file synced")
        fsync(descriptor)

    def noted_replace(source: Path, target: Path) -> None:
        events.append("named")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(os, "replace", noted_replace)
    write_bytes_atomic(tmp_path / "file", b"new")
    assert events == ["file synced", "named", "folder synced"]


def test_what_is_locked_cannot_be_locked_again_until_it_is_free(tmp_path: Path) -> None:
    busy = OutputError("busy")
    with locked(tmp_path / "place", busy=busy):
        with pytest.raises(OutputError, match="busy"), locked(tmp_path / "place", busy=busy):
            raise AssertionError("two hold it")
        assert [entry.name for entry in tmp_path.iterdir()] == [".place.lock"]
    with locked(tmp_path / "place", busy=busy):
        pass
    assert list(tmp_path.iterdir()) == []
