"""How a dataset repository on the Hugging Face Hub is named."""

import os
import re
from dataclasses import dataclass
from urllib.parse import unquote

REPOSITORY = re.compile(r"(?P<repo_id>\w[\w.-]*/\w[\w.-]*)(?:@(?P<revision>[^@\s]+))?", re.ASCII)
_HUB_URI = re.compile(rf"hf://datasets/{REPOSITORY.pattern}/?", re.ASCII)
_HUB_PAGE = re.compile(r"/datasets/(?P<repo_id>\w[\w.-]*/\w[\w.-]*)(?:/tree/(?P<revision>[^/]+))?/?", re.ASCII)
_HUB_URL = "https://huggingface.co"


@dataclass(frozen=True)
class HubRepository:
    """A dataset repository on the Hub; `revision` is a branch, tag or commit, or None for the default branch."""

    repo_id: str
    revision: str | None


def hub_repository(source: str) -> HubRepository | None:
    """Return the repository on the Hub that a text names, or None; `HF_ENDPOINT` decides which pages are the Hub's."""
    match = REPOSITORY.fullmatch(source) or _HUB_URI.fullmatch(source)
    for endpoint in (hub_endpoint(), _HUB_URL):
        if source.startswith(f"{endpoint}/"):
            match = match or _HUB_PAGE.fullmatch(source.removeprefix(endpoint))
    if match is None:
        return None
    named = match["revision"]
    return HubRepository(match["repo_id"], unquote(named) if named else None)


def hub_endpoint() -> str:
    """Return the address of the Hub: `$HF_ENDPOINT`, or huggingface.co."""
    return (os.environ.get("HF_ENDPOINT") or _HUB_URL).rstrip("/")
