"""One commit that makes a new version visible at once, and the check that the Hub holds what was sent."""

from collections.abc import Mapping, Sequence

import httpx2
from huggingface_hub import CommitOperationAdd, CommitOperationDelete

from nucleusnet_core.errors import UploadError

from .files import Addition
from .hub import HubTarget
from .journal import LocalFile
from .plan import UploadPlan, wrong_files
from .retries import is_passing, status_of

_OVERTAKEN = (409, 412)
_SHOWN = 5


def commit(
    target: HubTarget, plan: UploadPlan, additions: Sequence[Addition], parent: str, local: Mapping[str, LocalFile]
) -> str:
    """Commit all files on top of `parent`, and return the commit.

    An answer may be lost: before it is tried again, the branch tells whether the commit has happened.

    Raises:
        UploadError: somebody else has committed meanwhile.
    """
    title = "Publish the dataset" if not plan.unchanged else "Publish a new version of the dataset"
    operations: list[CommitOperationAdd | CommitOperationDelete] = list(additions)
    operations += [CommitOperationDelete(path, is_folder=False) for path in plan.delete]

    def once() -> str:
        """Commit, or find out that an earlier try has; `ask` tries again what passes."""
        try:
            made = target.api.create_commit(
                target.repo_id,
                operations,
                commit_message=title,
                repo_type="dataset",
                revision=target.revision,
                parent_commit=parent,
            )
        except (OSError, httpx2.HTTPError) as error:
            may_have_landed = is_passing(error) or status_of(error) in _OVERTAKEN
            landed = landed_commit(target, plan, parent, local) if may_have_landed else None
            if landed is None:
                raise
            return landed
        return str(made.oid)

    return target.ask("commit", once)


def landed_commit(target: HubTarget, plan: UploadPlan, parent: str, local: Mapping[str, LocalFile]) -> str | None:
    """Return the commit if it has happened after all, None if the branch is where it was.

    Raises:
        UploadError: somebody else has committed meanwhile.
    """
    head = target.head()
    found = head.commit if head is not None else None
    if found == parent:
        return None
    if found is not None:
        remote = target.files(found)
        if not wrong_files(local, remote) and not set(plan.delete) & remote.keys():
            return found
    raise UploadError(
        f"{target.name}: somebody else has committed meanwhile, so that its head is {str(found)[:12]} and no longer "
        f"{parent[:12]}; nothing of this upload is visible. Look at that commit, then run the upload again: what has "
        "arrived is not sent again."
    )


def check_arrived(target: HubTarget, commit_id: str, local: Mapping[str, LocalFile]) -> None:
    """Compare size and hash of every file with what the Hub says it holds.

    Raises:
        UploadError: it holds something else.
    """
    wrong = wrong_files(local, target.files(commit_id))
    if wrong:
        more = [f"  and {len(wrong) - _SHOWN} more"] if len(wrong) > _SHOWN else []
        raise UploadError(
            "\n".join(
                [
                    f"{target.name}, commit {commit_id[:12]} does not hold the files of the folder; do not use this "
                    "version, and run the upload again:",
                    *(f"  {line}" for line in wrong[:_SHOWN]),
                    *more,
                ]
            )
        )
