"""Who may import whom, and what a light import must not load."""

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.root import ROOT

OURS = {"nucleusnet_core", "nucleusnet_dataset", "nucleusnet_core.terminal.program", "builder", "loaders", "browser"}
ALLOWED = {
    "nucleusnet_core": {"nucleusnet_core"},
    "nucleusnet_dataset": {"nucleusnet_core"},
    "nucleusnet_core.terminal.program": {"nucleusnet_core"},
    "builder": {"builder", "nucleusnet_core", "nucleusnet_dataset"},
    "loaders": {"loaders", "nucleusnet_core", "nucleusnet_dataset"},
    "browser": {"browser", "nucleusnet_core", "nucleusnet_dataset"},
}


def imported_modules(path: Path) -> set[str]:
    """Top-level names of ours that a file imports absolutely, anywhere in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module.split(".")[0])
    return names & OURS


def sources_of(part: str) -> list[Path]:
    single = ROOT / f"{part}.py"
    return [single] if single.exists() else sorted((ROOT / part).rglob("*.py"))


@pytest.mark.parametrize("part", sorted(ALLOWED))
def test_a_part_imports_only_what_lies_below_it(part: str) -> None:
    found = {str(path.relative_to(ROOT)): imported_modules(path) - ALLOWED[part] for path in sources_of(part)}
    assert {path: names for path, names in found.items() if names} == {}


def test_every_package_folder_is_listed_in_pyproject() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["setuptools"]
    folders = {
        str(path.parent.relative_to(ROOT))
        for part in ("builder", "loaders", "browser", "nucleusnet_core")
        for path in (ROOT / part).rglob("__init__.py")
    }
    listed = {settings["package-dir"][package] for package in settings["packages"]}
    assert listed == folders


@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        ("nucleusnet_dataset", ["torch", "cv2", "numba", "cellpose", "tifffile"]),
        ("nucleusnet_core", ["torch", "cv2", "numba", "datasets", "pyarrow"]),
        ("nucleusnet_core.terminal.program", ["typer", "datasets", "torch", "cv2", "numba", "numpy"]),
        ("builder.pieces.task", ["datasets", "torch"]),
    ],
)
def test_a_light_import_loads_nothing_heavy(module: str, heavy: list[str]) -> None:
    code = f"import sys, {module}; print(*[name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_nothing_is_called_nucleusnet_in_a_way_that_breaks_the_bare_name() -> None:
    assert not (ROOT / "nucleusnet" / "__init__.py").exists()
    assert not (ROOT / "nucleusnet" / "nucleusnet.py").exists()
