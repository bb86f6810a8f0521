"""Every verb, given a folder that is not of its kind: one message, no traceback, nothing left behind."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from nucleusnet_core.terminal import program

CALLS = {
    "simulate": ["PLACE"],
    "segment": ["PLACE", "--model", "PLACE"],
    "overlay": ["PLACE", "PLACE", "--out", "look.png"],
    "build": ["PLACE"],
    "verify": ["PLACE"],
    "stats": ["PLACE"],
    "representatives": ["PLACE"],
    "mosaic": ["PLACE", "--out", "mosaic.png"],
    "upload": ["PLACE", "--repo", "owner/name"],
    "archive": ["PLACE", "--out", "zips"],
    "deposit": ["PLACE"],
    "sample": ["PLACE"],
    "browse": ["PLACE", "--no-open"],
    "zoom": ["stitched", "PLACE", "--out", "panoramas"],
}
ALONE = {"verify", "representatives", "sample", "browse", "stats"}
"""Verbs that need no argument: they take the dataset that the bare name means."""
Said = Callable[..., tuple[object, str]]
PLACES = [(verb, place) for verb in CALLS for place in ("missing", "file", "empty")]
PLACES = [call for call in PLACES if call not in {("simulate", "missing"), ("simulate", "empty")}]  # these it fills


@pytest.fixture
def said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Said:
    """Runs `nucleusnet` beside a file and an empty folder; returns the exit code and what it said on stderr."""
    (tmp_path / "file").write_text("no dataset\n", "utf-8")
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> tuple[object, str]:
        monkeypatch.setattr(sys, "argv", ["nucleusnet", *arguments])
        with pytest.raises(SystemExit) as left:
            program.main()
        printed = capsys.readouterr()
        assert printed.out == ""
        assert sorted(path.name for path in tmp_path.rglob("*")) == ["empty", "file"]
        return left.value.code, printed.err

    return run


def test_every_verb_is_tried() -> None:
    assert sorted(CALLS) == sorted(program.SUMMARIES)


@pytest.mark.parametrize(("verb", "place"), PLACES)
def test_a_folder_of_another_kind_is_one_message_that_names_it(verb: str, place: str, said: Said) -> None:
    code, message = said(verb, *(place if argument == "PLACE" else argument for argument in CALLS[verb]))
    assert code == 2 if place == "missing" else code in {1, 2}
    assert message.startswith("nucleusnet: ")
    assert message.count("\n") == 1
    assert place in message
    assert message.endswith(".\n")


@pytest.mark.parametrize("verb", sorted(CALLS.keys() - ALONE))
def test_a_verb_without_what_it_needs_says_how_it_is_called(verb: str, said: Said) -> None:
    code, message = said(verb)
    assert code == 2
    assert message.startswith(f"Usage: nucleusnet {verb} ")
    assert "Error: Missing " in message


@pytest.mark.parametrize("verb", sorted(ALONE))
def test_a_verb_alone_looks_for_the_dataset_beside_it(verb: str, said: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NUCLEUSNET_DATA", raising=False)
    monkeypatch.delenv("NUCLEUSNET_REPO", raising=False)
    code, message = said(verb)
    assert code == 2
    assert " has no folder nucleusnet with README.md and data/; " in message
    assert "$NUCLEUSNET_DATA" in message
    assert message.count("\n") == 1
