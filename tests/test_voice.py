"""How the program speaks: every message states the fact first, and ends with one full stop."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import nucleusnet_core.errors
from tests.root import ROOT

PARTS = ("nucleusnet_core", "nucleusnet_dataset.py", "builder", "loaders", "explore", "browser", "examples")
ERRORS = {name for name in vars(nucleusnet_core.errors) if name.endswith("Error")}
SAYING = ERRORS | {"Failure", "Problem", "leave", "WorkerDiedError", "say", "add"}
"""Classes and functions whose text is for a person: the last argument that is a literal."""
FORMULA = re.compile(r"\bexpected\b.*\bfound\b", re.DOTALL | re.IGNORECASE)


def modules() -> list[Path]:
    found = []
    for part in PARTS:
        path = ROOT / part
        found += [path] if path.is_file() else sorted(p for p in path.rglob("*.py") if "node_modules" not in p.parts)
    return found


def literal(node: ast.expr) -> str | None:
    """The text of a literal, with ... for what is filled in; None for anything else."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(str(v.value) if isinstance(v, ast.Constant) else "..." for v in node.values)
    return None


def texts(path: Path) -> Iterator[tuple[int, str]]:
    """Line and text of every literal of a module that is no docstring."""
    tree = ast.parse(path.read_text("utf-8"))
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    parts = {id(value) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for value in node.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.expr) and id(node) not in docstrings | parts and (text := literal(node)):
            yield node.lineno, text


def messages(path: Path) -> Iterator[tuple[int, str]]:
    """Line and text of every literal that a person is told."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if not isinstance(node, ast.Call) or not node.args:
            continue
        name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        if name in SAYING and (text := literal(node.args[-1])) and " " in text:
            yield node.lineno, text


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_text_follows_the_old_formula(path: Path) -> None:
    assert [(line, text) for line, text in texts(path) if FORMULA.search(text)] == []


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_every_message_ends_with_one_full_stop(path: Path) -> None:
    def ends_well(text: str) -> bool:
        return text.endswith("...") or (text.endswith((".", "?", ":")) and not text.endswith(".."))

    assert [(line, text) for line, text in messages(path) if not ends_well(text)] == []
