"""Where the page reads its dataset from, for a SOURCE of the command line."""

from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import quote, urlsplit

from nucleusnet_core.contract import BARE_NAME
from nucleusnet_core.location import bare_name_target, home_expanded, is_there
from nucleusnet_core.storage.hub_names import HubRepository, hub_endpoint, hub_repository

HUB_STORAGE = ("https://*.huggingface.co", "https://*.hf.co")
"""Where the Hub sends readers of large files; the names before the domain change."""


@dataclass(frozen=True)
class PageSource:
    """Where the page finds its dataset.

    Attributes:
        name: title of the page.
        base: URL of the dataset folder, ending in a slash; relative to the page where our server passes it on.
        hosts: origins other than its own that the page reads from.
        panoramas: URL of the panoramas, ending in a slash, relative to the page; or None.
    """

    name: str
    base: str
    hosts: tuple[str, ...] = ()
    panoramas: str | None = None

    def to_json(self) -> dict[str, str | None]:
        """Return what `source.json` tells the page."""
        return {"name": self.name, "base": self.base, "panoramas": self.panoramas}


def named_repository(source: str) -> HubRepository | None:
    """Return the repository on the Hub that a SOURCE means, or None if it means a folder or another URL."""
    text = bare_name_target() if source == BARE_NAME else source
    folder = home_expanded(text)
    return None if is_there(folder) and folder.is_dir() else hub_repository(text)


def hub_source(repository: HubRepository) -> PageSource:
    """Return the source of a page that reads a repository on the Hub by itself."""
    endpoint = hub_endpoint()
    revision = quote(repository.revision or "main", safe="")
    base = f"{endpoint}/datasets/{repository.repo_id}/resolve/{revision}/"
    parts = urlsplit(endpoint)
    return PageSource(repository.repo_id, base, (f"{parts.scheme}://{parts.netloc}", *HUB_STORAGE))


def served_source(place: str) -> PageSource:
    """Return the source of a page that reads a dataset through the server it comes from.

    Args:
        place: where the dataset lies: a folder, a URL, or `owner/name`; its last part is the title of the page.
    """
    return PageSource(PurePosixPath(place.replace("\\", "/")).name or BARE_NAME, "data/")
