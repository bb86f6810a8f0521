"""What is imported, what pyproject.toml asks for, and what constraints.txt pins are the same packages."""

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from tests.root import ROOT

PARTS = ("nucleusnet_core", "nucleusnet_dataset.py", "builder", "loaders", "explore", "browser", "examples")
OURS = {"nucleusnet_core", "nucleusnet_dataset", "builder", "loaders", "explore", "browser", "nucleusnet", "tests"}
OURS |= {"benchmarks"}
NOT_IMPORTED = {
    "hf-xet": "huggingface_hub transfers with it",
    "pyvips-binary": "holds the library that pyvips loads",
    "build": "a command of `make`",
    "mypy": "a command of `make`",
    "ruff": "a command of `make`",
    "pytest-xdist": "an option of pytest",
    "setuptools": "builds the package",
    "wheel": "builds the package",
}
"""Packages that are asked for and that nothing imports, and why."""
OPTIONAL = {"lightning", "accelerate", "ipython"}
"""Packages that are used where they are, and asked for nowhere."""


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def required(lists: list[list[str]]) -> set[str]:
    names = [re.match(r"[\w.-]+", line) for lines in lists for line in lines]
    return {normal(name[0]) for name in names if name} - {"nucleusnet"}


def imported(places: tuple[str, ...]) -> set[str]:
    """Distributions that the files below some places import."""
    paths = [ROOT / place for place in places]
    files = [path for path in paths if path.is_file()] + [file for path in paths for file in path.rglob("*.py")]
    modules: set[str] = set()
    for file in files:
        if "node_modules" in file.parts:
            continue
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                modules |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                modules.add(node.module.split(".")[0])
    known = packages_distributions()
    other = modules - set(sys.stdlib_module_names) - OURS
    # A module that several distributions hold, such as cv2, counts for one that is asked for.
    return {normal(min(known.get(name, [name]), key=lambda one: normal(one) not in ASKED)) for name in other}


PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]
ASKED = required([PROJECT["dependencies"], *EXTRAS.values()])
SHIPPED = required([PROJECT["dependencies"], *(lines for extra, lines in EXTRAS.items() if extra != "dev")])
PINNED = {
    normal(line.split("==")[0])
    for line in (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    if line and not line.startswith("#")
}


def test_every_dependency_is_pinned() -> None:
    assert set() == ASKED - PINNED


def test_whatever_the_package_imports_is_asked_for() -> None:
    assert imported(PARTS) - SHIPPED - OPTIONAL == set()


def test_whatever_the_tests_import_is_asked_for() -> None:
    assert imported(("tests",)) - ASKED - OPTIONAL == set()


def test_whatever_is_asked_for_is_imported_or_has_another_use() -> None:
    used = imported((*PARTS, "tests", "setup.py"))
    assert ASKED - used - NOT_IMPORTED.keys() == set()
    assert NOT_IMPORTED.keys() - ASKED == set()


@pytest.mark.parametrize("path", ["constraints.txt"])
def test_every_pin_names_one_version(path: str) -> None:
    lines = [line for line in Path(ROOT / path).read_text("utf-8").splitlines() if line and not line.startswith("#")]
    assert [line for line in lines if not re.fullmatch(r"[\w.-]+==[\w.]+", line)] == []
