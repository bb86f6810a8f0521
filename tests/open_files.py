"""Which files this process holds open."""

from pathlib import Path

import psutil


def open_files(folder: Path) -> list[str]:
    """Names of the files below a folder that this process holds open."""
    paths = [Path(file.path) for file in psutil.Process().open_files()]
    return [path.name for path in paths if path.is_relative_to(folder.resolve())]
