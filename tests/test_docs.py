"""README, help texts and entry points say the same."""

import re
import subprocess
import sys
import tomllib
from importlib.metadata import entry_points

import pytest

from nucleusnet_core.terminal import program
from tests.root import ROOT

VERBS = sorted(
    tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["entry-points"]["nucleusnet.commands"]
)


def nucleusnet(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "nucleusnet_core.terminal.program", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_every_verb_is_installed_and_has_a_summary() -> None:
    assert sorted(program.SUMMARIES) == VERBS
    assert sorted({entry.name for entry in entry_points(group="nucleusnet.commands")}) == VERBS


def test_the_overview_lists_every_verb_and_exits_zero() -> None:
    done = nucleusnet("--help")
    assert done.returncode == 0
    assert all(re.search(rf"^  {verb} ", done.stdout, re.MULTILINE) for verb in VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_the_help_of_a_verb_ends_with_a_copyable_example(verb: str) -> None:
    done = nucleusnet(verb, "--help")
    assert done.returncode == 0, done.stderr
    assert re.match(rf"  Example: nucleusnet {verb}\b", done.stdout.splitlines()[-1]), done.stdout


def test_an_unknown_verb_exits_2_and_lists_the_known_ones() -> None:
    done = nucleusnet("biuld")
    assert done.returncode == 2
    assert "'biuld'" in done.stderr
    assert "build" in done.stderr


def test_readme_is_short_and_its_table_names_every_verb() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    assert text.count("\n") < 150
    assert sorted(re.findall(r"^\| `nucleusnet (\w+)", text, re.MULTILINE)) == VERBS


def test_readme_names_the_two_commands_and_the_makefile_has_them() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    makefile = (ROOT / "Makefile").read_text("utf-8")
    for target in ("demo", "test"):
        assert f"make {target}" in text
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)
