"""Names of files to be written."""

from pathlib import Path

from ..errors import UsageError


def checked_suffix(option: str, path: Path, *suffixes: str) -> str:
    """Return how a file name ends, in lower case.

    Args:
        option: that named the file, for the message.
        path: the file to be.
        suffixes: of the formats that can be written, such as ".png".

    Raises:
        UsageError: it ends otherwise.
    """
    suffix = path.suffix.lower()
    if suffix not in suffixes:
        raise UsageError(f"{option}: a file {', '.join(suffixes)} expected, {path.name} found; choose another name.")
    return suffix
