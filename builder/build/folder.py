"""Pieces -> the dataset folder: shards of every config, provenance, card, manifest and checksums."""

import contextlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import pyarrow as pa

import nucleusnet_dataset
from nucleusnet_core.contract import (
    CARD_NAME,
    CONFIGS,
    DEFAULT,
    DROP_REASONS,
    MANIFEST_NAME,
    METADATA,
    ROW_GROUP_ROWS,
    STITCHED,
    SUMS_NAME,
    TEN_K,
    VERSION,
)
from nucleusnet_core.errors import CorruptDataError
from nucleusnet_core.files.atomic import write_bytes_atomic
from nucleusnet_core.files.hashing import file_sha256
from nucleusnet_core.inputs.pairs import FoundInputs
from nucleusnet_core.manifest import Manifest, ShardEntry
from nucleusnet_core.runs import natural_order
from nucleusnet_core.terminal.progress import Progress

from ..card.card import CardFacts, write_card
from ..card.croissant import write_croissant
from ..card.statistics import card_statistics, read_measures
from ..card.study import check_scale
from ..pieces.checks import duplicate_warnings
from ..pieces.receipt import Receipt
from ..shards.config_10k import chosen_tables, runs_with_fewer
from ..shards.config_stitched import stitched_table
from ..shards.parquet_writer import SMALL_ROW_GROUP_ROWS, in_groups, shard_entry, write_parquet
from ..shards.provenance import write_provenance
from ..shards.row_groups import Cells
from ..shards.splits import assign_splits
from ..shards.write import SHARD_BYTES, ShardTask, shard_tasks, write_shard
from ..workers.engine import Workers, in_order
from .options import BuildOptions
from .work_folder import WorkFolder

FACTS_KEY = "nucleusnet"
"""Key of the metadata of Parquet files under which they tell what they are part of, as JSON."""

BySplit = Mapping[str, Sequence[Receipt]]
"""Receipts of the images of each split, sorted by name."""


def write_folder(
    options: BuildOptions,
    receipts: Sequence[Receipt],
    found: FoundInputs,
    work: WorkFolder,
    warnings: Mapping[str, Sequence[str]],
    *,
    workers: Workers,
    progress: Progress,
) -> Manifest:
    """Write the dataset folder in the work folder, and return its manifest.

    Args:
        options: what decides its bytes.
        receipts: of all images, sorted by name, at least one of them with a kept nucleus.
        found: what was found of them, with the dataset's own columns.
        work: holds the pieces, and the empty dataset folder.
        warnings: of each image, as `all_warnings` returns them.
        workers: write the shards if these are large.
        progress: told of shards, and then of the last steps.
    """
    folder = work.dataset
    schemas = {config: schema_with_facts(options, config, receipts, found) for config in CONFIGS}
    by_split = split_receipts(options, receipts)
    bit_depth = bits_of(receipts)
    filled = {split: [one for one in group if one.kept] for split, group in by_split.items()}
    cells = Cells(bit_depth, options.crop_px)
    tasks = shard_tasks(filled, work.pieces, folder=folder, parts=work.parts, schema=schemas[DEFAULT], cells=cells)
    progress.begin("data files", len(tasks), unit="file")
    shards = []
    for entry in written_shards(tasks, receipts, workers):
        shards.append(entry)
        progress.step(1, nuclei=entry.rows)
    small = [
        *metadata_tables(tasks),
        *stitched_tables(receipts, by_split, schemas[STITCHED], found, warnings),
        *chosen_nuclei(filled, work.pieces, schema=schemas[TEN_K], cells=cells, seed=options.seed),
    ]
    progress.begin("finishing", len(small) + 3, unit="step")
    for config, split, tables in small:
        shards.append(write_config(folder, config, split, schemas[config], tables))
        progress.step()
    write_provenance(folder, receipts, work.pieces, facts={FACTS_KEY: facts_of(options, "provenance", receipts)})
    progress.step()
    manifest = make_manifest(options, by_split, shards, found, warnings)
    describe_dataset(options, folder, manifest, receipts)
    progress.step()
    write_bytes_atomic(folder / MANIFEST_NAME, manifest.to_json())
    write_bytes_atomic(folder / SUMS_NAME, checksums(folder, {shard.path: shard.sha256 for shard in shards}))
    progress.step()
    return manifest


def schema_with_facts(options: BuildOptions, config: str, receipts: Sequence[Receipt], found: FoundInputs) -> pa.Schema:
    """Return the schema of a config with the facts in its metadata."""
    schema = nucleusnet_dataset.features(
        config, bit_depth=bits_of(receipts), extra=found.columns, channels=found.channels.names
    ).arrow_schema
    return schema.with_metadata({**(schema.metadata or {}), FACTS_KEY: facts_of(options, config, receipts)})


def bits_of(receipts: Iterable[Receipt]) -> int:
    """Return the bits of a pixel of the dataset: those of the image that has most."""
    return max(receipt.bit_depth for receipt in receipts)


def one_scale(receipts: Iterable[Receipt]) -> float | None:
    """Return the scale of all images, px per um, or None where they have several."""
    scales = {receipt.pixels_per_um for receipt in receipts}
    return scales.pop() if len(scales) == 1 else None


def all_warnings(receipts: Sequence[Receipt]) -> dict[str, list[str]]:
    """Return the warnings of each image, by its name: its own, and those that other images give rise to."""
    files = [(one.stem, one.image_sha256, one.mask_sha256, one.num_rois > 0) for one in receipts]
    twice = duplicate_warnings(files)
    return {one.stem: [*one.warnings, *twice.get(one.stem, [])] for one in receipts}


def facts_of(options: BuildOptions, config: str, receipts: Sequence[Receipt]) -> str:
    """Return what a file tells about itself as JSON, wherever a single one ends up."""
    facts = {
        "config": config,
        "version": VERSION,
        "recipe": options.recipe.value,
        "seed": options.seed,
        "pixels_per_um": one_scale(receipts),
        "versions": options.versions,
    }
    return json.dumps(facts, sort_keys=True)


def split_receipts(options: BuildOptions, receipts: Sequence[Receipt]) -> BySplit:
    """Return the images of each split that has nuclei; every run lies in one split."""
    given = {one.group: one.split for one in receipts if one.split is not None}
    splits = assign_splits(kept_by_group(receipts), options.fractions, options.seed, given)
    names = dict.fromkeys([*options.fractions, *sorted(given.values())])
    groups = {split: [one for one in receipts if splits[one.group] == split] for split in names}
    return {split: group for split, group in groups.items() if group}


def kept_by_group(receipts: Iterable[Receipt]) -> dict[str, int]:
    """Return the number of kept nuclei of each group that splits keep together."""
    kept: dict[str, int] = {}
    for receipt in receipts:
        kept[receipt.group] = kept.get(receipt.group, 0) + receipt.kept
    return kept


def written_shards(tasks: Sequence[ShardTask], receipts: Sequence[Receipt], workers: Workers) -> Iterator[ShardEntry]:
    """Write shards and yield their entries in order; other processes do it only where it takes longer than to start."""
    if sum(receipt.cells_bytes for receipt in receipts) <= SHARD_BYTES:
        yield from map(write_shard, tasks)
        return
    with contextlib.closing(
        in_order(write_shard, tasks, make_executor=workers.make_executor, workers=workers.count)
    ) as entries:
        yield from entries


SplitTables = tuple[str, str, Iterable[pa.Table]]
"""A config, a split, and the row groups of its only file."""


def metadata_tables(tasks: Sequence[ShardTask]) -> Iterator[SplitTables]:
    """Yield config metadata, from the rows that the shards left."""
    for split in dict.fromkeys(task.split for task in tasks):
        paths = [task.part for task in tasks if task.split == split]
        yield METADATA, split, in_groups(map(read_part, paths), SMALL_ROW_GROUP_ROWS)


def read_part(path: Path) -> pa.Table:
    """Return the rows without images of one shard.

    Raises:
        CorruptDataError: the file is damaged.
    """
    try:
        with pa.OSFile(str(path)) as source, pa.ipc.open_file(source) as reader:
            return reader.read_all()
    except (pa.ArrowException, ValueError, TypeError) as error:
        raise CorruptDataError(f"{path} is damaged ({error}); call the build again.") from error


def stitched_tables(
    receipts: Sequence[Receipt],
    by_split: BySplit,
    schema: pa.Schema,
    found: FoundInputs,
    warnings: Mapping[str, Sequence[str]],
) -> Iterator[SplitTables]:
    """Yield config stitched; distances and ranks are over all splits."""
    table = stitched_table(
        receipts, schema, columns=list(found.columns), channels=found.channels.names, warnings=warnings
    )
    for split, group in by_split.items():
        names = {receipt.stem for receipt in group}
        yield STITCHED, split, [table.filter(pa.array([name in names for name in table.column("name").to_pylist()]))]


def chosen_nuclei(
    by_split: BySplit, pieces: Path, *, schema: pa.Schema, cells: Cells, seed: int
) -> Iterator[SplitTables]:
    """Yield config 10k; images without nuclei are not in `by_split`."""
    for split, group in by_split.items():
        tables = chosen_tables(group, pieces, schema=schema, cells=cells, seed=seed)
        yield TEN_K, split, in_groups(tables, ROW_GROUP_ROWS)


def write_config(folder: Path, config: str, split: str, schema: pa.Schema, groups: Iterable[pa.Table]) -> ShardEntry:
    """Write the only file of a split of a small config, and return its entry in the manifest."""
    path = f"{config}/{split}-00000-of-00001.parquet"
    (folder / config).mkdir(exist_ok=True)
    write_parquet(folder / path, schema, groups)
    return shard_entry(folder, path, config, split)


def make_manifest(
    options: BuildOptions,
    by_split: BySplit,
    shards: list[ShardEntry],
    found: FoundInputs,
    warnings: Mapping[str, Sequence[str]],
) -> Manifest:
    """Return the manifest of a dataset with these images and shards."""
    receipts = [receipt for group in by_split.values() for receipt in group]
    return Manifest(
        version=VERSION,
        seed=options.seed,
        recipe=options.recipe.value,
        parameters={
            **options.manifest_parameters(),
            "pixels_per_um": one_scale(receipts),
            "versions": options.versions,
        },
        bit_depth=bits_of(receipts),
        found=sum(receipt.num_rois for receipt in receipts),
        kept=sum(receipt.kept for receipt in receipts),
        dropped={reason: sum(receipt.dropped[reason] for receipt in receipts) for reason in DROP_REASONS},
        splits={split: sum(receipt.kept for receipt in group) for split, group in by_split.items()},
        runs={split: groups_of(group) for split, group in by_split.items()},
        shards=shards,
        fewer_in_10k=runs_with_fewer(kept_by_group(receipts)),
        columns=dict(found.columns),
        group_by=found.group_by,
        scale_sources=dict(sorted(Counter(one.scale_source for one in receipts).items())),
        warnings=dict(sorted(Counter(word for words in warnings.values() for word in words).items())),
        crop_px=options.frame.crop_px,
        frame_um=options.frame.frame_um,
        channels=list(found.channels.names),
    )


def groups_of(receipts: Sequence[Receipt]) -> list[str]:
    """Return the groups of some images in natural order."""
    return sorted({receipt.group for receipt in receipts}, key=natural_order)


def describe_dataset(options: BuildOptions, folder: Path, manifest: Manifest, receipts: Sequence[Receipt]) -> None:
    """Write the card with its statistics, for people, and croissant.json, for machines."""
    study = options.read_study()
    check_scale(study, manifest.parameters["pixels_per_um"])
    unnamed = sum(receipt.run_name == receipt.stem for receipt in receipts)
    runs = {receipt.run_name for receipt in receipts}
    statistics = card_statistics(read_measures(folder, manifest), runs)
    write_card(folder, CardFacts(manifest, len(receipts), unnamed, study, statistics))
    write_croissant(folder, manifest, study)


def checksums(folder: Path, known: Mapping[str, str]) -> bytes:
    """Return the lines of SHA256SUMS: every file but the card, which people may edit, and itself.

    Args:
        folder: the dataset folder.
        known: SHA-256 by path of files that need not be read again.
    """
    paths = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    listed = [path for path in paths if path not in (CARD_NAME, SUMS_NAME)]
    return "".join(f"{known.get(path) or file_sha256(folder / path)}  {path}\n" for path in listed).encode()
