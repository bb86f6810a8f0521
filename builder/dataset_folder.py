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
"""Of a file that is damaged throughout, so many problems are listed, and the others are counted."""


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong, and where."""

    where: str
    message: str


@dataclass
class Report:
    """What a check found.

    Attributes:
        files: number of files in the folder.
        rows: rows of config default whose images were checked.
        problems: everything that is wrong.
    """

    files: int = 0
    rows: int = 0
    problems: list[Problem] = field(default_factory=list)

    def add(self, where: str, message: str) -> None:
        """Note a problem."""
        self.problems.append(Problem(where, message))

    def compare(self, where: str, what: str, found: object, wanted: object, by: str) -> None:
        """Note a problem if two things differ that should be equal.

        Args:
            where: the file.
            what: in it is compared.
            found: there.
            wanted: what it should be.
            by: says so.
        """
        if found != wanted:
            self.add(where, f"{what} is {found}, but {wanted} {by}.")

    def take(self, path: str, problems: list[Problem]) -> None:
        """Note the problems of one file, not too many of them."""
        self.problems += problems[:MAX_PROBLEMS_OF_A_FILE]
        if (more := len(problems) - MAX_PROBLEMS_OF_A_FILE) > 0:
            self.add(path, f"{more:,} more problems like these.")


def read_manifest(folder: Path) -> Manifest:
    """Return the manifest of a folder.

    Raises:
        DatasetNotFoundError: the folder has no manifest.
        ManifestError: the manifest is damaged.
    """
    path = folder / MANIFEST_NAME
    if not path.is_file() or path.is_symlink():
        raise DatasetNotFoundError(
            f"{folder} is not a dataset folder, it has no {MANIFEST_NAME}; give the folder on this machine that "
            "`nucleusnet build` wrote."
        )
    if path.stat().st_size > MAX_MANIFEST_BYTES:
        raise ManifestError(
            f"{path} has {path.stat().st_size:,} bytes, more than the {MAX_MANIFEST_BYTES:,} that a manifest may have; "
            "the file is damaged."
        )
    try:
        return Manifest.from_json(path.read_bytes())
    except ManifestError as error:
        raise ManifestError(f"{path}: {error}") from error


def listed_and_present(folder: Path, manifest: Manifest, report: Report) -> dict[str, str]:
    """Compare the files of a folder with those that SHA256SUMS and the manifest name.

    Returns:
        SHA-256 by path of the files that are both listed and there.
    """
    listed, found = read_sums(folder, report), walk(folder, report)
    report.files = len(found)
    for path in sorted(listed.keys() - found):
        report.add(path, f"this file is listed in {SUMS_NAME}, but it is not there.")
    for path in sorted(found - listed.keys() - {SUMS_NAME, CARD_NAME}):
        report.add(path, f"this file is not listed in {SUMS_NAME}; remove it.")
    for path in sorted({shard.path for shard in manifest.shards} - listed.keys()):
        report.add(path, f"this file is named in {MANIFEST_NAME}, but not listed in {SUMS_NAME}.")
    return {path: listed[path] for path in sorted(found & listed.keys())}


def read_sums(folder: Path, report: Report) -> dict[str, str]:
    """Return the hash of each file that SHA256SUMS lists, by path."""
    try:
        lines = read_text(folder / SUMS_NAME).splitlines()
    except (OSError, ValueError) as error:
        report.add(SUMS_NAME, f"the list of all files cannot be read ({error}).")
        return {}
    sums: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        match = _SUMS_LINE.fullmatch(line)
        if match is None:
            report.add(f"{SUMS_NAME}:{number}", f"the line {line[:100]!r} is not of the form '<sha256>  <path>'.")
        elif match[2] in sums:
            report.add(f"{SUMS_NAME}:{number}", f"the file {match[2]!r} is listed twice.")
        else:
            sums[match[2]] = match[1]
    return sums


def walk(folder: Path, report: Report) -> set[str]:
    """Return the files of a folder relative to it; links are a problem and are not followed."""
    found: set[str] = set()
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            report.add(name, "this is a link; a published folder must hold the file itself.")
        elif path.is_file():
            found.add(name)
        elif not path.is_dir():
            report.add(name, "this is neither a file nor a folder; remove it.")
    return found


def read_text(path: Path) -> str:
    """Return the text of a file that is not large and not a link.

    Raises:
        OSError: it cannot be read.
        ValueError: it is a link, too large, or not UTF-8.
    """
    if path.is_symlink():
        raise ValueError("it is a link")
    if path.stat().st_size > MAX_TEXT_BYTES:
        raise ValueError(f"it has {path.stat().st_size:,} bytes, more than {MAX_TEXT_BYTES:,}")
    return path.read_text("utf-8")
