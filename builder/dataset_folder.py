"""Which files a dataset folder holds, and which it should hold: manifest, SHA256SUMS, no links."""

import re
from dataclasses import dataclass, field
from pathlib import Path

from nucleusnet_core.contract import CARD_NAME, MANIFEST_NAME, SUMS_NAME
from nucleusnet_core.errors import DatasetNotFoundError, ManifestError
from nucleusnet_core.manifest import MAX_MANIFEST_BYTES, Manifest

MAX_TEXT_BYTES = 8 << 20
_SUMS_LINE = re.compile(r"([0-9a-f]{64})  (.+)")


MAX_PROBLEMS_OF_A_FILE = 20
"""A file that is damaged throughout is named with so many problems and the number of the others."""


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong, and where."""

    where: str
    message: str


@dataclass
class Report:
    """What a check found.

    Attributes:
        files: number of files checked.
        rows: rows of config default.
        problems: everything that is wrong.
    """

    files: int = 0
    rows: int = 0
    problems: list[Problem] = field(default_factory=list)

    def add(self, where: str, message: str) -> None:
        """Note a problem."""
        self.problems.append(Problem(where, message))

    def expect(self, where: str, what: str, expected: object, found: object) -> None:
        """Note a problem if two things differ that should be equal."""
        if expected != found:
            self.add(where, f"{what}: {expected} expected, {found} found")

    def take(self, path: str, problems: list[Problem]) -> None:
        """Note the problems of one file, not too many of them."""
        self.problems += problems[:MAX_PROBLEMS_OF_A_FILE]
        if (more := len(problems) - MAX_PROBLEMS_OF_A_FILE) > 0:
            self.add(path, f"{more:,} more problems like these")


def read_manifest(folder: Path) -> Manifest:
    """Read the manifest of a folder.

    Raises:
        DatasetNotFoundError: there is none.
        ManifestError: it is damaged.
    """
    path = folder / MANIFEST_NAME
    if not path.is_file() or path.is_symlink():
        raise DatasetNotFoundError(
            f"{folder}: a dataset folder with {MANIFEST_NAME} expected, none found there; give the folder on this "
            "machine that `nucleusnet build` wrote."
        )
    if path.stat().st_size > MAX_MANIFEST_BYTES:
        raise ManifestError(f"{path}: at most {MAX_MANIFEST_BYTES} bytes expected, {path.stat().st_size} found.")
    try:
        return Manifest.from_json(path.read_bytes())
    except ManifestError as error:
        raise ManifestError(f"{path}: {error}") from error


def listed_and_present(folder: Path, manifest: Manifest, report: Report) -> dict[str, str]:
    """Compare the files there are with those of SHA256SUMS and the manifest.

    Returns:
        SHA-256 by path of the files that are both listed and there.
    """
    listed, found = read_sums(folder, report), walk(folder, report)
    report.files = len(found)
    for path in sorted(listed.keys() - found):
        report.add(path, f"this file expected from {SUMS_NAME}, none found")
    for path in sorted(found - listed.keys() - {SUMS_NAME, CARD_NAME}):
        report.add(path, f"no such file expected, it is not in {SUMS_NAME}")
    for path in sorted({shard.path for shard in manifest.shards} - listed.keys()):
        report.add(path, f"a line in {SUMS_NAME} expected for this shard of the manifest, none found")
    return {path: listed[path] for path in sorted(found & listed.keys())}


def read_sums(folder: Path, report: Report) -> dict[str, str]:
    """Read SHA256SUMS: path to hash."""
    try:
        lines = read_text(folder / SUMS_NAME).splitlines()
    except (OSError, ValueError) as error:
        report.add(SUMS_NAME, f"a list of files expected, found: {error}")
        return {}
    sums: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        match = _SUMS_LINE.fullmatch(line)
        if match is None:
            report.add(f"{SUMS_NAME}:{number}", f"'<sha256>  <path>' expected, {line[:100]!r} found")
        elif match[2] in sums:
            report.add(f"{SUMS_NAME}:{number}", f"each file once expected, {match[2]!r} found twice")
        else:
            sums[match[2]] = match[1]
    return sums


def walk(folder: Path, report: Report) -> set[str]:
    """List the files of a folder relative to it; links are a problem and are not followed."""
    found: set[str] = set()
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            report.add(name, "a file expected, a link found; a published folder must not depend on other places")
        elif path.is_file():
            found.add(name)
        elif not path.is_dir():
            report.add(name, "a plain file expected, something else found; remove it")
    return found


def read_text(path: Path) -> str:
    """Read a text file that is not large and no link.

    Raises:
        OSError: it cannot be read.
        ValueError: it is a link, too large, or not UTF-8.
    """
    if path.is_symlink():
        raise ValueError("a link")
    if path.stat().st_size > MAX_TEXT_BYTES:
        raise ValueError(f"{path.stat().st_size:,} bytes, more than {MAX_TEXT_BYTES:,}")
    return path.read_text("utf-8")
