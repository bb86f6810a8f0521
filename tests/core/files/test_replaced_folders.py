"""Folders that take the place of others: at no moment is there none, or the next call puts the old one back."""

import errno
import logging
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from nucleusnet_core.errors import DatasetNotFoundError
from nucleusnet_core.files import atomic
from nucleusnet_core.files.atomic import put_back, replace_folder
from nucleusnet_core.files.exchange import exchange
from nucleusnet_core.files.whole_folder import whole_folder
from nucleusnet_core.location import local_folder, locate
from tests.root import ROOT

exchanging = pytest.mark.skipif(sys.platform not in ("linux", "darwin"), reason="names are exchanged there")


def folder(path: Path, content: str) -> Path:
    path.mkdir()
    (path / content).touch()
    return path


def names(path: Path) -> list[str]:
    return sorted(entry.name for entry in path.iterdir())


def cannot_exchange(_first: Path, _second: Path) -> bool:
    return False


@pytest.fixture(params=[exchange, cannot_exchange], ids=["exchange", "two steps"])
def either_way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Folders are replaced as this system does it, and as one does that cannot exchange names."""
    monkeypatch.setattr(atomic, "exchange", request.param)


@pytest.mark.usefixtures("either_way")
def test_a_folder_takes_the_place_of_another_and_leaves_it_when_it_cannot(tmp_path: Path) -> None:
    place = tmp_path / "place"
    for content in ("first", "second"):
        replace_folder(folder(tmp_path / content, content), place)
        assert names(place) == [content]
        assert names(tmp_path) == ["place"]
    with pytest.raises(FileNotFoundError):
        replace_folder(tmp_path / "missing", place)
    assert names(place) == ["second"]
    assert names(tmp_path) == ["place"]


@exchanging
def test_two_folders_change_places_in_one_step(tmp_path: Path) -> None:
    first, second = folder(tmp_path / "first", "1"), folder(tmp_path / "second", "2")
    assert exchange(first, second)
    assert (names(first), names(second)) == (["2"], ["1"])
    with pytest.raises(FileNotFoundError) as missing:
        exchange(first, tmp_path / "none")
    assert missing.value.errno == errno.ENOENT
    assert names(first) == ["2"]


KILLED = """
import os, signal, sys
from pathlib import Path
from nucleusnet_core.files import atomic
atomic.exchange = lambda first, second: False
moves = 0
def kill(event, _arguments):
    global moves
    moves += event == "os.rename"
    if event == "os.rename" and moves == 2:
        os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(kill)
atomic.replace_folder(Path("made"), Path("place").absolute())
"""


@pytest.fixture
def killed(tmp_path: Path) -> Path:
    """A folder `place` as a process leaves it that is killed between the two steps of replacing it."""
    folder(tmp_path / "made", "new")
    folder(tmp_path / "place", "old")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", KILLED], cwd=tmp_path, env=environment, check=False)
    assert done.returncode < 0
    assert not (tmp_path / "place").exists()
    return tmp_path / "place"


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL is POSIX")
@pytest.mark.parametrize("find", [lambda path: path if put_back(path) else None, local_folder, locate])
def test_what_a_killed_process_moved_aside_is_put_back_by_whoever_looks_for_it(
    find: Callable[[Path], object], killed: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "nucleusnet"):
        if find is locate:
            with pytest.raises(DatasetNotFoundError):  # it has no manifest
                locate(str(killed)).read_file("manifest.json", max_bytes=10)
        else:
            assert find(killed) == killed
    assert names(killed) == ["old"]
    assert caplog.messages == [f"{killed} is back: a process was ended while it replaced that folder."]
    assert not put_back(killed)


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL is POSIX")
def test_a_folder_that_is_written_anew_after_a_kill_leaves_nothing_beside_it(killed: Path) -> None:
    with whole_folder(killed) as partial:
        (partial / "newest").touch()
    assert names(killed) == ["newest"]
    assert names(killed.parent) == ["made", "place"]


def test_what_is_left_beside_a_folder_that_is_there_is_removed(tmp_path: Path) -> None:
    place = folder(tmp_path / "place", "new")
    folder(tmp_path / ".place.01234567.old", "old")
    assert not put_back(place)
    assert names(tmp_path) == ["place"]
    assert names(place) == ["new"]
