"""A dataset repository on the Hugging Face Hub, at one commit."""

import re
from typing import ClassVar
from urllib.parse import quote, urlsplit

from huggingface_hub.utils import build_hf_headers

from ..errors import DatasetNotFoundError, NucleusNetError, SourceChangedError, TransferError
from .answers import Headers
from .hub_names import hub_endpoint
from .remote import RemoteStore
from .retries import RetryPolicy

_COMMIT = re.compile(r"[0-9a-f]{40}", re.ASCII)
_COMMIT_HEADER = "X-Repo-Commit"
_targets_of_commits: dict[str, str] = {}
"""Where files of commits were redirected to, by address; an address that has expired is asked for again."""


class HubStore(RemoteStore):
    """A dataset repository on the Hub.

    The first answer says which commit the revision is; from then on everything is read from that commit, whatever is
    pushed meanwhile, in this process and in those that get a copy. The token of `huggingface_hub` (HF_TOKEN, or
    `hf auth login`) is looked up for each request and sent to the Hub only, not to the storage it redirects to.

    Args:
        repo_id: `owner/name`.
        revision: branch, tag or commit; None for the default branch.
        policy: how long failing reads are tried again.
    """

    compares_validators: ClassVar[bool] = False  # a commit never changes, but two servers of a CDN may differ

    def __init__(self, repo_id: str, revision: str | None = None, policy: RetryPolicy | None = None) -> None:
        super().__init__(policy or RetryPolicy())
        self._endpoint = hub_endpoint()
        self._repo_id = repo_id
        self._revision = revision or "main"
        self._commit: dict[str, str] = {}
        if _COMMIT.fullmatch(self._revision):
            self._pin(self._revision)

    @property
    def name(self) -> str:
        """`owner/name@commit`, before the first answer `owner/name@revision`."""
        return f"{self._repo_id}@{self._commit.get(self._revision, self._revision)}"

    def close(self) -> None:
        """Do nothing: connections belong to the client, which other stores use too."""

    def _pin(self, commit: str) -> None:
        """Read everything from this commit from now on; the first of several threads decides."""
        if self._commit.setdefault(self._revision, commit) != commit:
            raise SourceChangedError(f"{self.name} has changed to commit {commit} while it was opened; open it again.")
        self._targets = _targets_of_commits

    def _url(self, path: str) -> str:
        """See `RemoteStore`."""
        revision = self._commit.get(self._revision, self._revision)
        return f"{self._endpoint}/datasets/{self._repo_id}/resolve/{quote(revision, safe='')}/{quote(path)}"

    def _headers(self, url: str) -> dict[str, str]:
        """See `RemoteStore`."""
        token = None if self._is_hub(url) else False
        return build_hf_headers(token=token, library_name="nucleusnet")

    def _is_hub(self, url: str) -> bool:
        hub, found = urlsplit(self._endpoint), urlsplit(url)
        return (hub.scheme, hub.netloc) == (found.scheme, found.netloc)

    def _note(self, headers: Headers, *, is_last: bool) -> bool:
        """See `RemoteStore`; redirects of renamed repositories and of mirrors come before the one with the commit."""
        commit = headers.get(_COMMIT_HEADER, "")
        if _COMMIT.fullmatch(commit):
            self._pin(commit)
            return True
        if is_last and self._revision not in self._commit:
            raise TransferError(
                f"{self._endpoint} is not a Hub: its answer has no {_COMMIT_HEADER}; check HF_ENDPOINT."
            )
        return False

    def _refusal(self, path: str, url: str, status: int, headers: Headers) -> NucleusNetError:
        """See `RemoteStore`."""
        code = headers.get("X-Error-Code", "")
        page = f"{self._endpoint}/datasets/{self._repo_id}"
        log_in = "log in with `hf auth login` or set HF_TOKEN"
        if not self._is_hub(url):
            return TransferError(
                f"{self.name}/{path} cannot be read: the Hub's storage answers with status {status}; try again later."
            )
        if code == "EntryNotFound":
            return DatasetNotFoundError(f"{self.name}/{path} is not there; see {page}.")
        if code == "RevisionNotFound":
            return DatasetNotFoundError(f"{self._repo_id} has no branch, tag or commit {self._revision!r}; see {page}.")
        if code == "GatedRepo":
            return DatasetNotFoundError(
                f"{self._repo_id} is gated, and you may not read it yet; ask for access at {page}, and {log_in}."
            )
        has_token = "authorization" in self._headers(url)
        sent = "the token that was sent does not open it" if has_token else "no token was sent"
        return DatasetNotFoundError(
            f"{self._repo_id} cannot be read from {self._endpoint} (status {status}): it does not exist, or it is "
            f"private and {sent}; check the spelling, or {log_in}."
        )
