"""What an upload has to change in a repository, and what it must not touch. Pure: decides on listings alone."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from nucleusnet_core.contract import CARD_NAME, MANIFEST_NAME
from nucleusnet_core.errors import UploadError
from nucleusnet_core.terminal.wording import counted

from .journal import LocalFile

_OF_THE_HUB = {".gitattributes"}


@dataclass(frozen=True)
class HubFile:
    """One file of a revision on the Hub.

    Attributes:
        path: relative to the repository.
        size: bytes.
        git_oid: id of the git blob: of the content, or of the pointer to it.
        sha256: of the content of a large file, else None.
    """

    path: str
    size: int
    git_oid: str
    sha256: str | None


@dataclass(frozen=True)
class UploadPlan:
    """What one commit has to do.

    Attributes:
        send: files that the repository does not hold as they are.
        delete: paths of an earlier version that are no longer there.
        unchanged: number of files that are there already.
    """

    send: tuple[LocalFile, ...]
    delete: tuple[str, ...]
    unchanged: int

    @property
    def nothing(self) -> bool:
        """Whether the repository holds this very version."""
        return not self.send and not self.delete

    @property
    def bytes(self) -> int:
        """Bytes of the files to send."""
        return sum(file.size for file in self.send)


def same_content(local: LocalFile, remote: HubFile | None) -> bool:
    """Return whether the repository holds these very bytes."""
    if remote is None or local.size != remote.size:
        return False
    return local.sha256 == remote.sha256 if remote.sha256 is not None else local.git_oid == remote.git_oid


def refuse_other_repository(repo_id: str, remote: Mapping[str, HubFile]) -> None:
    """Refuse a repository that holds something other than a NucleusNet dataset.

    Raises:
        UploadError: it is not empty and has no manifest.
    """
    strangers = sorted(remote.keys() - _OF_THE_HUB - {CARD_NAME})
    if strangers and MANIFEST_NAME not in remote:
        raise UploadError(
            f"{repo_id} has no {MANIFEST_NAME} of NucleusNet but {counted(len(strangers), 'other file')} such as "
            f"{strangers[0]!r}; name another repository, or an empty one."
        )


def refuse_edited_card(
    repo_id: str, local: LocalFile, remote: HubFile | None, *, ours: Collection[str], replace_card: bool
) -> None:
    """Refuse to overwrite a card that somebody changed on the Hub.

    Raises:
        UploadError: it differs from the folder's, and was not sent from here.
    """
    if remote is None or replace_card or same_content(local, remote) or remote.git_oid in ours:
        return
    raise UploadError(
        f"{repo_id}: the {CARD_NAME} on the Hub was changed since the last upload from here; copy the changes into "
        f"{CARD_NAME} of the folder, or pass --replace-card to overwrite it."
    )


def plan_upload(
    local: Mapping[str, LocalFile], remote: Mapping[str, HubFile], *, listed: Collection[str]
) -> UploadPlan:
    """Compare a folder with a repository.

    Args:
        local: files of the folder, by path.
        remote: files of the repository, by path.
        listed: paths that the repository's own manifest lists; only these may be deleted.
    """
    send = tuple(file for path, file in sorted(local.items()) if not same_content(file, remote.get(path)))
    delete = tuple(sorted((set(listed) & remote.keys()) - local.keys()))
    return UploadPlan(send, delete, len(local) - len(send))


def wrong_files(local: Mapping[str, LocalFile], remote: Mapping[str, HubFile]) -> list[str]:
    """Return a line for each file of the folder that the repository does not hold as it is: what is there instead."""
    lines = []
    for path, file in sorted(local.items()):
        found = remote.get(path)
        if found is None:
            lines.append(f"{path} is missing")
        elif found.size != file.size:
            lines.append(f"{path} has {found.size:,} bytes instead of {file.size:,}")
        elif not same_content(file, found):
            wanted = file.git_oid if found.sha256 is None else file.sha256
            lines.append(f"{path} has the hash {(found.sha256 or found.git_oid)[:16]} instead of {wanted[:16]}")
    return lines
