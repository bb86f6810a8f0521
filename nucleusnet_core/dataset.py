"""A dataset that is open for reading: its manifest, and the footers of its shards (Parquet files), each read once."""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

import pyarrow as pa
import pyarrow.parquet as pq

from .contract import MANIFEST_NAME
from .errors import CorruptDataError, DatasetNotFoundError, ManifestError, SelectionError, SourceChangedError
from .location import locate
from .manifest import MAX_MANIFEST_BYTES, Manifest, ShardEntry
from .parquet.footer import parse_footer
from .storage.folder import FolderStore
from .storage.store import Store
from .storage.threads import in_parallel

if TYPE_CHECKING:
    from .storage.retries import RetryPolicy

_MAGIC = b"PAR1"
_KEPT_DATASETS = 4
_CELL_HEAD_BYTES = 64 << 10
_kept_footers: dict[tuple[str, bytes], dict[str, bytes]] = {}
"""Footers of the remote datasets opened last, by name and SHA-256 of the manifest, which states that of every shard."""


@dataclass(frozen=True)
class OpenDataset:
    """A dataset, wherever it is; may be used by several threads, and pickled with the footers it has read.

    Attributes:
        store: reads its files.
        manifest: what it holds.
    """

    store: Store
    manifest: Manifest
    _footers: dict[str, bytes] = field(default_factory=dict, repr=False, compare=False)
    _metadata: dict[str, pq.FileMetaData] = field(default_factory=dict, repr=False, compare=False, init=False)

    def __reduce__(self) -> tuple[type[Self], tuple[Store, Manifest, dict[str, bytes]]]:
        return type(self), (self.store, self.manifest, self._footers)

    def shards(self, config: str, split: str) -> list[ShardEntry]:
        """Return the shards of a config and split, in the order of their rows.

        Args:
            config: "default", "metadata", "stitched" or "10k".
            split: a split, or several, such as "train+test".

        Raises:
            SelectionError: there is no such config or split, or a split is named twice.
        """
        if config not in self.manifest.configs:
            known = ", ".join(self.manifest.configs)
            raise SelectionError(f"{self.store.name} has no config {config!r}; its configs (tables) are {known}.")
        names = [name.strip() for name in str(split).split("+")]
        known_splits = self.manifest.splits_of(config)
        unknown = [name for name in names if name not in known_splits]
        if unknown or len(set(names)) < len(names):
            fact = f"has no split {unknown[0]!r}" if unknown else f"cannot give a split twice ({split!r})"
            raise SelectionError(
                f"{self.store.name} {fact}; its splits are {', '.join(known_splits)}; join several different "
                "ones with +."
            )
        return [entry for name in names for entry in self.manifest.shards_of(config, name)]

    def has_footer(self, entry: ShardEntry) -> bool:
        """Return whether the footer of a shard has been read."""
        return entry.path in self._footers

    def footer_bytes(self, entry: ShardEntry) -> bytes:
        """Return the last bytes of a shard: metadata, their length, and the magic number; read once.

        Raises:
            CorruptDataError: the end of the shard is not what the manifest says.
            DatasetNotFoundError: it is missing.
        """
        if entry.path not in self._footers:
            start = entry.bytes - entry.footer_bytes
            data = self.store.read_range(entry.path, start, entry.footer_bytes)
            length = int.from_bytes(data[-8:-4], "little") + 8
            if data[-4:] != _MAGIC or length != entry.footer_bytes:
                raise CorruptDataError(
                    f"{self.store.name}/{entry.path} is damaged: its {entry.bytes:,} bytes do not end in a Parquet "
                    f"footer of {entry.footer_bytes:,} bytes; get the file again."
                )
            self._footers[entry.path] = data
        return self._footers[entry.path]

    def footer(self, entry: ShardEntry) -> pq.FileMetaData:
        """Return the Parquet metadata of a shard; its bytes are read once.

        Raises:
            CorruptDataError: they are damaged, or have another number of rows than the manifest says.
            DatasetNotFoundError: the shard is missing.
        """
        if entry.path not in self._metadata:
            where = f"{self.store.name}/{entry.path}"
            try:
                self._metadata[entry.path] = _parse_footer(self.footer_bytes(entry), entry, where)
            except CorruptDataError:
                self.forget_footer(entry)
                raise
        return self._metadata[entry.path]

    @property
    def most_cell_bytes(self) -> int:
        """The most bytes that an image of a row may take: its pixels of 16 bits, and a generous head."""
        return 2 * self.manifest.crop_px**2 + _CELL_HEAD_BYTES

    def forget_footer(self, entry: ShardEntry) -> None:
        """Forget a footer, so that it is read again: it, or what it was used for, turned out to be damaged."""
        self._footers.pop(entry.path, None)
        self._metadata.pop(entry.path, None)

    def schema(self, entries: Sequence[ShardEntry]) -> pa.Schema:
        """Return the columns of some shards.

        Raises:
            CorruptDataError: they have different ones, or a footer is damaged.
            DatasetNotFoundError: one is missing.
        """
        schemas = [footer.schema.to_arrow_schema() for footer in self.footers(entries)]
        for entry, schema in zip(entries, schemas, strict=True):
            if not schema.equals(schemas[0]):
                raise CorruptDataError(
                    f"{self.store.name}/{entry.path} has other columns than {entries[0].path}; run `nucleusnet verify`."
                )
        return schemas[0]

    def footers(self, entries: Sequence[ShardEntry]) -> list[pq.FileMetaData]:
        """Return the metadata of many shards; those not yet read are read side by side.

        Raises:
            CorruptDataError: one is damaged.
            DatasetNotFoundError: one is missing.
        """
        missing = [entry for entry in entries if entry.path not in self._footers]
        for _ in in_parallel(self.footer_bytes, missing):
            pass
        return [self.footer(entry) for entry in entries]


def _parse_footer(data: bytes, entry: ShardEntry, where: str) -> pq.FileMetaData:
    metadata = parse_footer(data, where=where, sha256=entry.footer_sha256)
    if metadata.num_rows != entry.rows:
        raise CorruptDataError(
            f"{where} has {metadata.num_rows:,} rows, and the manifest states {entry.rows:,}; run `nucleusnet verify`."
        )
    return metadata


def open_dataset(
    source: str | os.PathLike[str], *, revision: str | None = None, policy: "RetryPolicy | None" = None
) -> OpenDataset:
    """Open a dataset; nothing but its manifest is read.

    Footers of a remote dataset are kept in the process for when the same dataset is opened again.

    Args:
        source: see `nucleusnet_core.location.locate`.
        revision: branch, tag or commit on the Hub; it is resolved to a commit once.
        policy: how long failing reads from a URL or the Hub are tried again.

    Raises:
        DatasetNotFoundError: there is no dataset.
        ManifestError: its manifest is damaged.
        TransferError: it cannot be reached.
    """
    store = locate(source, revision=revision, policy=policy)
    try:
        data = store.read_file(MANIFEST_NAME, max_bytes=MAX_MANIFEST_BYTES)
        return OpenDataset(store, Manifest.from_json(data), _footers_kept(store, data))
    except (DatasetNotFoundError, ManifestError) as error:
        store.close()
        raise _no_dataset(store.name, error) from error
    except (CorruptDataError, SourceChangedError, OSError):
        store.close()
        raise


def _footers_kept(store: Store, manifest: bytes) -> dict[str, bytes]:
    """Return the footers that were read of this dataset before; the caller adds those it reads."""
    if isinstance(store, FolderStore):
        return {}
    key = (store.name, hashlib.sha256(manifest).digest())
    footers = _kept_footers.pop(key, {})
    _kept_footers[key] = footers
    for old in list(_kept_footers)[:-_KEPT_DATASETS]:
        _kept_footers.pop(old, None)
    return footers


def _no_dataset(name: str, error: DatasetNotFoundError | ManifestError) -> DatasetNotFoundError | ManifestError:
    if isinstance(error, ManifestError):
        return ManifestError(f"{name}/{MANIFEST_NAME}: {error}")
    return DatasetNotFoundError(
        f"There is no NucleusNet dataset at {name}: {error} Give the folder that `nucleusnet build` wrote, its URL, or "
        "owner/name on the Hub."
    )
