"""NucleusNet as a Hugging Face dataset: its definition, its builder over any source, and random samples.

Importing this module makes `load_dataset("nucleusnet")` work from any directory: it means the dataset folder
`./nucleusnet`, or else the folder `$NUCLEUSNET_DATA`, or else the repository `$NUCLEUSNET_REPO` on the Hub.

    python nucleusnet_dataset.py nucleusnet --n 1000

is `nucleusnet sample`: it streams a random sample into a PyTorch DataLoader and shows it.
"""

import hashlib
import os
import secrets
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import datasets
import pyarrow as pa
from datasets.builder import Key
from datasets.exceptions import DatasetGenerationError

from nucleusnet_core.bare_name import register
from nucleusnet_core.contract import (
    CONFIGS,
    DROP_REASONS,
    NUCLEUS_COLUMNS,
    STITCHED_COLUMNS,
    VERSION,
    columns_of,
    image_columns,
)
from nucleusnet_core.errors import (
    CorruptDataError,
    DatasetNotFoundError,
    ManifestError,
    NucleusNetError,
    SelectionError,
    SourceChangedError,
    TransferError,
    UsageError,
)
from nucleusnet_core.manifest import Manifest, ShardEntry

__all__ = [
    "CITATION",
    "CONFIGS",
    "DESCRIPTION",
    "DROP_REASONS",
    "NUCLEUS_COLUMNS",
    "STITCHED_COLUMNS",
    "VERSION",
    "CorruptDataError",
    "DatasetNotFoundError",
    "ManifestError",
    "NucleusNet",
    "NucleusNetError",
    "SelectionError",
    "SourceChangedError",
    "TransferError",
    "UsageError",
    "dataset_info",
    "features",
    "features_of",
    "sample",
]

DESCRIPTION = (
    "Single-cell nuclei, cut out of stitched microscope images: masked, aligned 256 x 256 px crops of raw camera "
    "values with their masks, identity, place and measurements. Rows are in random order, splits are by run."
)
CITATION = """@misc{nucleusnet,
  title = {NucleusNet: single-nucleus images},
  author = {{The NucleusNet authors}},
  year = {2026},
}"""


def features(
    config: str, *, bit_depth: int = 8, extra: Mapping[str, str] | None = None, channels: Sequence[str] = ()
) -> datasets.Features:
    """Return the columns of a config with their types.

    Args:
        config: one of `CONFIGS`.
        bit_depth: bits of a pixel of the dataset, 8 or 16.
        extra: name and type of the dataset's own columns, as its manifest lists them.
        channels: of the dataset, as its manifest lists them.

    Raises:
        SelectionError: there is no such config.
    """
    if config not in CONFIGS:
        raise SelectionError(f"There is no config {config!r}; the configs (tables) are {', '.join(CONFIGS)}.")
    columns = columns_of(config, extra or {}, channels)
    values: dict[str, Any] = {
        name: datasets.List(datasets.Value("string")) if kind == "strings" else datasets.Value(kind)
        for name, kind in columns.items()
    }
    if config in ("metadata", "stitched"):
        return datasets.Features(values)
    images = {name: datasets.Image(mode="L" if bit_depth == 8 else None) for name in image_columns(channels)}
    return datasets.Features(images | {"mask": datasets.Image(mode="1")} | values)


def features_of(manifest: Manifest, config: str) -> datasets.Features:
    """Return the columns of a config of a dataset with their types.

    Args:
        manifest: of the dataset.
        config: one of its configs.
    """
    return features(config, bit_depth=manifest.bit_depth, extra=manifest.columns, channels=manifest.channels)


def dataset_info(manifest: Manifest, config: str) -> datasets.DatasetInfo:
    """Return everything that is known of a config (a table of the dataset) before any row is read.

    The sizes of the splits are estimates of the Arrow files that `download_and_prepare` makes of them.

    Args:
        manifest: of the dataset.
        config: one of its configs.
    """
    from nucleusnet_core.shards.tables import arrow_row_bytes

    columns = features_of(manifest, config)
    row_bytes = arrow_row_bytes(columns.arrow_schema, manifest.bit_depth, manifest.crop_px)
    rows = {split: manifest.rows(config, split) for split in manifest.splits_of(config)}
    splits = [
        datasets.SplitInfo(split, num_bytes=count * row_bytes, num_examples=count) for split, count in rows.items()
    ]
    return datasets.DatasetInfo(
        description=DESCRIPTION,
        citation=CITATION,
        features=columns,
        splits=datasets.SplitDict({split.name: split for split in splits}),
        download_size=sum(shard.bytes for shard in manifest.shards if shard.config == config),
        dataset_size=sum(rows.values()) * row_bytes,
        config_name=config,
        version=manifest.version,
    )


class NucleusNet(datasets.ArrowBasedBuilder):
    """A NucleusNet dataset, wherever it is.

        NucleusNet("default", data_dir="nucleusnet").as_streaming_dataset(split="train")
        NucleusNet("metadata", data_dir="owner/nucleusnet").download_and_prepare()

    What has been prepared with the default `dataset_name` is also what `load_dataset("nucleusnet")` finds in the cache
    of `datasets` when the Hub cannot be reached.

    Args:
        config_name: one of `CONFIGS`.
        data_dir: the dataset's folder, URL, `owner/name` on the Hub, or `nucleusnet` for what the bare name means.
        revision: branch, tag or commit on the Hub.
        options: of `datasets.DatasetBuilder`, such as `cache_dir`.

    Attributes:
        opened: the dataset with its manifest.

    Raises:
        DatasetNotFoundError: there is no dataset.
        SelectionError: it has no such config.
    """

    VERSION = datasets.Version(VERSION)
    BUILDER_CONFIGS = [datasets.BuilderConfig(name=name, version=VERSION) for name in CONFIGS]  # noqa: RUF012
    DEFAULT_CONFIG_NAME = "default"

    def __init__(
        self,
        config_name: str = "default",
        *,
        data_dir: str | os.PathLike[str] = "nucleusnet",
        revision: str | None = None,
        **options: Any,
    ) -> None:
        from nucleusnet_core.dataset import open_dataset

        self.opened = open_dataset(data_dir, revision=revision)
        manifest = self.opened.manifest
        if config_name not in manifest.configs:
            known = ", ".join(manifest.configs)
            name = self.opened.store.name
            raise SelectionError(f"{name} has no config {config_name!r}; its configs (tables) are {known}.")
        # The source stays out of the config, or its id would change with it: equal content has one place in the cache.
        content = hashlib.sha256(manifest.to_json()).hexdigest()[:16]
        super().__init__(config_name=config_name, **{"dataset_name": "nucleusnet", "hash": content} | options)
        self.info.version = datasets.Version(manifest.version)

    def _info(self) -> datasets.DatasetInfo:
        return dataset_info(self.opened.manifest, self.config.name)

    def _split_generators(self, dl_manager: object) -> list[datasets.SplitGenerator]:
        manifest, config = self.opened.manifest, self.config.name
        return [
            datasets.SplitGenerator(split, gen_kwargs={"shards": manifest.shards_of(config, split)})
            for split in manifest.splits_of(config)
        ]

    def _generate_shards(self, shards: list[ShardEntry]) -> Iterator[str]:
        yield from (shard.path for shard in shards)

    def _generate_tables(self, shards: list[ShardEntry]) -> Iterator[tuple[Key, pa.Table]]:
        from nucleusnet_core.shards.tables import row_group_tables

        manifest = self.opened.manifest
        schema = features_of(manifest, self.config.name).arrow_schema
        for number, shard in enumerate(shards):
            for group, table in enumerate(row_group_tables(self.opened, shard, schema)):
                yield Key(number, group), table

    def download_and_prepare(self, *arguments: Any, **options: Any) -> None:
        """Write the config as Arrow files into the cache of `datasets`, as its `DatasetBuilder` does.

        Raises:
            NucleusNetError: a shard is missing or damaged.
        """
        try:
            super().download_and_prepare(*arguments, **options)
        except DatasetGenerationError as error:
            raise error.__cause__ if isinstance(error.__cause__, NucleusNetError) else error from None


def sample(
    n: int = 1000,
    *,
    source: str | os.PathLike[str] = "nucleusnet",
    split: str = "train",
    seed: int | None = None,
    columns: Sequence[str] | None = None,
    method: str = "blocks",
    revision: str | None = None,
) -> datasets.Dataset:
    """Return n distinct nuclei, drawn at random; only the bytes that hold them are read.

    Either method draws every one of the N nuclei of the split with the same probability n / N, so means and proportions
    over a sample estimate those of the split without weights. The methods differ in which nuclei are drawn together:

    - `blocks` (the default) is a cluster sample: about n / 256 row groups, at least four, are chosen with
      probability proportional to their rows, and of each a run of neighbouring rows is taken. `build` stored the
      rows in a random order, so neighbours are no more alike than any two nuclei, and one sample is as good as a simple
      random one. But two samples of the same dataset share whole runs or nothing: for standard errors from repeated
      draws, or for samples independent of each other, use `rows`.
    - `rows` is a simple random sample without replacement: all sets of n rows are equally likely. It reads a
      page of some 14 rows for each, of nearly all row groups as soon as n is a few times their number.

    Args:
        n: number of nuclei.
        source: the dataset's folder, URL, `owner/name` on the Hub, or `nucleusnet` for what the bare name means.
        split: a split, or several, such as "train+test", whose nuclei all have the same chance.
        seed: the same one draws the same nuclei of the same dataset, wherever it is; None for others each time.
        columns: wanted columns, in this order; None for all.
        method: "blocks" or "rows".
        revision: branch, tag or commit on the Hub; resolved to a commit once.

    Returns:
        The nuclei in random order, in memory, with the dataset's features.

    Raises:
        DatasetNotFoundError: there is no dataset, or a shard of it is missing.
        SelectionError: there is no such split or column, or there are fewer than n nuclei.
        UsageError: there is no such method, or the seed cannot be used.
        NucleusNetError: the dataset is damaged, changed while it was read, or cannot be reached.
    """
    from nucleusnet_core.dataset import open_dataset
    from nucleusnet_core.sampling.draw import sample_table

    seed, split = secrets.randbits(64) if seed is None else seed, str(split)
    opened = open_dataset(source, revision=revision)
    table, _ = sample_table(opened, n=n, split=split, seed=seed, columns=columns, method=method)
    drawn = [hashlib.sha256(opened.manifest.to_json()).hexdigest(), n, split, seed, table.column_names, method]
    named = None if "+" in split else datasets.NamedSplit(split)
    fingerprint = hashlib.sha256(repr(drawn).encode()).hexdigest()[:16]
    info = datasets.DatasetInfo(description=DESCRIPTION, citation=CITATION, config_name="default")
    return datasets.Dataset(table, info=info, split=named, fingerprint=fingerprint)


register()

if __name__ == "__main__":
    from nucleusnet_core.terminal.command import run_verb
    from nucleusnet_core.terminal.interrupts import ending_at_interrupt

    with ending_at_interrupt():
        from nucleusnet_core.sampling import cli

        run_verb(f"python {sys.argv[0]}", lambda: cli.sample, sys.argv[1:])
