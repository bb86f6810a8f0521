"""Which files go into an archive: the images and masks of a folder, or what a dataset folder lists."""

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from nucleusnet_core.contract import CARD_NAME, MANIFEST_NAME, SUMS_NAME
from nucleusnet_core.errors import ArchiveError, CorruptDataError
from nucleusnet_core.stitched_names import is_image, is_mask, is_text, list_files, stem_of

from ..dataset_folder import Report, read_manifest, read_sums

FORBIDDEN = '\\:*?"<>|'


@dataclass(frozen=True)
class ArchiveFile:
    """A file that goes into an archive, as it was when the folder was listed.

    Attributes:
        path: where it lies.
        name: its name in the archive: relative, forward slashes, NFC.
        group: files of one group (an image and its masks) go into the same zip where they fit.
        bytes: its size.
        mtime_ns: its time of modification.
        sha256: of its bytes, as the dataset folder states it, or None.
    """

    path: Path
    name: str
    group: str
    bytes: int
    mtime_ns: int
    sha256: str | None = None


def is_dataset(source: Path) -> bool:
    """Return whether a folder is meant as a dataset folder: it has a manifest, damaged or not."""
    return (source / MANIFEST_NAME).is_file()


def files_to_archive(source: Path, *, masks: Path | None = None, recursive: bool = False) -> list[ArchiveFile]:
    """List what goes into an archive, sorted by name; nothing else is ever read.

    Args:
        source: a dataset folder, or a folder of stitched images and masks.
        masks: folder of the masks, if they lie elsewhere; they go to `masks/` in the archive.
        recursive: look for images and masks in subfolders too.

    Raises:
        ArchiveError: nothing to archive, a file is missing or lies elsewhere, or two names would become one file.
        UsageError: there is no such folder.
        ManifestError: the manifest of the dataset folder is damaged.
        CorruptDataError: its SHA256SUMS is damaged or does not list a shard.
    """
    if is_dataset(source):
        if masks is not None or recursive:
            raise ArchiveError(
                f"{source} is a dataset folder, whose files are known; --masks and --recursive are for folders of "
                "stitched images: leave them out."
            )
        files = dataset_files(source)
    else:
        files = image_files(source, "", recursive=recursive)
        inside = masks is not None and masks.resolve().is_relative_to(source.resolve())
        if masks is not None:
            prefix = masks.resolve().relative_to(source.resolve()).as_posix() if inside else "masks"
            found = image_files(masks, "" if prefix == "." else f"{prefix}/", recursive=recursive)
            files = list({file.name: file for file in (*files, *found)}.values()) if inside else [*files, *found]
        if not files:
            raise ArchiveError(
                f"{source} holds neither stitched images <name>.tif with masks <name>_cp_masks.png nor a dataset "
                f"with {MANIFEST_NAME}; give the folder that holds them, or add --recursive."
            )
    refuse_clashes(files)
    return sorted(files, key=lambda file: file.name)


def image_files(folder: Path, prefix: str, *, recursive: bool) -> list[ArchiveFile]:
    """List the images and masks of a folder; a link that leads out of it is refused."""
    inside = folder.resolve()
    files = []
    for path in list_files(folder, recursive=recursive):
        if not (is_image(path.name) or is_mask(path.name)):
            continue
        if not path.resolve().is_relative_to(inside):
            raise ArchiveError(
                f"{path} is a link to {path.resolve()}, outside {folder}; copy the file there, or archive the folder "
                "that holds it."
            )
        name = prefix + path.relative_to(folder).as_posix()
        if not is_text(name) or not is_plain(name):
            raise ArchiveError(
                f"{folder}: not every system can unpack a file called "
                f"{name.encode('utf-8', 'backslashreplace').decode()!r}; rename it with printable UTF-8 without "
                f"{FORBIDDEN}."
            )
        files.append(archive_file(path, name, stem_of(path.name)))
    return files


def dataset_files(folder: Path) -> list[ArchiveFile]:
    """List exactly the files that SHA256SUMS of a dataset folder names, itself, and the card."""
    manifest = read_manifest(folder)
    sums = listed_sums(folder)
    unlisted = sorted(({shard.path for shard in manifest.shards} | {MANIFEST_NAME}) - sums.keys())
    if unlisted:
        raise CorruptDataError(f"{folder / SUMS_NAME} has no line for {unlisted[0]}; run `nucleusnet verify {folder}`.")
    names = {**sums, SUMS_NAME: None, CARD_NAME: None}
    return [archive_file(plain_file(folder, name), name, name, sha256) for name, sha256 in names.items()]


def listed_sums(folder: Path) -> dict[str, str]:
    """Read SHA256SUMS of a dataset folder: relative path to hash.

    Raises:
        CorruptDataError: a line is damaged, or a path could lead out of the folder.
    """
    plain_file(folder, SUMS_NAME)
    report = Report()
    sums = read_sums(folder, report)
    for name in sums:
        if not is_plain(name):
            report.add(SUMS_NAME, f"{name[:200]!r} is not the path of a file in the folder.")
    if report.problems:
        first = report.problems[0]
        raise CorruptDataError(
            f"{folder / first.where}: {first.message.rstrip('.')}; run `nucleusnet verify {folder}`."
        )
    return sums


def is_plain(name: str) -> bool:
    """Return whether a relative path cannot lead out of its folder on any system."""
    parts = PurePosixPath(name).parts
    odd = not name.isprintable() or any(mark in name for mark in FORBIDDEN)
    return bool(parts) and ".." not in parts and not name.startswith("/") and name == "/".join(parts) and not odd


def plain_file(folder: Path, name: str) -> Path:
    """Return the path of a file of a dataset folder.

    Raises:
        ArchiveError: it is missing, is a link or lies behind one.
    """
    path = folder / name
    behind = [folder.joinpath(*PurePosixPath(name).parts[:depth]) for depth in range(1, name.count("/") + 2)]
    if any(step.is_symlink() for step in behind):
        raise ArchiveError(f"{path} is a link, or lies behind one; copy the file into the folder.")
    if not path.is_file():
        raise ArchiveError(f"{path} does not exist; run `nucleusnet verify {folder}`, or build the dataset again.")
    return path


def archive_file(path: Path, name: str, group: str, sha256: str | None = None) -> ArchiveFile:
    """Return a file with its size and time of modification as they are now."""
    try:
        facts = path.stat()
    except OSError as error:
        raise ArchiveError(f"{path} cannot be read ({error.strerror}); remove it.") from error
    return ArchiveFile(path, unicodedata.normalize("NFC", name), group, facts.st_size, facts.st_mtime_ns, sha256)


def refuse_clashes(files: Iterable[ArchiveFile]) -> None:
    """Refuse names that would be one file on Windows or macOS, where the archive may be unpacked."""
    seen: dict[str, ArchiveFile] = {}
    for file in files:
        other = seen.setdefault(file.name.casefold(), file)
        if other is not file:
            raise ArchiveError(
                f"{file.path} and {other.path} would be one file where upper and lower case are the same; rename one "
                "of them."
            )
