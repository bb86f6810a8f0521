"""`manifest.json`: what a dataset folder holds. Read first, and never trusted before it has been checked."""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import PurePosixPath
from types import UnionType
from typing import Any, Self

from .contract import (
    CROP_PX,
    CROP_PX_LIMITS,
    CROP_PX_STEP,
    EXTRA_KINDS,
    FORMAT,
    FRAME_UM_LIMITS,
    MOST_CHANNEL_LETTERS,
    MOST_CHANNELS,
    RESERVED_COLUMNS,
)
from .errors import ManifestError
from .small_files import SmallFileError, parse_json

MAX_MANIFEST_BYTES = 4 << 20
_SHA256 = re.compile(r"[0-9a-f]{64}")
_NAME = re.compile(r"\w+")
_CHANNEL = re.compile(rf"[a-z0-9_]{{1,{MOST_CHANNEL_LETTERS}}}")
_VERSION = re.compile(r"\d+\.\d+\.\d+")
_CONFIG_OF_FOLDER = {"data": "default", "metadata": "metadata", "stitched": "stitched", "10k": "10k"}
_MOST_ROWS_PER_BYTE = 8
"""A column of texts that name each row takes at least a bit a row."""


@dataclass(frozen=True)
class ShardEntry:
    """One Parquet file of one config and split.

    Attributes:
        config: "default", "metadata", "stitched" or "10k".
        split: "train", "validation", "test" or another name.
        path: relative to the dataset folder, with forward slashes.
        rows: number of rows.
        bytes: size of the file.
        footer_bytes: size of the Parquet footer with its 8 closing bytes; one read of the file's end is enough.
        sha256: of the file's bytes, in lower-case hexadecimal digits.
        footer_sha256: of the last `footer_bytes` of them; None where the builder was too old to state it.
    """

    config: str
    split: str
    path: str
    rows: int
    bytes: int
    footer_bytes: int
    sha256: str
    footer_sha256: str | None = None

    def __post_init__(self) -> None:
        """Refuse what no writer of ours writes."""
        _check_path(self.path)
        for name in ("rows", "bytes", "footer_bytes"):
            _check_count(getattr(self, name), f"{name} of {self.path}")
        if self.footer_bytes > self.bytes:
            raise ManifestError(
                f"footer_bytes of {self.path} is {self.footer_bytes:,}, more than the {self.bytes:,} bytes of the file."
            )
        if self.rows > _MOST_ROWS_PER_BYTE * self.bytes:
            raise ManifestError(f"rows of {self.path} is {self.rows:,}: so many do not fit into {self.bytes:,} bytes.")
        _check_sha256(self.sha256, f"sha256 of {self.path}")
        if self.footer_sha256 is not None:
            _check_sha256(self.footer_sha256, f"footer_sha256 of {self.path}")
        for name in (self.config, self.split):
            if not isinstance(name, str) or not _NAME.fullmatch(name):
                raise ManifestError(
                    f"config or split of {self.path} is {name!r}; it must be a plain name of letters, digits and _."
                )
        holds = _CONFIG_OF_FOLDER.get(self.path.partition("/")[0], self.config)
        if holds != self.config:
            raise ManifestError(f"{self.path} is listed under config {self.config}, and that folder holds {holds}.")


@dataclass(frozen=True)
class Manifest:
    """The whole of `manifest.json`.

    Attributes:
        version: version of the dataset's definition (`nucleusnet_dataset.VERSION`).
        seed: of every random choice in the folder.
        recipe: "published" or "refined".
        parameters: everything else that decided the bytes, normalised; no paths, hosts, users or times.
        bit_depth: bits of a pixel, 8 or 16.
        found: labels found; equals kept + the sum of dropped.
        kept: rows of config default.
        dropped: labels left out, by reason.
        splits: rows of config default, by split.
        runs: what splits keep together, by split: names of runs, or values of the column `group_by`.
        shards: every Parquet file that a config reads, in the order of rows.
        fewer_in_10k: number of nuclei of each run group that has fewer than config 10k holds of a run, so that it
            holds all of them.
        columns: name and type of the dataset's own columns: groups of the name pattern, columns of the sample sheet.
        group_by: the column whose values splits keep together.
        scale_sources: number of stitched images by where their scale was taken from.
        warnings: number of stitched images by warning.
        crop_px: side of every crop, px.
        frame_um: side of what a crop shows unless its nucleus is larger, um; None for `crop_px` pixels of the
            stitched image.
        channels: names of the channels in the order of their columns, `image` being the first; none where the only
            one has no name.
    """

    version: str
    seed: int
    recipe: str
    parameters: dict[str, Any]
    bit_depth: int
    found: int
    kept: int
    dropped: dict[str, int]
    splits: dict[str, int]
    runs: dict[str, list[str]]
    shards: list[ShardEntry] = field(default_factory=list)
    fewer_in_10k: dict[str, int] = field(default_factory=dict)
    columns: dict[str, str] = field(default_factory=dict)
    group_by: str = "run_name"
    scale_sources: dict[str, int] = field(default_factory=dict)
    warnings: dict[str, int] = field(default_factory=dict)
    crop_px: int = CROP_PX
    frame_um: float | None = None
    channels: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Refuse numbers that contradict each other."""
        for name in ("seed", "found", "kept"):
            _check_count(getattr(self, name), name)
        for counts in (self.dropped, self.splits, self.fewer_in_10k, self.scale_sources, self.warnings):
            _expect(counts, dict, "dropped, splits, fewer_in_10k, scale_sources and warnings")
            for name, count in counts.items():
                _check_count(count, str(name))
        _expect(self.runs, dict, "runs")
        for split, runs in self.runs.items():
            _expect(runs, list, f"runs of {split}")
            for run in runs:
                _expect(run, str, f"runs of {split}")
        _check_columns(self.columns)
        _check_channels(self.channels)
        _expect(self.group_by, str, "group_by")
        _expect(self.parameters, dict, "parameters")
        _check_scale(self.parameters.get("pixels_per_um"))
        _expect(self.recipe, str, "recipe")
        _check_frame(self.crop_px, self.frame_um)
        if not isinstance(self.version, str) or not _VERSION.fullmatch(self.version):
            raise ManifestError(f"version is {self.version!r}; it must be three numbers such as 1.0.0.")
        if type(self.bit_depth) is not int or self.bit_depth not in (8, 16):
            raise ManifestError(f"bit_depth is {self.bit_depth!r}; it must be 8 or 16.")
        if self.found != self.kept + sum(self.dropped.values()):
            raise ManifestError(f"found {self.found} is not kept {self.kept} + dropped {sum(self.dropped.values())}.")
        if self.kept != sum(self.splits.values()):
            raise ManifestError(f"kept {self.kept} is not the sum of the splits {self.splits}.")

    @property
    def shows_surroundings(self) -> bool:
        """Whether crops show what lies around their nucleus."""
        return bool(self.parameters.get("outside") == "keep")

    @property
    def configs(self) -> list[str]:
        """The configs that have shards, in the order of the manifest."""
        return list(dict.fromkeys(shard.config for shard in self.shards))

    def splits_of(self, config: str) -> list[str]:
        """The splits of one config, in the order of the manifest."""
        return list(dict.fromkeys(shard.split for shard in self.shards if shard.config == config))

    def shards_of(self, config: str, split: str) -> list[ShardEntry]:
        """The shards of one config and split, in the order of their rows."""
        return [shard for shard in self.shards if (shard.config, shard.split) == (config, split)]

    def rows(self, config: str, split: str) -> int:
        """The number of rows of one config and split."""
        return sum(shard.rows for shard in self.shards_of(config, split))

    def to_json(self) -> bytes:
        """Return the file's bytes: UTF-8, sorted keys, one trailing newline."""
        content = {"format": FORMAT, **asdict(self)}
        return (json.dumps(content, sort_keys=True, indent=1, ensure_ascii=False) + "\n").encode()

    @classmethod
    def from_json(cls, data: bytes) -> Self:
        """Read and check what `to_json` wrote.

        Raises:
            ManifestError: it is too large, not JSON, of another format, lacks fields, or contradicts itself.
        """
        content = _parse(data)
        if content.get("format") == 1:
            raise ManifestError("the dataset was built by nucleusnet 0.1, in another format; build it again.")
        if content.get("format") != FORMAT:
            raise ManifestError(
                f"its format is {content.get('format')!r}, and this nucleusnet reads format {FORMAT}; install a newer "
                "one to read it."
            )
        wanted = set(cls.__dataclass_fields__)
        if missing := sorted(wanted - set(content)):
            raise ManifestError(f"these fields are missing: {', '.join(missing)}; the file is damaged.")
        fields = {name: content[name] for name in wanted}
        _expect(fields["shards"], list, "shards")
        fields["shards"] = [_shard(entry) for entry in fields["shards"]]
        return cls(**fields)


def _parse(data: bytes) -> dict[str, Any]:
    if len(data) > MAX_MANIFEST_BYTES:
        raise ManifestError(f"it has {len(data):,} bytes; at most {MAX_MANIFEST_BYTES:,} are allowed.")
    try:
        content = parse_json(data)
    except SmallFileError as error:
        raise ManifestError(f"it is not JSON ({error}); the file is damaged.") from error
    _expect(content, dict, "the file")
    parsed: dict[str, Any] = content
    return parsed


def _shard(entry: Any) -> ShardEntry:
    _expect(entry, dict, "an entry of shards")
    mapping: Mapping[str, Any] = entry
    wanted = ShardEntry.__dataclass_fields__
    if missing := sorted(set(wanted) - set(mapping) - {"footer_sha256"}):
        raise ManifestError(f"an entry of shards lacks {', '.join(missing)}; the file is damaged.")
    return ShardEntry(**{name: mapping[name] for name in wanted if name in mapping})


def _expect(value: Any, kind: type | UnionType, name: str) -> None:
    if not isinstance(value, kind):
        wanted = kind.__name__ if isinstance(kind, type) else kind
        raise ManifestError(f"{name} must be {wanted}, not {type(value).__name__}; the file is damaged.")


def _check_columns(columns: Any) -> None:
    _expect(columns, dict, "columns")
    for name, kind in columns.items():
        if not _NAME.fullmatch(name) or name in RESERVED_COLUMNS or kind not in EXTRA_KINDS:
            raise ManifestError(f"the column {name!r} of type {kind!r} cannot be; the file is damaged.")


def _check_channels(channels: Any) -> None:
    _expect(channels, list, "channels")
    for name in channels:
        if not isinstance(name, str) or not _CHANNEL.fullmatch(name):
            raise ManifestError(
                f"the channel {name!r} cannot be: a name has small letters, digits and _ alone; the file is damaged."
            )
    if len(channels) > MOST_CHANNELS or len(set(channels)) < len(channels):
        raise ManifestError(f"channels are {', '.join(channels)}: too many, or one twice; the file is damaged.")


def _check_scale(pixels_per_um: Any) -> None:
    if pixels_per_um is None:
        return
    if isinstance(pixels_per_um, bool) or not isinstance(pixels_per_um, int | float) or not 0 < pixels_per_um < 1e6:
        raise ManifestError(f"pixels_per_um is {pixels_per_um!r}; it must be a number above 0: the file is damaged.")


def _check_frame(crop_px: Any, frame_um: Any) -> None:
    least_px, most_px = CROP_PX_LIMITS
    whole = isinstance(crop_px, int) and not isinstance(crop_px, bool)
    if not whole or not least_px <= crop_px <= most_px or crop_px % CROP_PX_STEP:
        raise ManifestError(
            f"crop_px is {crop_px!r}; it must be a multiple of {CROP_PX_STEP} from {least_px} to {most_px}: the file "
            "is damaged."
        )
    least_um, most_um = FRAME_UM_LIMITS
    number = isinstance(frame_um, int | float) and not isinstance(frame_um, bool)
    if frame_um is not None and (not number or not least_um <= frame_um <= most_um):
        raise ManifestError(
            f"frame_um is {frame_um!r}; it must be null, or a number from {least_um:g} to {most_um:g}: the file is "
            "damaged."
        )


def _check_sha256(value: Any, name: str) -> None:
    if not isinstance(value, str) or not _SHA256.fullmatch(value):
        raise ManifestError(f"{name} is {value!r}; it must be 64 hexadecimal digits.")


def _check_count(value: Any, name: str) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**64:
        raise ManifestError(f"{name} is {value!r}; it must be a whole number, 0 or more: the file is damaged.")


def _check_path(path: Any) -> None:
    """Refuse every path that could lead out of the dataset folder."""
    parts = PurePosixPath(path).parts if isinstance(path, str) else ()
    unsafe = not parts or ".." in parts or path.startswith("/") or any(mark in path for mark in "\\:\0?#")
    if unsafe or path != "/".join(parts):
        raise ManifestError(
            f"the path of a shard is {path!r}; it must be a plain path inside the dataset: do not use this dataset."
        )
