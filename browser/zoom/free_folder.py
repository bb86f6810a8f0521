"""Folders that a verb may write: free ones, and with --overwrite those that it wrote before."""

import os
from pathlib import Path

from nucleusnet_core.errors import UsageError


def check_free(out: Path, *, mark: str, overwrite: bool, option: str) -> None:
    """Refuse a folder that holds something else than what may be replaced.

    Args:
        out: the folder.
        mark: name of the file that a folder of this kind always holds.
        overwrite: a folder of this kind may be replaced.
        option: that named the folder, for messages.

    Raises:
        UsageError: something else is there.
    """
    if not out.is_symlink() and (not out.exists() or (out.is_dir() and not any(os.scandir(out)))):
        return
    earlier = (out / mark).is_file() and not out.is_symlink()
    if not earlier:
        raise UsageError(f"{option}: {out} exists and holds something else; choose another {option}.")
    if not overwrite:
        raise UsageError(f"{option}: {out} exists; pass --overwrite to replace it.")
