"""A build in several jobs that share a folder, and one on a Dask cluster: the same bytes as on one machine."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from builder.build.build import build_share, finish_build
from builder.build.options import BuildOptions
from builder.build.shares import Share
from nucleusnet_core.errors import BuildError
from tests.builder.commands import contents, environment, nucleusnet, start

from .test_build_faults import receipts, wait_for


def test_shares_in_any_order_and_a_finish_give_the_same_bytes(
    undisturbed: dict[str, str], stitched: Path, tmp_path: Path
) -> None:
    for task in (2, 0):
        done = nucleusnet("build", stitched, "--task", str(task), "--tasks", "3", "--json", cwd=tmp_path)
        assert json.loads(done.stdout)["images"] == 4
    early = nucleusnet("build", stitched, "--finish", cwd=tmp_path)
    assert early.returncode == 1
    assert "Not all of the 3 tasks have finished; run these again:" in early.stderr
    assert "task 1: 4 images, Run02TR_bottom_right, Run05BR_top_left, Run08TL_top_right, ..." in early.stderr
    assert "task 0:" not in early.stderr
    assert nucleusnet("build", stitched, "--task", "1", "--tasks", "3", cwd=tmp_path).returncode == 0
    finished = nucleusnet("build", stitched, "--finish", cwd=tmp_path)
    assert finished.returncode == 0, finished.stderr
    assert contents(tmp_path / "nucleusnet") == undisturbed
    assert [path.name for path in tmp_path.iterdir()] == ["nucleusnet"]


def test_an_image_that_cannot_be_used_is_reported_by_its_share_and_by_the_finish(
    stitched: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "stitched"
    shutil.copytree(stitched, folder)
    (folder / "Run02TR_bottom_right.tif").write_bytes(b"")
    ends = [nucleusnet("build", folder, "--task", str(task), "--tasks", "2", cwd=tmp_path) for task in (0, 1)]
    assert [done.returncode for done in ends] == [0, 1]
    assert "Run02TR_bottom_right.tif is empty; copy it again." in ends[1].stderr
    finished = nucleusnet("build", folder, "--finish", cwd=tmp_path)
    assert finished.returncode == 1
    assert "Run02TR_bottom_right.tif is empty; copy it again." in finished.stderr
    assert "11 images" in finished.stdout


@pytest.mark.skipif(os.name == "nt", reason="links need a permission there")
def test_a_missing_image_fails_alone_in_its_share_and_in_the_finish(stitched: Path, tmp_path: Path) -> None:
    folder = tmp_path / "stitched"
    folder.mkdir()
    for path in stitched.glob("Run0[123]*"):
        shutil.copyfile(path, folder / path.name)
    (image,) = folder.glob("Run01*.tif")
    image.unlink()
    image.symlink_to(tmp_path / "nowhere.tif")
    options = BuildOptions(folder, tmp_path / "nucleusnet")
    shares = [build_share(options, Share(task, 2)) for task in (0, 1)]
    assert [share.images for share in shares] == [1, 1]
    assert [failure.name for failure in shares[0].failures] == [image.stem]
    result = finish_build(options)
    assert result.images == 2
    assert [failure.name for failure in result.failures] == [image.stem]
    assert f"{image.name} cannot be read (No such file or directory); put it back" in result.failures[0].message


@pytest.mark.skipif(os.name == "nt", reason="links need a permission there")
def test_an_image_that_comes_back_has_not_failed(stitched: Path, tmp_path: Path) -> None:
    folder = tmp_path / "stitched"
    shutil.copytree(stitched, folder)
    image = folder / "Run02TR_bottom_right.tif"
    image.rename(tmp_path / "away.tif")
    image.symlink_to(tmp_path / "nowhere.tif")
    options = BuildOptions(folder, tmp_path / "nucleusnet")
    build_share(options, Share(1, 12))
    (tmp_path / "away.tif").replace(image)
    with pytest.raises(BuildError, match="task 1: 1 image, Run02TR_bottom_right"):
        finish_build(options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--finish"], "first run all tasks"),
        (["--task", "3", "--tasks", "3"], "--task is 3 and --tasks is 3; tasks are numbered from 0"),
        (["--tasks", "3"], "give both, such as --task 3 --tasks 10"),
        (["--finish", "--task", "0", "--tasks", "1"], "on its own"),
        (["--fresh", "--task", "0", "--tasks", "1"], "remove OUT.work instead"),
        (["--scheduler", "tcp://127.0.0.1:1"], "no Dask scheduler answers at"),
        (["--scheduler", "nope.json"], "'nope.json' is neither the address (tcp://HOST:PORT) nor the file"),
    ],
)
def test_shares_and_schedulers_that_make_no_sense_are_wrong_usage(
    options: list[str], message: str, stitched: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT", "2s")
    done = nucleusnet("build", stitched, *options, cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr
    assert not (tmp_path / "nucleusnet").exists()


def test_a_start_that_failed_does_not_stand_in_the_way_of_another(
    stitched: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT", "2s")
    failed = nucleusnet("build", stitched, "--scheduler", "tcp://127.0.0.1:1", cwd=tmp_path)
    assert failed.returncode == 2
    begun = nucleusnet("build", stitched, "--seed", "5", "--quiet", cwd=tmp_path)
    assert begun.returncode == 0, begun.stderr


def test_shares_of_another_number_are_refused(stitched: Path, tmp_path: Path) -> None:
    assert nucleusnet("build", stitched, "--task", "0", "--tasks", "12", cwd=tmp_path).returncode == 0
    done = nucleusnet("build", stitched, "--task", "1", "--tasks", "4", cwd=tmp_path)
    assert done.returncode == 2
    assert "--tasks is 4, but" in done.stderr
    assert "says that the first job had --tasks 12; give all jobs the same number." in done.stderr


def dask(*arguments: str, cwd: Path) -> subprocess.Popen[bytes]:
    """Start a scheduler or a group of workers, in a process group of its own."""
    command = [sys.executable, "-m", "distributed.cli.dask_" + arguments[0], *arguments[1:]]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return subprocess.Popen(command, cwd=cwd, env=environment(), start_new_session=True, **quiet)  # type: ignore[call-overload,no-any-return]


def end(process: "subprocess.Popen[bytes]") -> None:
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[tuple[Path, list["subprocess.Popen[bytes]"]]]:
    """A scheduler and two groups of one worker each, joined by a scheduler file."""
    file = tmp_path / "scheduler.json"
    place = ["--host", "127.0.0.1", "--port", "0", "--no-dashboard"]
    processes = [dask("scheduler", *place, "--scheduler-file", str(file), cwd=tmp_path)]
    wait_for(file.exists)
    joined = ["--scheduler-file", str(file), "--nthreads", "1", "--no-dashboard", "--host", "127.0.0.1"]
    processes += [dask("worker", *joined, cwd=tmp_path) for _ in range(2)]
    yield file, processes
    for process in processes:
        if process.poll() is None:
            end(process)


@pytest.mark.skipif(os.name == "nt", reason="POSIX process groups")
def test_a_dask_cluster_gives_the_same_bytes_although_a_group_of_its_workers_is_killed(
    cluster: tuple[Path, list["subprocess.Popen[bytes]"]], undisturbed: dict[str, str], stitched: Path, tmp_path: Path
) -> None:
    file, processes = cluster
    work = tmp_path / "nucleusnet.work"
    process = start("build", stitched, "--scheduler", file, "--quiet", cwd=tmp_path)
    wait_for(lambda: len(receipts(work)) > 2)
    end(processes[2])
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    assert contents(tmp_path / "nucleusnet") == undisturbed
    assert processes[0].poll() is None
