"""Builds whose output disk fails in the middle: they stop with one error, publish nothing, and go on afterwards."""

import errno
import io
import os
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from builder.build.assembly import Made, assemble_dataset
from builder.build.build import find, make_pieces, piece_tasks
from builder.build.options import BuildOptions
from builder.build.work_folder import open_work
from builder.pieces.task import PieceTask, valid_receipt
from builder.workers.engine import Workers, run_tasks
from builder.workers.failure import collect
from nucleusnet_core.errors import OutputDiskError
from nucleusnet_core.files.disk_space import disk_failures_reported
from nucleusnet_core.terminal.progress import NoProgress
from tests.builder.commands import contents

CREW = Workers(lambda: ThreadPoolExecutor(1), 1)
posix_only = pytest.mark.skipif(os.name == "nt", reason="these errors are POSIX")


def build_here(options: BuildOptions) -> None:
    """Build in this process, so that a fault of its calls of the system is a fault of all of them."""
    found = find(options)
    with (
        disk_failures_reported(options.out),
        open_work(options.out, options.recorded_parameters(), fresh=False) as work,
    ):
        receipts, failed = make_pieces(piece_tasks(options, found, found.sources, work), CREW, NoProgress())
        assemble_dataset(options, found, Made(receipts, failed), work, workers=CREW, progress=NoProgress())


def failing(call: Callable[..., Any], number: int, after: int, applies: Callable[..., bool]) -> Callable[..., Any]:
    """Return a call of the system that fails from then on; `number` is what the system says."""
    left = after

    def instead(*arguments: Any, **more: Any) -> Any:
        nonlocal left
        if applies(*arguments, **more):
            left -= 1
            if left < 0:
                raise OSError(number, os.strerror(number), str(arguments[0]))
        return call(*arguments, **more)

    return instead


def below(folder: Path, *, mode: str = "") -> Callable[..., bool]:
    """Return whether a call is about a file in a folder, to be opened in that mode."""

    def applies(path: Any, opened: Any = "", *_arguments: Any, **_more: Any) -> bool:
        return (isinstance(path, int) or str(path).startswith(str(folder))) and mode in str(opened)

    return applies


@pytest.fixture
def images(stitched: Path, tmp_path: Path) -> Path:
    """Three images with their masks."""
    folder = tmp_path / "stitched"
    folder.mkdir()
    for path in stitched.glob("Run0[123]*"):
        shutil.copyfile(path, folder / path.name)
    return folder


def stopped_and_resumed(fault: tuple[Any, str, str, int], number: int, images: Path) -> None:
    owner, name, mode, after = fault
    options, work = BuildOptions(images, images.with_name("out")), images.with_name("out.work")
    with pytest.MonkeyPatch.context() as broken:
        broken.setattr(owner, name, failing(getattr(owner, name), number, after, below(work, mode=mode)))
        with pytest.raises(OutputDiskError) as stopped:
            build_here(options)
    assert os.strerror(number) in str(stopped.value)
    assert "call again: what is finished is kept." in str(stopped.value)
    assert not options.out.exists()
    assert not list((work / "pieces").glob(".*"))
    build_here(options)


@posix_only
@pytest.mark.parametrize(
    "fault",
    [
        (io, "open", "w", 1),
        (io, "open", "w", 4),
        (os, "fsync", "", 4),
        (os, "fsync", "", 21),
        (os, "replace", "", 1),
        (os, "replace", "", 11),
    ],
    ids=["a piece", "a receipt", "flushed piece", "flushed shard", "renamed piece", "renamed shard"],
)
def test_a_disk_that_fails_stops_the_build_which_goes_on_when_it_is_repaired(
    fault: tuple[Any, str, str, int], images: Path, tmp_path: Path
) -> None:
    stopped_and_resumed(fault, errno.EIO, images)
    build_here(BuildOptions(images, tmp_path / "undisturbed"))
    assert contents(tmp_path / "out") == contents(tmp_path / "undisturbed")


@posix_only
@pytest.mark.parametrize("number", [errno.EROFS, errno.ESTALE, errno.EDQUOT, errno.ENOSPC, errno.EACCES])
def test_whatever_the_system_says_of_a_piece_stops_the_build(number: int, images: Path) -> None:
    stopped_and_resumed((io, "open", "wb", 4), number, images)


@posix_only
def test_a_disk_of_the_system_that_is_full_stops_the_build_too() -> None:
    def compile_nothing(_task: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "/home/cache")

    ends = run_tasks(compile_nothing, [1, 2], make_executor=CREW.make_executor, workers=1)
    with pytest.raises(OSError, match="No space left on device"):
        collect(ends, name=str, nuclei=lambda _result: 0, progress=NoProgress())


@posix_only
def test_an_image_that_cannot_be_read_is_a_failure_of_its_own_and_costs_no_other(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = sorted(images.glob("*.tif"))[1]

    def of_one_image(path: Any, *_arguments: Any, **_more: Any) -> bool:
        return str(path) == str(broken)

    monkeypatch.setattr(io, "open", failing(io.open, errno.EIO, 0, of_one_image))
    options = BuildOptions(images, tmp_path / "out")
    found = find(options)
    with open_work(options.out, options.recorded_parameters(), fresh=False) as work:
        receipts, failed = make_pieces(piece_tasks(options, found, found.sources, work), CREW, NoProgress())
    assert len(receipts) == 2
    assert [failure.name for failure in failed] == [broken.stem]
    assert "Input/output error" in failed[0].message


@pytest.fixture
def made(images: Path, tmp_path: Path) -> Iterator[PieceTask]:
    """The finished piece of an image."""
    options = BuildOptions(images, tmp_path / "out")
    found = find(options)
    with open_work(options.out, options.recorded_parameters(), fresh=False) as work:
        tasks = piece_tasks(options, found, found.sources, work)
        make_pieces(tasks, CREW, NoProgress())
        assert all(valid_receipt(task) for task in tasks)
        yield tasks[0]


@pytest.mark.parametrize("which", ["image_path", "mask_path"])
def test_a_source_that_was_replaced_by_one_of_its_size_and_time_is_noticed(made: PieceTask, which: str) -> None:
    path = getattr(made.source, which)
    changed = bytearray(path.read_bytes())
    changed[-1] ^= 1
    other = path.with_name("other")
    other.write_bytes(changed)
    shutil.copystat(path, other)
    other.replace(path)
    assert valid_receipt(made) is None


def test_a_source_that_was_copied_with_its_time_is_not_cut_again(made: PieceTask) -> None:
    for path in (made.source.image_path, made.source.mask_path):
        shutil.copy2(path, path.with_name("other"))
        path.with_name("other").replace(path)
    assert valid_receipt(made) is not None


@pytest.mark.parametrize("suffix", ["rows.arrow", "labels.arrow"])
def test_a_piece_of_which_a_byte_has_changed_does_not_count(made: PieceTask, suffix: str) -> None:
    path = made.pieces_dir / f"{made.source.stem}.{suffix}"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    assert valid_receipt(made) is None
