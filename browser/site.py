"""Everything that the server may send, by path; what is not listed here does not exist for it."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from nucleusnet_source.manifest import MANIFEST_NAME
from nucleusnet_source.opened import OpenDataset
from nucleusnet_source.stores import Store

from .sources import PageSource
from .static_files import CONTENT_TYPES, page_files, security_policy

INDEX = "index.html"
SOURCE_NAME = "source.json"
_MAX_PAGE_FILE_BYTES = 8 << 20


@dataclass(frozen=True)
class Content:
    """One file to send: `read` returns bytes start to stop, half-open."""

    size: int
    kind: str
    read: Callable[[int, int], bytes]


@dataclass(frozen=True)
class Site:
    """The page and, where the server passes it on, its dataset; `policy` is the Content-Security-Policy."""

    contents: dict[str, Content]
    policy: str


def make_site(source: PageSource, dataset: OpenDataset | None) -> Site:
    """List what the server may send.

    Args:
        source: what the page reads from.
        dataset: the dataset that is passed on, or None if the page reads it elsewhere.

    Raises:
        UsageError: the page's third-party files are missing.
    """
    contents = {name: _file_content(path) for name, path in page_files().items()}
    contents[SOURCE_NAME] = _bytes_content(SOURCE_NAME, json.dumps(source.to_json()).encode())
    if dataset is not None:
        # What was checked is what is sent, not what the file may have become since.
        contents[f"data/{MANIFEST_NAME}"] = _bytes_content(MANIFEST_NAME, dataset.manifest.to_json())
        for shard in dataset.manifest.shards:
            contents[f"data/{shard.path}"] = _shard_content(dataset.store, shard.path, shard.bytes)
    return Site(contents, security_policy(source.hosts))


def _kind(name: str) -> str:
    return CONTENT_TYPES.get(PurePosixPath(name).suffix, "application/octet-stream")


def _bytes_content(name: str, data: bytes) -> Content:
    return Content(len(data), _kind(name), lambda start, stop: data[start:stop])


def _file_content(path: Path) -> Content:
    with path.open("rb") as file:
        return _bytes_content(path.name, file.read(_MAX_PAGE_FILE_BYTES))


def _shard_content(store: Store, path: str, size: int) -> Content:
    return Content(size, _kind(path), lambda start, stop: store.read_range(path, start, stop - start))
