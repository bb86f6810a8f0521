"""Files and folders that a verb is asked to write: refused before any work begins, and named clearly when they fail."""

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from ..contract import MANIFEST_NAME
from ..errors import NucleusNetError, OutputError, UsageError


def output_file(
    path: Path, *, suffixes: Iterable[str], overwrite: bool, inputs: Iterable[Path] = (), option: str = "--out"
) -> Path:
    """Check where a file is to be written; missing parent folders are made.

    Args:
        path: the file.
        suffixes: of the formats that can be written, in lower case with their dot, such as ".png".
        overwrite: a file that is there may be replaced.
        inputs: files and folders that the verb reads: none of them, and no place inside such a folder that
            holds a dataset, is written to.
        option: that named the file, for messages.

    Returns:
        The absolute path.

    Raises:
        UsageError: the name has another suffix, is that of an input, or of something that is there.
        OutputError: the parent folder cannot be made.
    """
    if not path.name.lower().endswith(known := tuple(suffixes)):
        raise UsageError(f"{option}: {path.name} does not end in {' or '.join(known)}; choose another name.")
    absolute = path.absolute()
    _refuse_inputs(absolute, inputs, option)
    if absolute.is_dir():
        raise UsageError(f"{option}: {path} is a folder; give the name of a file.")
    _refuse_existing(absolute, path, overwrite=overwrite, option=option)
    _refuse_inside_dataset(absolute, path, option)
    make_parent(absolute, option)
    return absolute


def output_folder(path: Path, *, inputs: Iterable[Path] = (), option: str = "--out") -> Path:
    """Check where a folder is to be written; what may be there already, the verb decides. Missing parents are made.

    Args:
        path: the folder.
        inputs: files and folders that the verb reads.
        option: that named the folder, for messages.

    Returns:
        The absolute path.

    Raises:
        UsageError: the folder is an input, lies inside one, or inside a dataset.
        OutputError: the parent folder cannot be made.
    """
    absolute = path.absolute()
    _refuse_inputs(absolute, inputs, option)
    for folder in map(Path.resolve, inputs):
        if folder.is_dir() and absolute.resolve().is_relative_to(folder):
            raise UsageError(f"{option}: {path} lies inside {folder}, which is read; choose a place beside it.")
    _refuse_inside_dataset(absolute, path, option)
    make_parent(absolute, option)
    return absolute


def make_parent(path: Path, option: str = "--out") -> None:
    """Make the folder around a path.

    Raises:
        OutputError: it cannot be made.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"{option}: the folder {path.parent} cannot be made ({error.strerror or error}); choose another place."
        ) from error


@contextlib.contextmanager
def writing(path: Path, option: str = "--out") -> Iterator[None]:
    """Turn what the system refuses while a file is written into one clear error.

    Raises:
        OutputError: the file cannot be written there.
    """
    try:
        yield
    except NucleusNetError:
        raise
    except OSError as error:
        raise OutputError(
            f"{path} cannot be written ({error.strerror or error}); check its folder and the free space, or choose "
            f"another {option}."
        ) from error


def _refuse_inputs(path: Path, inputs: Iterable[Path], option: str) -> None:
    for one in inputs:
        if path.resolve() == one.resolve() or (path.exists() and one.exists() and path.samefile(one)):
            raise UsageError(f"{option}: {one} is an input of this command; choose another name.")


def _refuse_existing(absolute: Path, path: Path, *, overwrite: bool, option: str) -> None:
    if absolute.exists() and not overwrite:
        raise UsageError(f"{option}: {path} exists; pass --overwrite to replace it.")


def _refuse_inside_dataset(absolute: Path, path: Path, option: str) -> None:
    for folder in absolute.resolve().parents:
        if (folder / MANIFEST_NAME).is_file():
            raise UsageError(f"{option}: {path} lies inside the dataset {folder}; choose a place outside it.")
