"""The folder `<out>.work` beside the output: everything is made there and appears as `<out>` by one rename."""

import contextlib
import json
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nucleusnet_core.contract import MANIFEST_NAME
from nucleusnet_core.errors import ManifestError, OutputError, UsageError
from nucleusnet_core.files.atomic import put_back, replace_folder, write_bytes_atomic
from nucleusnet_core.files.locking import locked
from nucleusnet_core.manifest import Manifest
from nucleusnet_core.small_files import parse_json
from nucleusnet_core.terminal.outputs import output_folder, writing

TASKS_NAME = "tasks.json"
_OWN_NAME = re.compile(r"\..*|pieces|parts|dataset|tasks\.json|build\.log|task-\d+\.log|replaced-[0-9a-f]{8}")


@dataclass(frozen=True)
class WorkFolder:
    """Paths below `<out>.work`.

    Attributes:
        out: the finished dataset folder.
        path: the work folder itself.
    """

    out: Path
    path: Path

    @property
    def pieces(self) -> Path:
        """Pieces, labels and receipts."""
        return self.path / "pieces"

    @property
    def parts(self) -> Path:
        """Rows without images of each shard."""
        return self.path / "parts"

    @property
    def record(self) -> Path:
        """The parameters of the build."""
        return self.path / "parameters.json"

    @property
    def dataset(self) -> Path:
        """The dataset folder before it is finished."""
        return self.path / "dataset"

    @property
    def log(self) -> Path:
        """What happened, with times; never published."""
        return self.path / "build.log"

    def is_begun(self) -> bool:
        """Return whether anything was made here, or jobs share it: until then it belongs to nobody."""
        return any(self.pieces.glob("*")) or (self.path / TASKS_NAME).exists()

    def put_in_place(self) -> None:
        """Make the finished dataset appear as `out`; an older one is removed last."""
        replace_folder(self.dataset, self.out)

    def remove(self) -> None:
        """Remove the work folder."""
        shutil.rmtree(self.path, ignore_errors=True)


def check_output(out: Path, *, images: Path, overwrite: bool) -> None:
    """Refuse a place where no dataset folder can be made, or where one must not be; missing parents are made.

    Args:
        out: where the dataset folder is to appear.
        images: folder of the stitched images.
        overwrite: a dataset folder of ours may be replaced.

    Raises:
        UsageError: something is there that must not be replaced, or the place lies in a dataset or among the images.
        OutputError: the folder around it cannot be made or written to.
    """
    output_folder(out, inputs=[images])
    put_back(out)
    if not os.access(out.parent, os.W_OK):
        raise OutputError(f"--out: the folder {out.parent} is read-only for you; choose another place.")
    if not out.exists() and not out.is_symlink():
        return
    if not overwrite:
        raise UsageError(f"--out: {out} exists; choose another --out, or pass --overwrite to replace it.")
    if not is_dataset_folder(out):
        raise UsageError(
            f"--out: {out} is not a dataset folder with a {MANIFEST_NAME} of ours, and --overwrite replaces nothing "
            "else; choose another --out, or remove it yourself."
        )


def is_dataset_folder(path: Path) -> bool:
    """Return whether a folder, itself no link, holds a manifest of ours."""
    try:
        Manifest.from_json((path / MANIFEST_NAME).read_bytes())
    except (OSError, ManifestError):
        return False
    return not path.is_symlink()


@contextlib.contextmanager
def open_work(out: Path, parameters: dict[str, Any], *, fresh: bool) -> Iterator[WorkFolder]:
    """Open or make `<out>.work`, for this process alone.

    Args:
        out: where the dataset folder is to appear.
        parameters: what the build was asked for; a work folder of other parameters is not resumed.
        fresh: throw away what a work folder holds.

    Raises:
        UsageError: the work folder belongs to a build with other parameters.
        OutputError: another build is using it, or it is not a work folder of ours.
    """
    work = make_work_folder(out)
    busy = OutputError(f"Another build is running in {work.path}; wait for it, or choose another --out.")
    with locked(work.path, busy=busy):
        if fresh:
            shutil.rmtree(work.path)
        elif not work.is_begun():
            work.record.unlink(missing_ok=True)
        join_work(work, parameters)
        if work.dataset.exists():
            shutil.rmtree(work.dataset)
        yield work


def work_folder(out: Path) -> WorkFolder:
    """Return the work folder of an output; nothing is made."""
    return WorkFolder(out, out.with_name(out.name + ".work"))


def make_work_folder(out: Path) -> WorkFolder:
    """Make the work folder of an output, unless it is there, and return it.

    Raises:
        OutputError: it cannot be made, or something else lies there.
    """
    work = work_folder(out)
    refuse_other_content(work)
    with writing(work.path):
        work.path.mkdir(exist_ok=True)
    return work


def refuse_other_content(work: WorkFolder) -> None:
    """Refuse to use another folder as work folder: a finished build removes it with all that it holds.

    Raises:
        OutputError: it is a file, a link, or a folder that no build has begun and that holds something.
    """
    path = work.path
    if path.is_symlink() or (path.exists() and not path.is_dir()):
        raise OutputError(
            f"{path} is a file or a link, and the build needs a folder of that name; move it away, or choose another "
            "--out."
        )
    if not path.exists() or work.record.exists():
        return
    strange = sorted(entry.name for entry in path.iterdir() if not _OWN_NAME.fullmatch(entry.name))
    if strange:
        raise OutputError(
            f"{path} is not the work folder of a build: it holds {strange[0]!r}; move it away, or choose another --out."
        )


def join_work(work: WorkFolder, parameters: dict[str, Any]) -> None:
    """Make a work folder ready for a build with these parameters, which others may share.

    Raises:
        UsageError: it belongs to a build with other parameters.
        OutputError: something else lies there.
    """
    refuse_other_content(work)
    record = work.record
    content = (json.dumps(parameters, sort_keys=True, indent=1) + "\n").encode()
    if record.exists() and record.read_bytes() != content:
        raise UsageError(
            f"{work.path} was begun with other options ({changed_parameters(record.read_bytes(), parameters)}); repeat "
            "the first ones to resume it, or pass --fresh to start again."
        )
    work.pieces.mkdir(parents=True, exist_ok=True)
    write_bytes_atomic(record, content)


def changed_parameters(recorded: bytes, parameters: dict[str, Any]) -> str:
    """Return the parameters that differ from the recorded ones, in words."""
    try:
        before = dict(parse_json(recorded))
    except (ValueError, TypeError):
        return "its record is damaged"
    names = sorted(name for name in before.keys() | parameters.keys() if before.get(name) != parameters.get(name))
    return ", ".join(f"{name}: {before.get(name)!r} then, {parameters.get(name)!r} now" for name in names)
