"""Ctrl-C at any moment of a build: one line, exit code 130, and no process left."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.builder.commands import COMMAND, environment

MOMENTS = 16
LAST_SECONDS = 4.0
END_SECONDS = 30
IMAGES = 300
"""So many that no build ends before its interrupt."""

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no process groups")


@pytest.fixture(scope="module")
def many_images(stitched: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of many small images, which are links to a few."""
    folder = tmp_path_factory.mktemp("many")
    images = sorted(stitched.glob("*.tif"))
    for number in range(IMAGES):
        image = images[number % len(images)]
        os.link(image, folder / f"image{number}.tif")
        os.link(image.with_name(f"{image.stem}_cp_masks.png"), folder / f"image{number}_cp_masks.png")
    return folder


def seconds_to_start(folder: Path) -> float:
    """How long the program takes to begin: before, an interrupt is Python's to report."""
    begun = time.monotonic()
    subprocess.run([*COMMAND, "--version"], cwd=folder, env=environment(), capture_output=True, check=True)
    return time.monotonic() - begun


def interrupted_build(images: Path, out: Path, seconds: float) -> tuple[int, list[str], bool]:
    """Interrupt all processes of a build, as a terminal does: exit code, last line, and whether a traceback came."""
    command = [*COMMAND, "build", str(images), "--out", str(out), "--workers", "2", "--fresh"]
    running = subprocess.Popen(
        command,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        start_new_session=True,
    )
    try:
        time.sleep(seconds)
        os.killpg(running.pid, signal.SIGINT)
        _, errors = running.communicate(timeout=END_SECONDS)
        wait_for_the_others(running.pid)
    finally:
        if running.poll() is None:
            os.killpg(running.pid, signal.SIGKILL)
            running.wait()
    return running.returncode, errors.splitlines()[-1:], "Traceback" in errors


def wait_for_the_others(session: int) -> None:
    """Wait until the processes of a session have ended; the one that watches semaphores ends last."""
    deadline = time.monotonic() + END_SECONDS
    while left := [number for number in psutil.pids() if session_of(number) == session]:
        assert time.monotonic() < deadline, f"processes {left} are left of an interrupted build"
        time.sleep(0.02)


def session_of(number: int) -> int | None:
    try:
        ended = psutil.Process(number).status() == psutil.STATUS_ZOMBIE
        return None if ended else os.getsid(number)
    except (psutil.NoSuchProcess, ProcessLookupError):
        return None


def test_an_interrupt_at_any_moment_is_one_line_without_a_traceback(many_images: Path, tmp_path: Path) -> None:
    first = min(2 * seconds_to_start(many_images), LAST_SECONDS / 2)
    moments = [first + (LAST_SECONDS - first) * number / (MOMENTS - 1) for number in range(MOMENTS)]
    ends = {seconds: interrupted_build(many_images, tmp_path / "out", seconds) for seconds in moments}
    assert ends == dict.fromkeys(moments, (130, ["nucleusnet: interrupted."], False))
