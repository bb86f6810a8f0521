"""What the command line does with what it cannot write and what the system refuses."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from nucleusnet_core.terminal.command import with_exit_codes
from tests.root import ROOT

TABLE = "image,num_rois,mean_intensity,std_intensity\nŁask,2,79.5,3\nKøge,3,80,4\n"


def test_letters_that_the_output_cannot_take_are_escaped_and_nothing_fails(tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text(TABLE, "utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "nucleusnet_core.terminal.program", "stats", "table.csv"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "cp1252"},
        capture_output=True,
        encoding="cp1252",
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "\\u0141ask" in done.stdout
    assert "Køge" in done.stdout


def test_what_the_system_refuses_is_one_message_with_the_place(capsys: pytest.CaptureFixture[str]) -> None:
    def refused() -> None:
        raise PermissionError(13, "Permission denied", "a/manifest.json")

    with pytest.raises(SystemExit) as left:
        with_exit_codes(refused)()
    assert left.value.code == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("nucleusnet: a/manifest.json cannot be read or written (Permission denied); ")
    assert len(said.err.splitlines()) == 1


def test_an_empty_argument_is_no_folder(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "nucleusnet_core.terminal.program", "simulate", "", "--images", "1", "--size", "600"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 2
    assert "an argument is empty" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_closed_pipe_is_left_to_the_parser_which_ends_in_silence() -> None:
    def unread() -> None:
        raise BrokenPipeError(32, "Broken pipe")

    with pytest.raises(BrokenPipeError):
        with_exit_codes(unread)()


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("arguments", [("--help",), ("--version",), ("verify", "--help"), ("stats", "table.csv")])
def test_output_that_nobody_reads_to_its_end_is_given_up_in_silence(
    arguments: tuple[str, ...], unbuffered: str, tmp_path: Path
) -> None:
    (tmp_path / "table.csv").write_text(TABLE, "utf-8")
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "nucleusnet_core.terminal.program", *arguments],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": unbuffered},
            stdout=writing,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    finally:
        os.close(writing)
    assert done.returncode == 1
    assert "Error" not in done.stderr
    assert "Exception" not in done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device that is always full is a Linux one")
def test_output_on_a_full_disk_is_one_message(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "nucleusnet_core.terminal.program", "--help"],
            cwd=tmp_path,
            env={**environment, "PYTHONPATH": str(ROOT)},
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr == ("nucleusnet: the output cannot be written (No space left on device); check where it goes.\n")
