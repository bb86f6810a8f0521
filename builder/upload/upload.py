"""Publishes a dataset folder on the Hugging Face Hub: verified first, sent patiently, visible at once, checked last."""

import re
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import HfApi, get_token

from nucleusnet_core.contract import CARD_NAME, MANIFEST_NAME
from nucleusnet_core.errors import UploadError, UsageError
from nucleusnet_core.storage.retries import PATIENT_POLICY, RetryPolicy
from nucleusnet_core.terminal.progress import NoProgress, Progress
from nucleusnet_core.terminal.wording import counted

from ..dataset_folder import read_manifest, read_text
from .client import client_settings, without_xet
from .commit import check_arrived, commit
from .files import Addition, is_large, send_files
from .hub import Head, HubTarget
from .journal import LocalFile, UploadJournal, open_journal
from .local import refuse_changes, verified_files
from .plan import HubFile, UploadPlan, plan_upload, refuse_edited_card, refuse_other_repository, same_content

_REPO_ID = re.compile(r"[\w.-]+/[\w.-]+", re.ASCII)
_REF = re.compile(r"[\w][\w./-]*", re.ASCII)


@dataclass(frozen=True)
class UploadOptions:
    """What to publish, and where; see `nucleusnet upload --help`.

    Attributes:
        folder: the dataset folder.
        repo_id: "owner/name".
        public: make a new repository public.
        revision: branch.
        tag: name for the version, or None.
        dry_run: only say what would be done; needs no token for what everybody may read.
        replace_card: overwrite a card that was changed on the Hub.
        workers: processes that verify the folder.
        endpoint: address of the Hub, None for the usual one.
        token: None for the one that is logged in.
    """

    folder: Path
    repo_id: str
    public: bool = False
    revision: str = "main"
    tag: str | None = None
    dry_run: bool = False
    replace_card: bool = False
    workers: int = 1
    endpoint: str | None = None
    token: str | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be a name on the Hub."""
        if not _REPO_ID.fullmatch(self.repo_id):
            raise UsageError(f"--repo: {self.repo_id!r} is not of the form owner/name.")
        for option, name in (("--revision", self.revision), ("--tag", self.tag)):
            if name is not None and (not _REF.fullmatch(name) or ".." in name):
                raise UsageError(f"{option}: {name!r} is not a name of letters, digits and . _ / -.")


@dataclass(frozen=True)
class UploadResult:
    """What an upload has done, or would do.

    Attributes:
        plan: what was to be changed.
        commit: that holds this version now, None in a dry run that would make it.
        url: of the repository.
        created: whether the repository was or would be made.
        tag: that is or would be set.
    """

    plan: UploadPlan
    commit: str | None
    url: str
    created: bool
    tag: str | None


def upload(
    options: UploadOptions, *, policy: RetryPolicy = PATIENT_POLICY, progress: Progress | None = None
) -> UploadResult:
    """Publish a dataset folder; safe to call again at any time, after any end.

    Raises:
        UploadError: no token, no right, somebody else's files or changes, no space; says which.
        CorruptDataError: the folder is damaged.
        SourceChangedError: it was changed meanwhile.
        TransferError: the Hub could not be reached for hours.
        OutputError: another upload of the folder is running, or nothing can be written beside it.
    """
    progress, folder = progress or NoProgress(), options.folder.absolute()
    # A string alone, so that the client never looks for another token in between.
    api = HfApi(endpoint=options.endpoint, token=options.token or get_token() or False)
    read_manifest(options.folder)
    target = HubTarget(options.repo_id, options.revision, api, policy, progress.say)
    with client_settings(policy), open_journal(folder, dry_run=options.dry_run) as journal:
        if api.token or not options.dry_run:
            target.check_token()
        local = verified_files(folder, journal, workers=options.workers, progress=progress)
        return publish_folder(options, target, journal, local, progress)


def publish_folder(
    options: UploadOptions,
    target: HubTarget,
    journal: UploadJournal,
    local: dict[str, LocalFile],
    progress: Progress,
) -> UploadResult:
    """Bring the repository to the state of the folder."""
    head = target.head()
    created = head is None
    url = f"{target.api.endpoint}/datasets/{options.repo_id}"
    if (head is None or head.commit is None) and not options.dry_run:
        head = make(options, target, repository=created)
    elif options.public and head is not None and target.is_private():
        progress.say(
            f"{options.repo_id} stays private; --public is for new ones: make it public in its settings, {url}."
        )
    elif head is None and not target.api.token:
        progress.say(f"{options.repo_id} is new, or it is private and cannot be seen without a token.")
    found = head.commit if head is not None else None
    plan = compare(options, target, journal, local, found)
    refuse_other_tag(options, plan, head)
    if options.dry_run or head is None or found is None:
        return UploadResult(plan, found if plan.nothing else None, url, created, options.tag)
    journal.note_card(target.name, local[CARD_NAME].git_oid)
    if not plan.nothing:
        found = send(options, target, plan, parent=found, local=local, progress=progress)
    if options.tag is not None and options.tag not in head.tags:
        target.tag(options.tag, found)
    return UploadResult(plan, found, url, created, options.tag)


def compare(
    options: UploadOptions,
    target: HubTarget,
    journal: UploadJournal,
    local: dict[str, LocalFile],
    commit_id: str | None,
) -> UploadPlan:
    """Return what to change on top of a commit.

    Raises:
        UploadError: somebody else's files or changes are in the way.
    """
    remote = target.files(commit_id) if commit_id is not None else {}
    refuse_other_repository(options.repo_id, remote)
    refuse_edited_card(
        options.repo_id,
        local[CARD_NAME],
        remote.get(CARD_NAME),
        ours=journal.cards.get(target.name, []),
        replace_card=options.replace_card,
    )
    return plan_upload(local, remote, listed=listed_paths(target, local, remote, commit_id))


def make(options: UploadOptions, target: HubTarget, *, repository: bool) -> Head:
    """Make the repository or its branch, and return where it is now."""
    head = None
    if repository:
        target.make(public=options.public)
        head = target.head()
    if head is None or head.commit is None:
        target.make_branch()
        head = target.head()
    if head is None or head.commit is None:
        raise UploadError(f"{target.name} was made but cannot be seen; check that the token may read it.")
    return head


def listed_paths(
    target: HubTarget, local: dict[str, LocalFile], remote: dict[str, HubFile], commit_id: str | None
) -> list[str]:
    """Return what the repository's manifest lists; one that is the folder's own is not read."""
    if commit_id is None or same_content(local[MANIFEST_NAME], remote.get(MANIFEST_NAME)):
        return []
    return target.manifest_paths(remote, commit_id)


def refuse_other_tag(options: UploadOptions, plan: UploadPlan, head: Head | None) -> None:
    """Refuse a tag that names another version.

    Raises:
        UploadError: it does.
    """
    if options.tag is None or head is None or options.tag not in head.tags:
        return
    if not plan.nothing or head.tags[options.tag] != head.commit:
        raise UploadError(
            f"{options.repo_id}: the tag {options.tag} already names commit {head.tags[options.tag][:12]}; choose "
            "another --tag: readers rely on the old one."
        )


def send(
    options: UploadOptions,
    target: HubTarget,
    plan: UploadPlan,
    *,
    parent: str,
    local: dict[str, LocalFile],
    progress: Progress,
) -> str:
    """Send what is missing, commit it, check that it arrived, and return the commit."""
    folder = options.folder.absolute()
    if any(file.path == CARD_NAME for file in plan.send):
        target.check_head(read_text(folder / CARD_NAME))
    progress.begin(f"send {counted(len(plan.send), 'file')}", plan.bytes, unit="B")
    with without_xet(wanted=not target.offers_xet()):
        additions = [Addition(folder, file, progress.step, target.stop) for file in plan.send]
        large = [addition for addition, file in zip(additions, plan.send, strict=True) if is_large(file)]
        send_files(target, large)
        refuse_changes(folder, local)
        made = commit(target, plan, additions, parent, local)
    check_arrived(target, made, local)
    return made
