"""What a SOURCE means: a dataset folder, the URL of one, a repository on the Hub, or the bare name `nucleusnet`."""

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from .contract import BARE_NAME
from .errors import DatasetNotFoundError, UsageError
from .files.atomic import put_back
from .storage.folder import FolderStore
from .storage.hub_names import REPOSITORY, hub_repository
from .storage.store import Store

if TYPE_CHECKING:
    from .storage.retries import RetryPolicy

DATA_VARIABLE = "NUCLEUSNET_DATA"
REPO_VARIABLE = "NUCLEUSNET_REPO"


def locate(
    source: str | os.PathLike[str], *, revision: str | None = None, policy: "RetryPolicy | None" = None
) -> Store:
    """Find the dataset that a source names.

    Args:
        source: a folder, an http(s) URL of a dataset folder, `owner/name` or `hf://datasets/owner/name` (both may end
            with `@revision`), the repository's page on the Hub, or `nucleusnet` for what the bare name means. A
            folder wins over a repository of the same name.
        revision: branch, tag or commit of a repository on the Hub.
        policy: how long failing reads from a URL or the Hub are tried again.

    Raises:
        DatasetNotFoundError: it names no dataset; whether a URL or a repository does, the first read tells.
        UsageError: a revision of something that has none.
    """
    if not isinstance(source, str | os.PathLike):
        raise UsageError(
            f"{source!r} does not name a dataset; give its folder, its http(s) URL, or owner/name on the Hub."
        )
    text = os.fspath(source)
    if source == BARE_NAME:
        text = bare_name_target()
    folder = home_expanded(text)
    is_folder = is_there(folder) if text else False
    if not isinstance(source, str) or is_folder:
        _refuse_revision(text, revision)
        return FolderStore(folder)
    repository = hub_repository(text)
    if repository is not None:
        one_revision = _one_revision(text, repository.revision, revision)
        from .storage.hub import HubStore  # noqa: PLC0415 - a folder is opened without any network client

        return HubStore(repository.repo_id, one_revision, policy)
    if re.match(r"https?://", text):
        _refuse_revision(text, revision)
        from .storage.http import HttpStore  # noqa: PLC0415

        return HttpStore(text, policy)
    raise DatasetNotFoundError(
        f"{text!r} is not a dataset: there is no such folder, and it is neither an http(s) URL nor owner/name on the "
        "Hub; check the spelling."
    )


def local_folder(source: str | os.PathLike[str]) -> Path:
    """Return the dataset folder on this machine that a source names, for verbs that read nothing else.

    Args:
        source: a folder, or `nucleusnet` for what the bare name means.

    Raises:
        DatasetNotFoundError: there is no such folder.
        UsageError: the source lies elsewhere.
    """
    text = bare_name_target() if source == BARE_NAME else os.fspath(source)
    folder = home_expanded(text)
    if is_there(folder):
        return folder
    if re.match(r"https?://", text) or hub_repository(text):
        raise UsageError(f"{text} is not a folder on this machine; this command reads only such a folder.")
    raise DatasetNotFoundError(f"{text} does not exist; give the folder that `nucleusnet build` wrote.")


def bare_name_target() -> str:
    """Return what the bare name `nucleusnet` means now, a folder or `owner/name` on the Hub.

    It is the folder `nucleusnet` here if that is a dataset, else the folder `$NUCLEUSNET_DATA`, else the repository
    `$NUCLEUSNET_REPO`. A folder of that name without README.md and data/, such as a checkout, does not count.

    Raises:
        DatasetNotFoundError: none of them is there, or a variable names something else.
    """
    here = Path(BARE_NAME)
    if is_there(here) and (here / "README.md").is_file() and (here / "data").is_dir():
        return BARE_NAME
    if data := os.environ.get(DATA_VARIABLE):
        if not home_expanded(data).is_dir():
            raise DatasetNotFoundError(f"${DATA_VARIABLE} is {data!r}, and there is no such folder; correct it.")
        return str(home_expanded(data))
    if repository := os.environ.get(REPO_VARIABLE):
        if not REPOSITORY.fullmatch(repository):
            raise DatasetNotFoundError(f"${REPO_VARIABLE} is {repository!r}, not owner/name on the Hub; correct it.")
        return repository
    raise DatasetNotFoundError(
        f"{Path.cwd()} has no folder {BARE_NAME} with README.md and data/; set ${DATA_VARIABLE} to a dataset folder or "
        f"${REPO_VARIABLE} to owner/name on the Hub."
    )


def home_expanded(text: str) -> Path:
    """Return a path with the home folder in the place of ~; that of a user who does not exist stays as it is."""
    try:
        return Path(text).expanduser()
    except RuntimeError:
        return Path(text)


def is_there(path: Path) -> bool:
    """Return whether something is there, a dataset folder also where a killed process left it under another name.

    A name longer than names can be is not there.
    """
    try:
        return path.exists() or put_back(path)
    except (OSError, ValueError):
        return False


def _one_revision(source: str, named: str | None, given: str | None) -> str | None:
    if named is not None and given is not None and named != given:
        raise UsageError(f"{source} names revision {named!r}, and {given!r} is given too; leave one out.")
    return given if named is None else named


def _refuse_revision(source: str, revision: str | None) -> None:
    if revision is not None:
        raise UsageError(
            f"{source} has no revision {revision!r}: only a repository on the Hub has revisions; leave it out."
        )
