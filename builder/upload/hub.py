"""The repository on the Hub as an upload sees it: what the token may do, its revisions, its files."""

import functools
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from huggingface_hub import HfApi, constants, get_session
from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError
from huggingface_hub.hf_api import RepoFile
from huggingface_hub.utils import build_hf_headers, hf_raise_for_status

from nucleusnet_core.contract import CARD_NAME, MANIFEST_NAME
from nucleusnet_core.errors import ManifestError, UploadError
from nucleusnet_core.manifest import MAX_MANIFEST_BYTES, Manifest
from nucleusnet_core.storage.retries import RetryPolicy

from .plan import HubFile
from .retries import persistently, status_of

Result = TypeVar("Result")
_LOG_IN = (
    "log in with `hf auth login`, or set HF_TOKEN to a token with write access (https://huggingface.co/settings/tokens)"
)


@dataclass(frozen=True)
class Head:
    """Where a branch and the tags of a repository are.

    Attributes:
        commit: of the branch, None if there is no such branch yet.
        tags: commit by tag.
    """

    commit: str | None
    tags: Mapping[str, str]


@dataclass
class HubTarget:
    """One branch of one dataset repository.

    Attributes:
        repo_id: "owner/name".
        revision: the branch.
        api: the client, with endpoint and token.
        policy: how long to try again.
        say: told of failures that pass.
        stop: ends the waiting.
    """

    repo_id: str
    revision: str
    api: HfApi
    policy: RetryPolicy
    say: Callable[[str], None]
    stop: threading.Event = field(default_factory=threading.Event)

    @property
    def name(self) -> str:
        """Repository and branch, for messages and notes."""
        return f"{self.repo_id}@{self.revision}"

    def ask(self, what: str, call: Callable[[], Result]) -> Result:
        """Call the Hub until it answers."""
        return persistently(call, f"{self.repo_id}, {what}", self.policy, say=self.say, stop=self.stop)

    def check_token(self) -> None:
        """Make sure that the token exists, is valid, and may write.

        Raises:
            UploadError: it does not; nothing was sent.
        """
        if not self.api.token:
            raise UploadError(f"{self.repo_id}: no Hugging Face token was found; {_LOG_IN}.")
        facts = self.ask("token", functools.partial(self.api.whoami, token=self.api.token))
        token = facts.get("auth", {}).get("accessToken", {})
        if not may_write(token):
            raise UploadError(f"{self.repo_id}: the token is read-only; {_LOG_IN}.")

    def head(self) -> Head | None:
        """Return where the branch and the tags are, or None if there is no such repository."""
        refs = self.ask("revisions", self._refs)
        if refs is None:
            return None
        branches = {branch.name: branch.target_commit for branch in refs.branches}
        tags = {tag.name: tag.target_commit for tag in refs.tags}
        if self.revision in tags and self.revision not in branches:
            raise UploadError(f"{self.name}: {self.revision} is a tag, not a branch; name another --revision.")
        return Head(branches.get(self.revision), tags)

    def _refs(self) -> Any:
        try:
            return self.api.list_repo_refs(self.repo_id, repo_type="dataset")
        except RepositoryNotFoundError:
            return None

    def make(self, *, public: bool) -> None:
        """Create the repository, private unless `public`, and the branch."""
        create = functools.partial(self.api.create_repo, self.repo_id, repo_type="dataset", exist_ok=True)
        self.ask("creation", functools.partial(create, private=not public))

    def make_branch(self) -> None:
        """Create the branch, from the main one."""
        make = functools.partial(self.api.create_branch, self.repo_id, repo_type="dataset", exist_ok=True)
        self.ask("branch", functools.partial(make, branch=self.revision))

    def is_private(self) -> bool:
        """Return whether the repository is private."""
        info = functools.partial(self.api.dataset_info, self.repo_id)
        return bool(self.ask("visibility", info).private)

    def files(self, commit: str) -> dict[str, HubFile]:
        """List all files of a commit."""

        def listed() -> list[Any]:
            tree = self.api.list_repo_tree(self.repo_id, repo_type="dataset", recursive=True, revision=commit)
            return [entry for entry in tree if isinstance(entry, RepoFile)]

        entries = self.ask("list of files", listed)
        return {
            entry.path: HubFile(entry.path, entry.size, entry.blob_id, entry.lfs.sha256 if entry.lfs else None)
            for entry in entries
        }

    def manifest_paths(self, remote: Mapping[str, HubFile], commit: str) -> list[str]:
        """Return the paths that the repository's own manifest lists.

        Raises:
            UploadError: it has one that NucleusNet did not write.
        """
        entry = remote.get(MANIFEST_NAME)
        if entry is None:
            return []
        try:
            if entry.size > MAX_MANIFEST_BYTES:
                raise ManifestError(f"it has {entry.size:,} bytes; at most {MAX_MANIFEST_BYTES:,} are allowed.")
            manifest = Manifest.from_json(self.ask(MANIFEST_NAME, functools.partial(self._read, MANIFEST_NAME, commit)))
        except ManifestError as error:
            raise UploadError(
                f"{self.name} is not empty, and its {MANIFEST_NAME} was not written by NucleusNet "
                f"({str(error).rstrip('.')}); name another repository."
            ) from error
        return [shard.path for shard in manifest.shards]

    def _read(self, path: str, commit: str) -> bytes:
        url = f"{self.api.endpoint}/datasets/{self.repo_id}/resolve/{commit}/{path}"
        response = get_session().get(url, headers=build_hf_headers(token=self.api.token))
        hf_raise_for_status(response)
        return bytes(response.content)

    def check_head(self, card: str) -> None:
        """Let the Hub check the YAML head of a card, before anything is sent.

        Raises:
            UploadError: it finds something wrong.
        """
        errors = self.ask(CARD_NAME, functools.partial(self._head_errors, card))
        if errors:
            raise UploadError(
                f"{self.repo_id}: the Hub refuses the lines at the top of {CARD_NAME}: {'; '.join(errors)}; correct "
                "them in the folder, or in the study file and build again."
            )

    def _head_errors(self, card: str) -> list[str]:
        response = get_session().post(
            f"{self.api.endpoint}/api/validate-yaml",
            json={"content": card, "repoType": "dataset"},
            headers=build_hf_headers(token=self.api.token),
        )
        if response.status_code == 400:
            return [str(error.get("message")) for error in response.json().get("errors", [])] or ["it does not say why"]
        hf_raise_for_status(response)
        return []

    def offers_xet(self) -> bool:
        """Return whether the Hub gives tokens for its Xet storage, and this machine can use it."""
        try:
            import hf_xet  # noqa: F401, PLC0415 - only to see whether it is there
        except ImportError:
            return False
        return not constants.HF_HUB_DISABLE_XET and self.ask("Xet", self._xet_token)

    def _xet_token(self) -> bool:
        revision = self.revision.replace("/", "%2F")
        url = f"{self.api.endpoint}/api/datasets/{self.repo_id}/xet-write-token/{revision}"
        response = get_session().get(url, headers=build_hf_headers(token=self.api.token))
        if response.status_code == 404:
            return False
        hf_raise_for_status(response)
        return True

    def tag(self, tag: str, commit: str) -> None:
        """Tag a commit; a tag that is there already for it is fine."""

        def make() -> None:
            """Make the tag, or see that an earlier try has."""
            try:
                self.api.create_tag(self.repo_id, tag=tag, revision=commit, repo_type="dataset")
            except HfHubHTTPError as error:
                # The answer to an earlier request may have been lost.
                head = self.head() if status_of(error) == 409 else None
                if head is None or head.tags.get(tag) != commit:
                    raise

        self.ask(f"tag {tag}", make)


def may_write(token: Mapping[str, Any]) -> bool:
    """Return whether a token may write, as far as the Hub tells; it decides itself in the end."""
    if token.get("role") == "read":
        return False
    scopes = token.get("fineGrained", {}).get("scoped")
    if token.get("role") != "fineGrained" or scopes is None:
        return True
    permissions = {str(permission) for scope in scopes for permission in scope.get("permissions", [])}
    return "repo.write" in permissions
