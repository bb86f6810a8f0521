"""Several processes, the workers of a cluster, and one that runs out of memory."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import psutil
import pytest
import tifffile

from builder.segment.network.weights import WeightsFile
from builder.segment.receipts import read_receipt
from builder.segment.segment import LOG_NAME
from builder.segment.segment_task import segment_image
from builder.simulate.set_folder import SimulatedImage
from builder.simulate.simulate import simulate_image
from tests.builder.build.test_build_faults import wait_for, workers_of
from tests.builder.build.test_build_shares import cluster
from tests.builder.commands import COMMAND, environment, nucleusnet, start
from tests.root import ROOT

from .conftest import MODEL
from .test_segment import task

__all__ = ["cluster"]  # a fixture

NAMES = [f"Run01TL_{number}" for number in range(6)]
OPTIONS = ("--diameter", "51", "--flow-threshold", "0", "--cellprob-threshold", "-1", "--device", "cpu")


@pytest.fixture(scope="module")
def folder(fields: list[SimulatedImage], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six images (400, 400) at a third of the scale."""
    folder = tmp_path_factory.mktemp("images")
    for name, field in zip(NAMES, fields, strict=True):
        tifffile.imwrite(folder / f"{name}.tif", np.ascontiguousarray(field.pixels[::3, ::3]))
    return folder


@pytest.fixture(scope="module")
def expected(folder: Path, weights: WeightsFile) -> dict[str, str]:
    """SHA-256 of the masks that one process makes."""
    return {name: segment_image(task(folder, name, weights)).mask_sha256 for name in NAMES}


def command(folder: Path, *more: str | Path) -> list[str | Path]:
    return ["segment", folder, "--model", MODEL, *OPTIONS, "--out", "masks", "--quiet", "--json", *more]


def made(folder: Path) -> dict[str, str]:
    receipts = [read_receipt(folder / "masks", name) for name in NAMES]
    return {name: receipt.mask_sha256 for name, receipt in zip(NAMES, receipts, strict=True) if receipt is not None}


def test_two_processes_give_the_bytes_of_one(folder: Path, expected: dict[str, str], tmp_path: Path) -> None:
    running = start(*command(folder, "--workers", "2"), cwd=tmp_path)
    wait_for(lambda: len(workers_of(running)) == 2 or running.poll() is not None)
    output, errors = running.communicate()
    assert running.returncode == 0, errors
    assert "device: cpu, 2 processes" in errors
    assert json.loads(output)["resumed"] == 0
    assert made(tmp_path) == expected


@pytest.mark.skipif(os.name == "nt", reason="POSIX process groups")
def test_a_dask_cluster_gives_the_same_bytes_and_what_it_made_is_kept_when_its_client_is_killed(
    cluster: tuple[Path, list["subprocess.Popen[bytes]"]], folder: Path, expected: dict[str, str], tmp_path: Path
) -> None:
    first = start(*command(folder, "--scheduler", cluster[0]), cwd=tmp_path)
    wait_for(lambda: bool(list(tmp_path.glob("masks/*_cp_masks.png"))) or first.poll() is not None, 120)
    first.kill()
    first.communicate()
    assert made(tmp_path)
    done = nucleusnet(*command(folder, "--scheduler", cluster[0]), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert (report["images"], report["failures"]) == (6, [])
    assert report["resumed"] >= 1
    assert f"device of the workers at {cluster[0]}: cpu" in done.stderr
    assert made(tmp_path) == expected
    assert all(process.poll() is None for process in cluster[1])


def test_an_error_that_is_not_ours_leaves_its_traceback_in_a_log_file_and_none_on_the_terminal(
    folder: Path, expected: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "broken" / "cellpose").mkdir(parents=True)
    (tmp_path / "broken" / "cellpose" / "__init__.py").write_text('raise RuntimeError("the driver is too old")\n')
    settings = environment()
    settings["PYTHONPATH"] = os.pathsep.join([str(tmp_path / "broken"), settings["PYTHONPATH"]])
    call = [*COMMAND, *map(str, command(folder))]
    done = subprocess.run(call, cwd=tmp_path, env=settings, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 1
    assert done.stderr.count("unexpected RuntimeError: the driver is too old;") == 6
    assert "Traceback" not in done.stderr
    assert f"the traceback of each unexpected error is in {Path('masks', LOG_NAME)}." in done.stderr
    log = tmp_path / "masks" / LOG_NAME
    assert log.read_text("utf-8").count("Traceback") >= 6
    assert json.loads(done.stdout)["images"] == 0
    assert nucleusnet(*command(folder), cwd=tmp_path).returncode == 0
    assert made(tmp_path) == expected
    assert not log.exists()


@pytest.mark.skipif(os.name == "nt", reason="limits on file sizes are POSIX")
def test_where_no_larger_file_can_be_written_it_says_so_once_and_goes_on_when_it_can(
    folder: Path, expected: dict[str, str], tmp_path: Path
) -> None:
    import resource

    done = subprocess.run(
        [*COMMAND, *map(str, command(folder))],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        encoding="utf-8",
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (600, 600)),
    )
    assert done.returncode == 1
    assert done.stderr.count("masks: the disk is full (File too large); make room and call again") == 1
    assert "Traceback" not in done.stderr
    assert list((tmp_path / "masks").iterdir()) == []
    assert nucleusnet(*command(folder), cwd=tmp_path).returncode == 0
    assert made(tmp_path) == expected


STARVED = """
import resource, sys
from pathlib import Path
import psutil
from builder.segment.segment_task import segment_image
from builder.segment.network.weights import read_weights_file
from nucleusnet_core.errors import SegmentationError
from tests.builder.segment.test_segment import MODEL, task

folder, weights = Path(sys.argv[1]), read_weights_file(MODEL)
segment_image(task(folder, "small", weights))
for more_mb in (2, 8, 16, 32, 48):
    allowed = psutil.Process().memory_info().vms + (more_mb << 20)
    resource.setrlimit(resource.RLIMIT_AS, (allowed, resource.RLIM_INFINITY))
    try:
        segment_image(task(folder, "large", weights))
        print("enough")
    except SegmentationError as error:
        print(error)
    resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    segment_image(task(folder, "small", weights))
"""


@pytest.fixture
def uneven(tmp_path: Path) -> Path:
    """A small image and one of which flows alone take 50 MB."""
    tifffile.imwrite(tmp_path / "small.tif", np.ascontiguousarray(simulate_image(0, size_px=600).pixels[::3, ::3]))
    tifffile.imwrite(tmp_path / "large.tif", np.full((2500, 2500), 9, np.uint8))
    return tmp_path


@pytest.mark.skipif(sys.platform != "linux", reason="limits of address space")
def test_memory_that_ends_anywhere_is_one_clear_error_and_the_process_goes_on(uneven: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", STARVED, uneven],
        cwd=ROOT,
        env=environment() | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 5
    for line in lines:
        assert line.startswith("large.tif needs more memory than is free (")
        assert line.endswith(
            "); use --fast, a smaller --block-size, fewer --workers, or --device cpu if it was a GPU's memory."
        )


@pytest.mark.skipif(sys.platform != "linux", reason="limits of address space")
def test_an_image_that_exhausts_the_memory_of_its_worker_costs_no_other(uneven: Path) -> None:
    (uneven / "small.tif").rename(uneven / "a.tif")
    for name in ("y", "z"):
        (uneven / f"{name}.tif").write_bytes((uneven / "a.tif").read_bytes())
    tifffile.imwrite(uneven / "c.tif", np.full((4000, 4000), 9, np.uint8))
    (uneven / "large.tif").unlink()
    running = start(*command(uneven, "--workers", "1"), cwd=uneven)
    wait_for(lambda: bool(list(uneven.glob("masks/a_cp_masks.png"))) or running.poll() is not None, 120)
    (worker,) = workers_of(running)
    worker.rlimit(psutil.RLIMIT_AS, (worker.memory_info().vms + (40 << 20), -1))
    output, errors = running.communicate()
    assert running.returncode == 1
    report = json.loads(output)
    assert [receipt["image_file"] for receipt in report["masks"]] == ["a.tif", "y.tif", "z.tif"]
    assert [failure["name"] for failure in report["failures"]] == ["c"]
    assert "  c: c.tif needs more memory than is free (" in errors
    assert "use --fast" in errors
    assert sorted(path.name for path in uneven.glob("masks/c*")) == []
