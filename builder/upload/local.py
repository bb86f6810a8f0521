"""The files to publish: verified once, and held against the disk again before and after they are sent."""

import hashlib
import stat
from pathlib import Path

from nucleusnet_core.contract import CARD_NAME, SUMS_NAME
from nucleusnet_core.errors import CorruptDataError, SourceChangedError
from nucleusnet_core.terminal.progress import Progress

from ..dataset_folder import Report, read_sums, walk
from .journal import LocalFile, UploadJournal

GIT_MAX_BYTES = 16 << 20
"""The Hub keeps no larger files in git itself, so their git ids are not needed."""
SHOWN_PROBLEMS = 10


def verified_files(folder: Path, journal: UploadJournal, *, workers: int, progress: Progress) -> dict[str, LocalFile]:
    """Return the files of a folder; verify them unless the journal says that these very ones have been.

    Raises:
        CorruptDataError: something is wrong with the folder.
        SourceChangedError: a file was changed meanwhile.
        DatasetNotFoundError: it is not a dataset folder.
        ManifestError: its manifest is damaged.
    """
    before = states(folder)
    known = {path: (file.size, file.mtime_ns) for path, file in journal.files.items()}
    if before and before == known:
        return journal.files
    data = {path: state for path, state in before.items() if path != CARD_NAME}
    if data != {path: state for path, state in known.items() if path != CARD_NAME}:
        check_all(folder, workers, progress)
    else:
        check_only_card(folder)
    sums = read_sums(folder, Report())
    files = {path: local_file(folder, path, state, sums.get(path)) for path, state in before.items()}
    refuse_changes(folder, files)
    journal.files = files
    journal.save()
    return files


def states(folder: Path) -> dict[str, tuple[int, int]]:
    """Return size and time of modification of every file, by path.

    Raises:
        CorruptDataError: something there is not a plain file, such as a link.
    """
    report = Report()
    facts = {path: (folder / path).lstat() for path in sorted(walk(folder, report))}
    refuse_problems(folder, report)
    return {path: (fact.st_size, fact.st_mtime_ns) for path, fact in facts.items()}


def check_all(folder: Path, workers: int, progress: Progress) -> None:
    """Verify the folder.

    Raises:
        CorruptDataError: something is wrong with it.
    """
    from ..verify.verify import verify  # noqa: PLC0415 - a retry needs none of it

    refuse_problems(folder, verify(folder, workers=workers, progress=progress))


def check_only_card(folder: Path) -> None:
    """Verify the card, where everything else has been verified before.

    Raises:
        CorruptDataError: its numbers are wrong.
    """
    from ..dataset_folder import read_manifest  # noqa: PLC0415
    from ..verify.counts import check_card  # noqa: PLC0415 - a retry needs none of it

    report = Report()
    check_card(folder, read_manifest(folder), report)
    refuse_problems(folder, report)


def refuse_problems(folder: Path, report: Report) -> None:
    """Refuse to publish what is damaged."""
    if report.problems:
        lines = [f"  {problem.where}: {problem.message}" for problem in report.problems[:SHOWN_PROBLEMS]]
        more = len(report.problems) - SHOWN_PROBLEMS
        lines += [f"  and {more} more; `nucleusnet verify` lists them."] if more > 0 else []
        raise CorruptDataError("\n".join([f"{folder} is damaged; nothing was sent:", *lines]))


def local_file(folder: Path, path: str, state: tuple[int, int], sha256: str | None) -> LocalFile:
    """Describe a file; SHA256SUMS, which has just been verified, knows most hashes."""
    size, mtime_ns = state
    git_oid = ""
    if size <= GIT_MAX_BYTES:
        data = (folder / path).read_bytes()
        git_oid = hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()
        sha256 = sha256 or hashlib.sha256(data).hexdigest()
    if sha256 is None:
        raise CorruptDataError(
            f"{folder / path} has {size:,} bytes and no line in {SUMS_NAME}; build the dataset again."
        )
    return LocalFile(path, size, mtime_ns, sha256, git_oid)


def refuse_changes(folder: Path, files: dict[str, LocalFile]) -> None:
    """Refuse to go on when a file is not what it was when it was verified.

    Raises:
        SourceChangedError: a file is gone, is another one, or is a link now.
    """
    for path, file in files.items():
        try:
            facts = (folder / path).lstat()
        except OSError as error:
            raise changed(folder, path) from error
        if not stat.S_ISREG(facts.st_mode) or (facts.st_size, facts.st_mtime_ns) != (file.size, file.mtime_ns):
            raise changed(folder, path)


def changed(folder: Path, path: str) -> SourceChangedError:
    """Return the error for a file that changed meanwhile."""
    return SourceChangedError(
        f"{folder / path} was changed since it was verified, and nothing was published; leave the folder alone and run "
        "the upload again."
    )
