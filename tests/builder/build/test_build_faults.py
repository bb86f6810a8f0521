"""Builds that are killed, interrupted, starved of disk or fed other files: nothing is lost, the bytes are the same."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from builder.build.build import build
from builder.build.options import BuildOptions
from tests.builder.commands import COMMAND, contents, environment, nucleusnet, start

posix_only = pytest.mark.skipif(os.name == "nt", reason="POSIX signals")


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit, "waited in vain"
        time.sleep(0.005)


def receipts(work: Path) -> list[Path]:
    return list((work / "pieces").glob("*.receipt.json")) if (work / "pieces").is_dir() else []


def workers_of(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """The spawned workers, without the resource tracker of multiprocessing."""
    try:
        children = psutil.Process(process.pid).children()
        return [child for child in children if "spawn_main" in " ".join(child.cmdline())]
    except psutil.NoSuchProcess:
        return []


def gone(processes: list[psutil.Process]) -> bool:
    return not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in processes)


@posix_only
def test_killed_at_random_moments_the_next_build_goes_on_and_gives_the_same_bytes(
    undisturbed: dict[str, str], stitched: Path, tmp_path: Path
) -> None:
    moments = random.Random(20)
    work, finished = tmp_path / "nucleusnet.work", 0
    for _ in range(4):
        process = start("build", stitched, "--out", "nucleusnet", "--workers", "2", "--quiet", cwd=tmp_path)
        wait_for(lambda before=finished: len(receipts(work)) > min(before, 11))  # type: ignore[misc]
        time.sleep(moments.uniform(0, 0.3))
        children = workers_of(process)
        process.kill()
        process.communicate()
        wait_for(lambda orphans=children: gone(orphans))  # type: ignore[misc]
        if not work.exists():
            break
        finished = len(receipts(work))
    if work.exists():
        assert finished > 0
        assert nucleusnet("build", stitched, "--out", "nucleusnet", "--workers", "2", cwd=tmp_path).returncode == 0
    assert contents(tmp_path / "nucleusnet") == undisturbed
    assert [path.name for path in tmp_path.iterdir()] == ["nucleusnet"]


@posix_only
def test_killed_at_any_file_operation_it_goes_on_and_the_folder_is_whole_or_not_there(
    undisturbed: dict[str, str], stitched: Path, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "tests.builder.build.killed_builds", str(stitched), str(tmp_path / "nucleusnet")]
    command += ["30", "260"]  # processes, and the last file operation at which one may be killed
    done = subprocess.run(command, env=environment(), capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stderr
    ends = [json.loads(line) for line in done.stdout.splitlines()]
    assert sum(killed for killed, _ in ends) >= 20
    finished = [built for _, built in ends if built is not None]
    assert len(finished) >= 3
    assert all(built == undisturbed for built in finished)


@posix_only
def test_a_killed_worker_costs_nothing(undisturbed: dict[str, str], stitched: Path, tmp_path: Path) -> None:
    process = start("build", stitched, "--out", "nucleusnet", "--workers", "2", "--quiet", cwd=tmp_path)
    wait_for(lambda: len(receipts(tmp_path / "nucleusnet.work")) > 0)
    workers_of(process)[0].kill()
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    assert contents(tmp_path / "nucleusnet") == undisturbed


@posix_only
def test_interrupted_it_stops_within_seconds_without_orphans_and_can_go_on(
    undisturbed: dict[str, str], stitched: Path, tmp_path: Path
) -> None:
    process = start("build", stitched, "--out", "nucleusnet", "--workers", "2", "--quiet", cwd=tmp_path)
    work = tmp_path / "nucleusnet.work"
    wait_for(lambda: len(receipts(work)) > 0)
    children = workers_of(process)
    begun = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert time.monotonic() - begun < 10
    assert process.returncode == 130
    assert "Traceback" not in errors
    wait_for(lambda: gone(children), 10)
    kept = {path.name: path.stat().st_mtime_ns for path in receipts(work)}
    assert kept
    assert nucleusnet("build", stitched, "--out", "nucleusnet", cwd=tmp_path).returncode == 0
    assert contents(tmp_path / "nucleusnet") == undisturbed


def test_a_damaged_or_outdated_piece_is_made_again(undisturbed: dict[str, str], stitched: Path, tmp_path: Path) -> None:
    work = tmp_path / "nucleusnet.work"
    folder = tmp_path / "stitched"
    shutil.copytree(stitched, folder)
    (folder / "late.tif").write_bytes(b"")
    shutil.copyfile(folder / "Run01TL_top_left_cp_masks.png", folder / "late_cp_masks.png")
    assert [failure.name for failure in build(BuildOptions(folder, tmp_path / "nucleusnet")).failures] == ["late"]
    pieces = sorted((work / "pieces").glob("*.rows.arrow"))
    flipped = bytearray(pieces[0].read_bytes())
    flipped[len(flipped) // 2] ^= 1
    pieces[0].write_bytes(flipped)
    pieces[1].write_bytes(pieces[1].read_bytes()[:-9])
    pieces[2].unlink()
    receipts(work)[3].write_bytes(b"{")
    for path in folder.glob("late*"):
        path.unlink()
    assert build(BuildOptions(folder, tmp_path / "nucleusnet", overwrite=True)).failures == []
    assert contents(tmp_path / "nucleusnet") == undisturbed


@posix_only
def test_a_source_that_changed_between_two_runs_is_cut_again(stitched: Path, tmp_path: Path) -> None:
    folder = tmp_path / "stitched"
    shutil.copytree(stitched, folder)
    process = start("build", folder, "--out", "nucleusnet", "--workers", "1", "--quiet", cwd=tmp_path)
    first = folder / "Run01TL_top_left.tif"
    wait_for((tmp_path / "nucleusnet.work" / "pieces" / "Run01TL_top_left.receipt.json").exists)
    process.kill()
    process.communicate()
    shutil.copyfile(folder / "Run03BR_bottom_left.tif", first)
    assert nucleusnet("build", folder, "--out", "nucleusnet", cwd=tmp_path).returncode == 0
    build(BuildOptions(folder, tmp_path / "anew"))
    assert contents(tmp_path / "nucleusnet") == contents(tmp_path / "anew")


@posix_only
@pytest.mark.parametrize("limit_bytes", [90_000, 160_000])  # some pieces are larger, the first shard is
def test_where_no_larger_file_can_be_written_it_says_so_and_goes_on_when_it_can(
    limit_bytes: int, undisturbed: dict[str, str], stitched: Path, tmp_path: Path
) -> None:
    import resource

    def limit_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, limit_bytes))

    command = [*COMMAND, "build", str(stitched), "--out", "nucleusnet", "--workers", "1", "--quiet"]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        encoding="utf-8",
        check=False,
        preexec_fn=limit_files,
    )
    assert done.returncode == 1
    assert "the disk is full (File too large); make room and call again: what is finished is kept" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "nucleusnet").exists()
    assert not list((tmp_path / "nucleusnet.work" / "pieces").glob(".*"))
    assert 0 < len(receipts(tmp_path / "nucleusnet.work")) <= 12 - (limit_bytes == 90_000)
    done = nucleusnet("build", stitched, "--out", "nucleusnet", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert contents(tmp_path / "nucleusnet") == undisturbed


def mount_small_disk(disk: Path, *options: str) -> bool:
    """Mount a file system in memory that holds 30 files, where that is permitted."""
    mount = ["mount", "-t", "tmpfs", "-o", ",".join([*options, "size=200m"]), "tmpfs", str(disk)]
    return sys.platform == "linux" and subprocess.run(mount, capture_output=True, check=False).returncode == 0


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system that holds 30 files."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if not mount_small_disk(disk, "nr_inodes=30"):
        pytest.skip("mounting a file system needs Linux and its permission; limits on files are tested above")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_on_a_full_disk_it_says_so_and_goes_on_after_space_is_made(
    undisturbed: dict[str, str], stitched: Path, small_disk: Path
) -> None:
    done = nucleusnet("build", stitched, "--out", "nucleusnet", "--workers", "2", "--quiet", cwd=small_disk)
    assert done.returncode == 1
    assert "the disk is full (No space left on device); make room and call again" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (small_disk / "nucleusnet").exists()
    assert 0 < len(receipts(small_disk / "nucleusnet.work")) < 12
    assert mount_small_disk(small_disk, "remount", "nr_inodes=300")
    done = nucleusnet("build", stitched, "--out", "nucleusnet", cwd=small_disk)
    assert done.returncode == 0, done.stderr
    assert contents(small_disk / "nucleusnet") == undisturbed
