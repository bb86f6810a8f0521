"""Pieces -> the dataset folder: shards of every config, provenance, card, manifest and checksums."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa

from nucleusnet_core.contract import CARD_NAME, DROP_REASONS, MANIFEST_NAME, ROW_GROUP_ROWS, SUMS_NAME
from nucleusnet_core.files.atomic import write_bytes_atomic
from nucleusnet_core.files.hashing import file_sha256
from nucleusnet_core.manifest import Manifest, ShardEntry
from nucleusnet_core.runs import natural_order

from ..card.card import CardFacts, write_card
from ..card.croissant import write_croissant
from ..card.statistics import card_statistics, read_measures
from ..card.study import NO_STUDY, Study
from ..pieces.receipt import Receipt
from ..shards.config_10k import chosen_tables, runs_with_fewer
from ..shards.config_stitched import stitched_table
from ..shards.parquet_writer import SMALL_ROW_GROUP_ROWS, in_groups, shard_entry, write_parquet
from ..shards.provenance import write_provenance
from ..shards.splits import assign_splits
from ..shards.write import ShardTask, shard_tasks, write_shard

FACTS_KEY = "nucleusnet"
"""Key of the metadata of Parquet files under which they tell what they are part of, as JSON."""


class Mapper(Protocol):
    """Something like `map`: calls a function for each task, maybe in other processes, and keeps the order."""

    def __call__(
        self, function: Callable[[ShardTask], ShardEntry], tasks: Iterable[ShardTask], /
    ) -> Iterator[ShardEntry]:
        """Yield the result of each task."""
        ...


@dataclass(frozen=True)
class FolderPlan:
    """What the dataset folder is made from, and where.

    Attributes:
        folder: the dataset folder, empty.
        pieces_dir: where the pieces lie.
        parts: folder for intermediate files.
        seed: key of orders, splits and samples.
        recipe: how the nuclei were cut.
        parameters: for the manifest.
        fractions: of the runs, by split.
        schemas: Arrow schema by config.
        version: of the dataset's definition.
        versions: of this tool and of the libraries that decide bytes, by name.
        study: what is known besides the images.
    """

    folder: Path
    pieces_dir: Path
    parts: Path
    seed: int
    recipe: str
    parameters: Mapping[str, Any]
    fractions: Mapping[str, float]
    schemas: Mapping[str, pa.Schema]
    version: str
    versions: Mapping[str, str]
    study: Study = NO_STUDY


def write_folder(
    plan: FolderPlan,
    receipts: Iterable[Receipt],
    *,
    mapper: Mapper = map,
    on_shard: Callable[[int], None] | None = None,
) -> Manifest:
    """Write the dataset folder; the same receipts in any order give the same bytes.

    Args:
        plan: from what and where.
        receipts: of all images, at least one of them with a kept nucleus.
        mapper: runs the writing of shards.
        on_shard: told the rows of each shard that was written.
    """
    plan = replace(plan, schemas={config: with_facts(plan, config) for config in plan.schemas})
    ordered = sorted(receipts, key=lambda receipt: receipt.stem)
    splits = assign_splits(kept_by_run(ordered), plan.fractions, plan.seed)
    by_split = {
        split: group for split in plan.fractions if (group := [r for r in ordered if splits[r.run_group] == split])
    }
    filled = {split: [r for r in group if r.kept] for split, group in by_split.items() if any(r.kept for r in group)}
    tasks = shard_tasks(filled, plan.pieces_dir, folder=plan.folder, parts=plan.parts, schema=plan.schemas["default"])
    default = []
    for entry in mapper(write_shard, tasks):
        default.append(entry)
        if on_shard is not None:
            on_shard(entry.rows)
    shards = [
        *default,
        *write_metadata(plan, tasks),
        *write_stitched(plan, ordered, by_split),
        *write_10k(plan, filled),
    ]
    write_provenance(plan.folder, ordered, plan.pieces_dir, facts={FACTS_KEY: facts_of(plan, "provenance")})
    manifest = describe(plan, ordered, by_split, filled, shards)
    statistics = card_statistics(read_measures(plan.folder, manifest), {r.stem: r.run_group for r in ordered})
    write_card(plan.folder, CardFacts(manifest, len(ordered), plan.study, statistics))
    write_croissant(plan.folder, manifest, plan.study)
    write_bytes_atomic(plan.folder / MANIFEST_NAME, manifest.to_json())
    write_bytes_atomic(plan.folder / SUMS_NAME, checksums(plan.folder, {shard.path: shard.sha256 for shard in shards}))
    return manifest


def with_facts(plan: FolderPlan, config: str) -> pa.Schema:
    """Return the schema of a config with the facts in its metadata."""
    schema = plan.schemas[config]
    return schema.with_metadata({**(schema.metadata or {}), FACTS_KEY: facts_of(plan, config)})


def facts_of(plan: FolderPlan, config: str) -> str:
    """Return what a file tells of itself as JSON, wherever a single one ends up."""
    facts = {
        "config": config,
        "version": plan.version,
        "recipe": plan.recipe,
        "seed": plan.seed,
        "pixels_per_um": plan.parameters["pixels_per_um"],
        "versions": dict(plan.versions),
    }
    return json.dumps(facts, sort_keys=True)


def kept_by_run(receipts: Sequence[Receipt]) -> dict[str, int]:
    """Add up the kept nuclei of each run."""
    kept: dict[str, int] = {}
    for receipt in receipts:
        kept[receipt.run_group] = kept.get(receipt.run_group, 0) + receipt.kept
    return kept


def write_metadata(plan: FolderPlan, tasks: Sequence[ShardTask]) -> list[ShardEntry]:
    """Write config metadata, one file a split, from the rows that the shards left."""
    entries = []
    for split in dict.fromkeys(task.split for task in tasks):
        parts = (read_part(task.part) for task in tasks if task.split == split)
        entries.append(write_config(plan, "metadata", split, in_groups(parts, SMALL_ROW_GROUP_ROWS)))
    return entries


def read_part(path: Path) -> pa.Table:
    """Read the rows without images of one shard."""
    with pa.OSFile(str(path)) as source, pa.ipc.open_file(source) as reader:
        return reader.read_all()


def write_stitched(
    plan: FolderPlan, receipts: Sequence[Receipt], by_split: Mapping[str, Sequence[Receipt]]
) -> list[ShardEntry]:
    """Write config stitched, one file a split; distances and ranks are over all splits."""
    table = stitched_table(receipts, plan.schemas["stitched"])
    entries = []
    for split, group in by_split.items():
        names = {receipt.stem for receipt in group}
        rows = table.filter(pa.array([name in names for name in table.column("name").to_pylist()]))
        entries.append(write_config(plan, "stitched", split, [rows]))
    return entries


def write_10k(plan: FolderPlan, by_split: Mapping[str, Sequence[Receipt]]) -> list[ShardEntry]:
    """Write config 10k, one file a split."""
    schema = plan.schemas["10k"]
    entries = []
    for split, group in by_split.items():
        tables = chosen_tables(group, plan.pieces_dir, schema=schema, seed=plan.seed)
        entries.append(write_config(plan, "10k", split, in_groups(tables, ROW_GROUP_ROWS)))
    return entries


def write_config(plan: FolderPlan, config: str, split: str, groups: Iterable[pa.Table]) -> ShardEntry:
    """Write the only file of a split of a small config."""
    path = f"{config}/{split}-00000-of-00001.parquet"
    (plan.folder / config).mkdir(exist_ok=True)
    write_parquet(plan.folder / path, plan.schemas[config], groups)
    return shard_entry(plan.folder, path, config, split)


def describe(
    plan: FolderPlan,
    receipts: Sequence[Receipt],
    by_split: Mapping[str, Sequence[Receipt]],
    filled: Mapping[str, Sequence[Receipt]],
    shards: list[ShardEntry],
) -> Manifest:
    """Return the manifest."""
    dropped = {reason: sum(receipt.dropped[reason] for receipt in receipts) for reason in DROP_REASONS}
    return Manifest(
        version=plan.version,
        seed=plan.seed,
        recipe=plan.recipe,
        parameters={**plan.parameters, "versions": dict(plan.versions)},
        bit_depth=receipts[0].bit_depth,
        found=sum(receipt.num_rois for receipt in receipts),
        kept=sum(receipt.kept for receipt in receipts),
        dropped=dropped,
        splits={split: sum(receipt.kept for receipt in group) for split, group in filled.items()},
        runs={split: runs_of(group) for split, group in by_split.items()},
        shards=shards,
        fewer_in_10k=runs_with_fewer(kept_by_run(receipts)),
    )


def runs_of(receipts: Sequence[Receipt]) -> list[int | str]:
    """Return the run groups of some images in natural order: numbers, or names where a run is no number."""
    numbers = {receipt.run_group: receipt.run for receipt in receipts}
    ordered = sorted(numbers, key=natural_order)
    return [group if (number := numbers[group]) is None else number for group in ordered]


def checksums(folder: Path, known: Mapping[str, str]) -> bytes:
    """Return the lines of SHA256SUMS: every file but the card, which people may edit, and itself.

    Args:
        folder: the dataset folder.
        known: SHA-256 by path of files that need not be read again.
    """
    paths = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    listed = [path for path in paths if path not in (CARD_NAME, SUMS_NAME)]
    return "".join(f"{known.get(path) or file_sha256(folder / path)}  {path}\n" for path in listed).encode()
