"""Checks that everything in a dataset folder that counts says the same: manifest, card, provenance and all configs."""

from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from nucleusnet_core.contract import CARD_NAME, KEPT, MANIFEST_NAME, NO_NUCLEI, PROVENANCE_NAME
from nucleusnet_core.errors import CorruptDataError
from nucleusnet_core.manifest import Manifest, ShardEntry
from nucleusnet_core.parquet.files import read_table

from ..dataset_folder import MAX_PROBLEMS_OF_A_FILE, Problem, Report, read_text
from ..shards.config_10k import runs_with_fewer

BY_MANIFEST = f"in {MANIFEST_NAME}"
_FACTS_OF_IMAGES = ("scale_source", "warnings", "pixels_per_um")
BY_PROVENANCE = f"by counting in {PROVENANCE_NAME}"


def check_card(folder: Path, manifest: Manifest, report: Report) -> None:
    """Compare the numbers of rows that the card states with the manifest."""
    from ..card.head import card_counts  # noqa: PLC0415 - `datasets` is slow to import

    try:
        stated = card_counts(read_text(folder / CARD_NAME))
    except (OSError, ValueError) as error:
        report.add(CARD_NAME, f"the head of the dataset card, between two lines ---, cannot be read ({error}).")
        return
    for config in manifest.configs:
        for split in manifest.splits_of(config):
            found = stated.get(config, {}).get(split, "not stated")
            what = f"the number of rows of config {config}, split {split}"
            report.compare(CARD_NAME, what, found, manifest.rows(config, split), BY_MANIFEST)


def check_manifest(manifest: Manifest, report: Report) -> None:
    """Check that the manifest agrees with itself."""
    for split, rows in manifest.splits.items():
        for config in ("default", "metadata"):
            what = f"the number of rows in all files of config {config}, split {split}"
            report.compare(MANIFEST_NAME, what, manifest.rows(config, split), rows, "in its list of splits")
    groups = Counter(group for groups in manifest.runs.values() for group in groups)
    for group, count in groups.items():
        if count > 1:
            report.add(MANIFEST_NAME, f"group {group} lies in {count} splits; it must lie in one.")


def check_ids(folder: Path, shards: list[ShardEntry], report: Report) -> None:
    """Check that no nucleus is there twice, and that config 10k holds nuclei of the same split of config default."""
    ids: dict[str, pa.ChunkedArray] = {}
    for shard in shards:
        if shard.config == "default":
            column = read_table(folder / shard.path, columns=["nucleus_id"]).column(0)
            ids[shard.split] = pa.chunked_array(
                [*ids.get(shard.split, pa.chunked_array([], pa.string())).chunks, *column.chunks]
            )
    if not ids:
        return
    counted = pc.value_counts(pa.chunked_array([chunk for column in ids.values() for chunk in column.chunks]))
    repeated = counted.filter(pc.greater(counted.field("counts"), 1)).to_pylist()
    said = [f"nucleus_id {row['values']} is there {row['counts']} times; it must be unique." for row in repeated]
    report.take("data", [Problem("data", text) for text in said])
    for shard in shards:
        if shard.config == "10k" and shard.split in ids:
            column = read_table(folder / shard.path, columns=["nucleus_id"]).column(0)
            strange = column.filter(pc.invert(pc.is_in(column, ids[shard.split]))).to_pylist()
            for name in strange[:MAX_PROBLEMS_OF_A_FILE]:
                report.add(shard.path, f"nucleus {name} is not in split {shard.split} of config default.")


def check_provenance(folder: Path, manifest: Manifest, shards: list[ShardEntry], report: Report) -> None:
    """Check that every label found is kept or dropped for a reason, image by image, and that groups keep to a split."""
    try:
        counts = outcome_counts(folder)
    except (pa.ArrowException, OSError, KeyError, CorruptDataError) as error:
        report.add(PROVENANCE_NAME, f"it is damaged, its rows of labels cannot be read ({error}).")
        return
    outcomes: Counter[str] = Counter()
    images: dict[str, Counter[str]] = {}
    groups: dict[str, str] = {}
    for image, group, outcome, count in counts:
        groups[image] = group
        images.setdefault(image, Counter())
        if outcome != NO_NUCLEI:
            images[image][outcome] += count
            outcomes[outcome] += count
    report.compare(PROVENANCE_NAME, "the number of labels found", outcomes.total(), manifest.found, BY_MANIFEST)
    report.compare(PROVENANCE_NAME, "the number of labels kept", outcomes.pop(KEPT, 0), manifest.kept, BY_MANIFEST)
    wanted = {reason: count for reason, count in manifest.dropped.items() if count}
    report.compare(PROVENANCE_NAME, "the number of labels dropped", dict(sorted(outcomes.items())), wanted, BY_MANIFEST)
    kept: Counter[str] = Counter()
    for image, group in groups.items():
        kept[group] += images[image][KEPT]
    report.compare(MANIFEST_NAME, "fewer_in_10k", manifest.fewer_in_10k, runs_with_fewer(kept), BY_PROVENANCE)
    check_runs(folder, manifest, groups, shards, report)
    stitched = [shard for shard in shards if shard.config == "stitched"]
    check_stitched(folder, stitched, images, report)
    if len(stitched) == len(manifest.splits_of("stitched")):
        check_image_facts(folder, manifest, stitched, report)


def check_image_facts(folder: Path, manifest: Manifest, stitched: list[ShardEntry], report: Report) -> None:
    """Compare scales and warnings of the images with what the manifest says about all of them together."""
    rows = [
        row for shard in stitched for row in read_table(folder / shard.path, columns=list(_FACTS_OF_IMAGES)).to_pylist()
    ]
    sources = Counter(str(row["scale_source"]) for row in rows)
    words = Counter(word for row in rows for word in row["warnings"] or ())
    scales = {row["pixels_per_um"] for row in rows}
    scale = scales.pop() if len(scales) == 1 else None
    by = "by counting in config stitched"
    report.compare(MANIFEST_NAME, "scale_sources", manifest.scale_sources, dict(sorted(sources.items())), by)
    report.compare(MANIFEST_NAME, "warnings", manifest.warnings, dict(sorted(words.items())), by)
    report.compare(MANIFEST_NAME, "pixels_per_um", manifest.parameters.get("pixels_per_um"), scale, by)


def outcome_counts(folder: Path) -> list[tuple[str, str, str, int]]:
    """Return the number of labels in the provenance by stitched image, group and outcome."""
    columns = ["stitched_image", "group", "outcome"]
    table = read_table(folder / PROVENANCE_NAME, columns=columns)
    counted = table.group_by(columns).aggregate([([], "count_all")])
    return list(zip(*(counted.column(name).to_pylist() for name in [*columns, "count_all"]), strict=True))


def check_runs(
    folder: Path, manifest: Manifest, groups: dict[str, str], shards: list[ShardEntry], report: Report
) -> None:
    """Check that every row lies in the split that the manifest gives its group."""
    split_of = {group: split for split, groups in manifest.runs.items() for group in groups}
    for shard in shards:
        for image in images_of(folder, shard):
            what = f"the split of {image}, group {groups.get(image)},"
            wanted = split_of.get(groups.get(image, ""), "not stated")
            report.compare(shard.path, what, shard.split, wanted, BY_MANIFEST)


def images_of(folder: Path, shard: ShardEntry) -> list[str]:
    """Return the stitched images that a shard has rows of."""
    column = "name" if shard.config == "stitched" else "stitched_image"
    return sorted(read_table(folder / shard.path, columns=[column]).column(0).unique().to_pylist())


def check_stitched(folder: Path, shards: list[ShardEntry], images: dict[str, Counter[str]], report: Report) -> None:
    """Compare the counts of config stitched with provenance, image by image: found = kept + dropped."""
    seen: Counter[str] = Counter()
    for shard in shards:
        for row in read_table(folder / shard.path).to_pylist():
            name, counts = row["name"], images.get(row["name"], Counter())
            seen[name] += 1
            dropped = {key.removeprefix("dropped_"): row[key] for key in row if key.startswith("dropped_")}
            total = (row["kept"] or 0) + sum(map(int, filter(None, dropped.values())))
            report.compare(shard.path, f"num_rois of {name}", row["num_rois"], total, "by adding kept and dropped")
            for outcome, found in {KEPT: row["kept"], **dropped}.items():
                report.compare(shard.path, f"{outcome} of {name}", found, counts[outcome], BY_PROVENANCE)
    for name in images:
        if seen[name] != 1:
            report.add("stitched", f"image {name} has {seen[name]} rows; it must have one.")
