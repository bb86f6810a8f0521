"""Everything that the server may send, by path; anything else does not exist for it."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from nucleusnet_core.contract import MANIFEST_NAME
from nucleusnet_core.dataset import OpenDataset, open_dataset
from nucleusnet_core.errors import DatasetNotFoundError, ManifestError
from nucleusnet_core.small_files import read_json
from nucleusnet_core.storage.folder import FolderStore
from nucleusnet_core.storage.store import Store

from ..zoom.panoramas import LIST_NAME, PLAIN_NAME
from .sources import PageSource, hub_source, named_repository, served_source
from .static_files import CONTENT_TYPES, page_files, security_policy

INDEX = "index.html"
SOURCE_NAME = "source.json"
PANORAMAS_PATH = "panoramas/"
_PLAIN_PATH = re.compile(f"{PLAIN_NAME}/{PLAIN_NAME}")
_MAX_PAGE_FILE_BYTES = 8 << 20


@dataclass(frozen=True)
class Content:
    """One file to send: its size, bytes, its type, and `read`, which returns the bytes start to stop, half-open."""

    size: int
    kind: str
    read: Callable[[int, int], bytes]


@dataclass(frozen=True)
class Site:
    """The page and, where the server passes it on, its dataset.

    Attributes:
        contents: every file by its path.
        policy: the Content-Security-Policy under which the page runs.
    """

    contents: dict[str, Content]
    policy: str


def make_site(source: PageSource, dataset: OpenDataset | None, panoramas: Path | None = None) -> Site:
    """Return everything that the server may send.

    Args:
        source: what the page reads from.
        dataset: the dataset that the server passes on, or None if the page reads it elsewhere.
        panoramas: a folder that `nucleusnet zoom` wrote.

    Raises:
        UsageError: the page's third-party files are missing.
    """
    contents = {name: _file_content(path) for name, path in page_files().items()}
    if panoramas is not None:
        source = replace(source, panoramas=PANORAMAS_PATH)
        contents |= {f"{PANORAMAS_PATH}{name}": content for name, content in _panorama_contents(panoramas).items()}
    contents[SOURCE_NAME] = _bytes_content(SOURCE_NAME, json.dumps(source.to_json()).encode())
    if dataset is not None:
        # The manifest is sent as it was checked, whatever has become of the file since.
        contents[f"data/{MANIFEST_NAME}"] = _bytes_content(MANIFEST_NAME, dataset.manifest.to_json())
        store = dataset.store.without_links() if isinstance(dataset.store, FolderStore) else dataset.store
        for shard in dataset.manifest.shards:
            contents[f"data/{shard.path}"] = _shard_content(store, shard.path, shard.bytes)
    return Site(contents, security_policy(source.hosts))


def site_of(source: str, *, panoramas: Path | None, relay: bool) -> Site:
    """Return the site that shows a dataset, which is opened once to see that it is there.

    Args:
        source: a SOURCE of the command line.
        panoramas: a folder that `nucleusnet zoom` wrote.
        relay: pass a repository on the Hub on through the server, instead of letting the page read it.

    Raises:
        NucleusNetError: there is no such dataset, or no such folder of panoramas.
    """
    dataset = open_dataset(source)
    repository = named_repository(source)
    if repository is not None and not relay:
        dataset.store.close()
        return make_site(hub_source(repository), None, panoramas)
    name = dataset.store.name if repository is None else repository.repo_id
    return make_site(served_source(name), dataset, panoramas)


def panorama_files(folder: Path) -> dict[str, int]:
    """Return the files of a folder of panoramas that its list names, with their sizes.

    Raises:
        DatasetNotFoundError: it is not such a folder.
        ManifestError: its list is damaged.
    """
    if not (folder / LIST_NAME).is_file():
        raise DatasetNotFoundError(
            f"--panoramas: {folder} is not a folder that `nucleusnet zoom` wrote; it has no {LIST_NAME}."
        )
    where = folder / LIST_NAME
    try:
        entries = read_json(where)["panoramas"]
        files = {f"{entry['name']}/{name}": size for entry in entries for name, size in entry["files"].items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ManifestError(f"{where} cannot be read as a list of panoramas ({error!r}); make them again.") from error
    if not all(isinstance(size, int) and _PLAIN_PATH.fullmatch(name) for name, size in files.items()):
        raise ManifestError(f"{where} lists names that are not plain names of files; do not use these panoramas.")
    return {LIST_NAME: (folder / LIST_NAME).stat().st_size} | files


def _panorama_contents(folder: Path) -> dict[str, Content]:
    files = panorama_files(folder)
    store = FolderStore(folder, follow_links=False)
    return {name: _shard_content(store, name, size) for name, size in files.items()}


def _kind(name: str) -> str:
    return CONTENT_TYPES.get(PurePosixPath(name).suffix, "application/octet-stream")


def _bytes_content(name: str, data: bytes) -> Content:
    return Content(len(data), _kind(name), lambda start, stop: data[start:stop])


def _file_content(path: Path) -> Content:
    with path.open("rb") as file:
        return _bytes_content(path.name, file.read(_MAX_PAGE_FILE_BYTES))


def _shard_content(store: Store, path: str, size: int) -> Content:
    return Content(size, _kind(path), lambda start, stop: store.read_range(path, start, stop - start))
