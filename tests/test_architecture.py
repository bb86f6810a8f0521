"""The plan of the house: who may import whom, who may print, and what a light import must not load."""

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import TypeGuard

import pytest

from tests.root import ROOT

PARTS = ("nucleusnet_core", "builder", "loaders", "explore", "browser")

ROOMS: dict[str, str] = {
    # The floor. A room may use those above it, and of these only the ones that stand behind its name.
    "nucleusnet_core.errors": "",
    "nucleusnet_core.contract": "",
    "nucleusnet_core.small_files": "errors",
    "nucleusnet_core.orders": "errors",
    "nucleusnet_core.manifest": "errors small_files contract",
    "nucleusnet_core.stitched_names": "errors contract",
    "nucleusnet_core.terminal": "errors contract stitched_names",
    "nucleusnet_core.files": "errors terminal",
    "nucleusnet_core.cells": "errors contract",
    "nucleusnet_core.storage": "errors contract",
    "nucleusnet_core.location": "files errors contract storage",
    "nucleusnet_core.parquet": "errors small_files",
    "nucleusnet_core.dataset": "errors contract manifest storage location parquet",
    "nucleusnet_core.shards": "errors small_files contract manifest storage cells dataset parquet",
    "nucleusnet_core.runs": "",
    "nucleusnet_core.bare_name": "errors contract location",
    "nucleusnet_core.intensity": "errors contract dataset shards",
    "nucleusnet_core.pictures": "errors contract manifest orders files terminal",
    "nucleusnet_core.compiled": "",
    "nucleusnet_core.inputs": "errors parquet contract cells stitched_names terminal compiled",
    "nucleusnet_core.sampling": "errors contract orders manifest terminal cells dataset shards runs pictures",
    # The dataset's definition on `datasets`.
    "nucleusnet_dataset": "errors contract manifest bare_name dataset shards sampling terminal",
    # The builder, stage by stage.
    "builder": "",
    "builder.dataset_folder": "errors contract manifest location",
    "builder.workers": "errors files terminal",
    "builder.cutting": "errors contract compiled inputs",
    "builder.pieces": "errors small_files contract orders files cells inputs builder.cutting",
    "builder.card": "errors small_files contract manifest files terminal intensity runs nucleusnet_dataset"
    " builder.dataset_folder builder.cutting builder.pieces",
    "builder.simulate": "errors small_files contract orders files terminal pictures inputs builder.workers",
    "builder.segment.flows": "errors compiled inputs",
    "builder.segment.network": "errors files location builder.segment.flows",
    "builder.segment.compare": "errors stitched_names terminal builder.workers inputs",
    "builder.segment": "errors small_files contract files stitched_names terminal pictures builder.workers inputs"
    " builder.segment.flows builder.segment.network builder.segment.compare",
    "builder.analysis": "errors contract manifest location stitched_names files terminal cells dataset shards runs"
    " pictures builder.workers inputs builder.cutting",
    "builder.shards": "errors contract orders manifest files cells runs builder.pieces builder.analysis",
    "builder.build": "errors small_files contract orders manifest stitched_names files terminal runs nucleusnet_dataset"
    " builder.workers builder.card inputs builder.cutting builder.pieces builder.shards",
    "builder.verify": "errors parquet contract manifest location files cells terminal nucleusnet_dataset"
    " builder.dataset_folder builder.cutting builder.workers builder.card builder.shards",
    "builder.upload": "errors small_files contract manifest location storage files terminal"
    " builder.dataset_folder builder.card builder.verify",
    "builder.archive": "errors small_files contract location stitched_names files terminal"
    " builder.dataset_folder builder.card builder.verify",
    "builder.deposit": "errors small_files storage files terminal builder.archive",
    # On a dataset, wherever it lies.
    "loaders": "errors parquet contract orders manifest storage terminal cells dataset shards intensity sampling"
    " nucleusnet_dataset",
    "explore": "errors contract orders manifest location storage files terminal cells dataset shards runs pictures"
    " sampling nucleusnet_dataset loaders",
    "browser.zoom": "errors contract terminal files cells dataset shards runs pictures inputs",
    "browser.page": "errors small_files contract location storage files dataset browser.zoom",
    "browser": "errors contract location terminal dataset files inputs browser.page browser.zoom",
}
"""Room -> rooms that it may import, all of them further up: so no circle can be, neither short nor long."""

MOST_LINES = 300
LONGER = {"builder/cutting/published_warp.py"}
"""One algorithm, OpenCV's own, that would not read better in two files."""


def modules() -> dict[str, Path]:
    """Every module of ours by its name."""
    files = [file for part in PARTS for file in (ROOT / part).rglob("*.py") if "node_modules" not in file.parts]
    named = {".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): file for file in files}
    return named | {"nucleusnet_dataset": ROOT / "nucleusnet_dataset.py"}


MODULES = modules()


def room_of(module: str) -> str:
    """The longest name of a room that a module lies in."""
    names = [room for room in ROOMS if module == room or module.startswith(f"{room}.")]
    return max(names, key=len, default=module)


def imported(module: str) -> Iterator[str]:
    """Modules of ours that a module imports, anywhere in it."""
    file = MODULES[module]
    package = module.split(".") if file.name == "__init__.py" else module.split(".")[:-1]
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in MODULES)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            for alias in node.names:
                inner = f"{base}.{alias.name}"
                if inner in MODULES or base in MODULES:
                    yield inner if inner in MODULES else base


def allowed(room: str) -> set[str]:
    """Whole names of the rooms that a room may import."""
    names = ROOMS[room].split()
    return {name if name in ROOMS else f"nucleusnet_core.{name}" for name in names}


def test_every_module_lies_in_a_room_of_the_table() -> None:
    loose = {module for module in MODULES if room_of(module) not in ROOMS}
    assert loose - set(PARTS) == set()


def test_a_room_may_use_only_rooms_above_it() -> None:
    order = list(ROOMS)
    below = {room: [name for name in allowed(room) if order.index(name) >= order.index(room)] for room in ROOMS}
    assert {room: names for room, names in below.items() if names} == {}


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_what_the_table_allows(room: str) -> None:
    found = {
        (module, name)
        for module in MODULES
        if room_of(module) == room
        for name in imported(module)
        if room_of(name) not in {room, *allowed(room)}
    }
    assert found == set()


def test_no_room_imports_the_command_line_of_another() -> None:
    found = {
        (module, name)
        for module in MODULES
        for name in imported(module)
        if name.endswith(".cli") and module not in ("nucleusnet_dataset",)
    }
    assert found == set()


def imports_typer(node: ast.AST) -> TypeGuard[ast.Import]:
    return isinstance(node, ast.Import) and any(alias.name == "typer" for alias in node.names)


def test_only_a_cli_prints_or_parses() -> None:
    found = []
    for module, file in MODULES.items():
        if file.name == "cli.py" or module.startswith("nucleusnet_core.terminal"):
            continue
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print":
                found.append((module, node.lineno))
            if file.name != "arguments.py" and imports_typer(node):  # it declares those of the cli.py beside it
                found.append((module, node.lineno))
    assert found == []


def test_every_folder_says_what_it_is_for() -> None:
    silent = [
        str(folder.relative_to(ROOT))
        for folder in {file.parent for module, file in MODULES.items() if module != "nucleusnet_dataset"}
        if not (folder / "__init__.py").is_file()
        or not ast.get_docstring(ast.parse((folder / "__init__.py").read_text("utf-8")))
    ]
    assert silent == []


def test_the_builder_has_at_most_two_loose_modules() -> None:
    loose = {file.name for file in (ROOT / "builder").glob("*.py")} - {"__init__.py"}
    assert len(loose) <= 2


def test_no_module_is_longer_than_a_reader_keeps_in_mind() -> None:
    lengths = {str(file.relative_to(ROOT)): len(file.read_text("utf-8").splitlines()) for file in MODULES.values()}
    assert {name for name, lines in lengths.items() if lines > MOST_LINES} <= LONGER


def test_the_tests_mirror_the_rooms() -> None:
    mirrored = {"core": "nucleusnet_core", "builder": "builder", "loaders": "loaders", "browser": "browser"}
    strange = [
        str(folder.relative_to(ROOT))
        for name, part in mirrored.items()
        for folder in (ROOT / "tests" / name).rglob("*")
        if folder.is_dir()
        and folder.name != "__pycache__"
        and not (ROOT / part / folder.relative_to(ROOT / "tests" / name)).is_dir()
    ]
    assert strange == []


def test_every_package_folder_is_listed_in_pyproject() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["setuptools"]
    folders = {
        str(file.parent.relative_to(ROOT).as_posix())
        for module, file in MODULES.items()
        if file.name == "__init__.py" and module != "nucleusnet_dataset"
    }
    listed = {settings["package-dir"][package] for package in settings["packages"]}
    assert folders <= listed
    assert all((ROOT / folder).is_dir() for folder in listed)


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
