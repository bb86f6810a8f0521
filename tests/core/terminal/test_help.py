"""Help: groups in their order, within the terminal's width, for every verb."""

import os
import subprocess
import sys
import tomllib

import pytest

from nucleusnet_core.terminal.options import GROUPS
from nucleusnet_core.terminal.program import unknown
from tests.root import ROOT

VERBS = sorted(
    tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["entry-points"]["nucleusnet.commands"]
)


def nucleusnet(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "nucleusnet_core.terminal.program", *arguments]
    environment = {**os.environ, **variables}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("verb", VERBS)
def test_options_stand_in_groups_and_lines_fit_sixty_columns(verb: str) -> None:
    done = nucleusnet(verb, "-h", COLUMNS="60", TERMINAL_WIDTH="60")
    assert done.returncode == 0, done.stderr
    headings = [line.removesuffix(":") for line in done.stdout.splitlines() if line and not line.startswith(" ")]
    groups = [heading for heading in headings if heading in GROUPS]
    assert groups == [group for group in GROUPS if group in groups]
    assert "Output" in groups
    options = done.stdout.partition("\nOptions:")[2]
    assert [line.split()[0] for line in options.splitlines() if line.startswith("  -")] == ["-h,"]
    example = done.stdout.splitlines()[-1]
    assert [line for line in done.stdout.splitlines() if len(line) > 60 and line != example] == []


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_can_be_quiet_and_print_json(verb: str) -> None:
    options = nucleusnet(verb, "--help").stdout
    assert "--quiet" in options
    assert "--json" in options


def test_the_overview_fits_sixty_columns() -> None:
    done = nucleusnet("-h", COLUMNS="60")
    assert max(map(len, done.stdout.splitlines())) <= 60


@pytest.mark.parametrize(
    ("typed", "meant"), [("biuld", "build"), ("verfy", "verify"), ("stat", "stats"), ("moasic", "mosaic")]
)
def test_a_mistyped_verb_gets_a_suggestion(typed: str, meant: str) -> None:
    done = nucleusnet(typed)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"nucleusnet: there is no command {typed!r}. Did you mean {meant}?\n"


def test_a_verb_like_no_other_is_answered_with_where_they_are_listed() -> None:
    assert unknown("qqq", VERBS) == "there is no command 'qqq'. `nucleusnet --help` lists the commands."


def test_a_mistyped_option_gets_a_suggestion() -> None:
    done = nucleusnet("build", "--recurive")
    assert done.returncode == 2
    assert "--recursive" in done.stderr


def test_a_plain_locale_is_no_obstacle() -> None:
    done = nucleusnet("build", "--help", LC_ALL="C", PYTHONUTF8="0")
    assert done.returncode == 0, done.stderr
