"""Small dataset folders for tests, written row by row without the builder, in the published layout."""

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from nucleusnet_core.cells.png import encode_gray, encode_mask
from nucleusnet_core.contract import VERSION, WARNING_THRESHOLDS, image_columns
from nucleusnet_core.manifest import Manifest, ShardEntry
from nucleusnet_core.orders import keyed_hash
from nucleusnet_dataset import features
from tests.shard_facts import facts_of

TEXTURE = (60 + np.add.outer(np.arange(256) ** 2, np.arange(256) * 7) % 97).astype(np.uint8)
RUNS_OF = {"train": range(1, 9), "validation": range(9, 10), "test": range(10, 11)}
PIXELS_PER_UM = 8.0453


def nucleus_pixels(number: int, bit_depth: int = 8) -> npt.NDArray[Any]:
    """Return the crop of nucleus `number`: no two numbers below 2**24 have the same one."""
    half_height, half_width = 20 + number % 60, 60 + number % 50
    rows, columns = slice(128 - half_height, 128 + half_height), slice(128 - half_width, 128 + half_width)
    pixels = np.zeros((256, 256), np.uint8)
    pixels[rows, columns] = TEXTURE[rows, columns] + number % 90
    pixels[0, :3] = [number & 255, number >> 8 & 255, number >> 16]
    return pixels if bit_depth == 8 else pixels.astype(np.uint16) * 257


def channel_pixels(number: int, place: int, bit_depth: int = 8) -> npt.NDArray[Any]:
    """Return the crop of nucleus `number` in the channel at `place`: in further ones, what is bright is dark."""
    pixels = nucleus_pixels(number)
    if place:
        pixels = np.where(pixels > 0, 255 - pixels + place, 0).astype(np.uint8)
    return pixels if bit_depth == 8 else pixels.astype(np.uint16) * 257


def nucleus_mask(number: int) -> npt.NDArray[np.bool_]:
    """Return the mask of nucleus `number`."""
    mask: npt.NDArray[np.bool_] = nucleus_pixels(number) > 0
    return mask


def ordinary_png(pixels: npt.NDArray[Any]) -> bytes:
    """Encode a crop as Pillow does."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "png")
    return file.getvalue()


def nucleus_row(
    number: int,
    run: int,
    bit_depth: int,
    *,
    stored: bool,
    own: Mapping[str, str] | None = None,
    channels: Sequence[str] = (),
) -> dict[str, Any]:
    """Return one row of config default; every 7th nucleus has no quarter, and no treatment."""
    pixels, mask = nucleus_pixels(number, bit_depth), nucleus_mask(number)
    stem = f"Run{run:02d}TL_top_left"
    crops = {name: channel_pixels(number, place, bit_depth) for place, name in enumerate(image_columns(channels))}
    named = {
        name: {"bytes": encode_gray(crop) if stored else ordinary_png(crop), "path": None}
        for name, crop in crops.items()
    } | {
        "mask": {"bytes": encode_mask(mask) if stored else ordinary_png(mask), "path": None},
        "nucleus_id": f"{stem}_ROI_{number}",
        "stitched_image": stem,
        "run": run if number % 5 else None,
        "run_name": str(run),
        "quarter": "TL" if number % 7 else None,
        "position": "top_left",
        "treatment": f"drug {number % 3}" if number % 7 else None,
        "label": number,
        "pixels_per_um": PIXELS_PER_UM,
        "crop_pixels_per_um": PIXELS_PER_UM,
        "area_px": int(mask.sum()),
        "eccentricity": number / 1024,
        "max_intensity": int(pixels.max()),
        "integrated_intensity": float(pixels.sum()),
        "touches_border": False,
        "clipped": bool(number % 2),
        "warnings": ["saturated", "dim"][number % 3 :],
    }
    schema = features("default", bit_depth=bit_depth, extra=own or {}, channels=channels).arrow_schema
    return {name: named.get(name, number % 100) for name in schema.names}


def write_dataset_folder(
    folder: Path,
    splits: Mapping[str, int],
    *,
    bit_depth: int = 8,
    shard_rows: int = 512,
    group_rows: int = 256,
    stored: bool = True,
    treated: bool = False,
    channels: Sequence[str] = (),
    parquet_options: Mapping[str, Any] | None = None,
) -> Manifest:
    """Write a dataset folder with all configs, without its README.md, and return its manifest.

    Args:
        folder: where; it is made.
        splits: rows of each split.
        bit_depth: bits of a pixel of the crops.
        shard_rows: rows of a shard of config default.
        group_rows: rows of a row group.
        stored: whether cells are stored PNGs; otherwise they are ordinary ones.
        treated: whether there is a column treatment, of the dataset's own.
        channels: names of the channels; none for the only one without a name.
        parquet_options: options of `pyarrow.parquet.write_table` that differ from those of a build.
    """
    shards: list[ShardEntry] = []
    own = {"treatment": "string"} if treated else {}
    first = 1
    for split, count in splits.items():
        runs = RUNS_OF[split]
        rows = [
            nucleus_row(number, runs[number % len(runs)], bit_depth, stored=stored, own=own, channels=channels)
            for number in range(first, first + count)
        ]
        first += count
        for config, part in _tables(rows, bit_depth, own, channels).items():
            name, size = ("data", shard_rows) if config == "default" else (config, len(part))
            options = {"row_group_size": group_rows, **(parquet_options or {})}
            for path, table in _shard_tables(name, split, part, size):
                shards.append(_write_shard(folder, config, split, path, table, options=options))
    manifest = replace(_manifest(splits, bit_depth, shards), columns=own, channels=list(channels))
    (folder / "manifest.json").write_bytes(manifest.to_json())
    return manifest


def _tables(
    rows: list[dict[str, Any]], bit_depth: int, own_columns: Mapping[str, str], channels: Sequence[str]
) -> dict[str, pa.Table]:
    """Return the table of each config."""
    schemas = {
        config: features(config, bit_depth=bit_depth, extra=own_columns, channels=channels).arrow_schema
        for config in ("default", "metadata", "stitched")
    }
    rows = sorted(rows, key=lambda row: keyed_hash(row["nucleus_id"], seed=0, purpose="row"))
    default, metadata = pa.Table.from_pylist(rows, schema=schemas["default"]), schemas["metadata"]
    runs = {row["stitched_image"]: row["run_name"] for row in rows}
    stitched = schemas["stitched"]
    texts = [field.name for field in stitched if pa.types.is_string(field.type)]
    own = {"pixels_per_um": PIXELS_PER_UM, "scale_source": "--pixels-per-um", "warnings": []}
    images = [
        dict.fromkeys(stitched.names, 1) | dict.fromkeys(texts, stem) | own | {"run_name": runs[stem]}
        for stem in sorted(runs)
    ]
    return {
        "default": default,
        "metadata": default.select(metadata.names).replace_schema_metadata(metadata.metadata),
        "stitched": pa.Table.from_pylist(images, schema=stitched),
        "10k": default.slice(0, 100),
    }


def _shard_tables(name: str, split: str, table: pa.Table, rows: int) -> Iterator[tuple[str, pa.Table]]:
    count = -(-len(table) // rows)
    for number in range(count):
        yield f"{name}/{split}-{number:05d}-of-{count:05d}.parquet", table.slice(number * rows, rows)


def _write_shard(
    folder: Path, config: str, split: str, path: str, table: pa.Table, *, options: Mapping[str, Any]
) -> ShardEntry:
    plain = [field.name for field in table.schema if not pa.types.is_struct(field.type)]
    defaults: dict[str, Any] = {
        "compression": "zstd",
        "compression_level": 1,
        "use_dictionary": plain,
        "write_statistics": plain,
        "write_page_index": True,
        "write_page_checksum": True,
        "use_content_defined_chunking": True,
    }
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    sink = io.BytesIO()
    pq.write_table(table, sink, **(defaults | dict(options)))
    data = sink.getvalue()
    (folder / path).write_bytes(data)
    return ShardEntry(
        config=config,
        split=split,
        path=path,
        rows=len(table),
        **facts_of(data),
    )


def _manifest(splits: Mapping[str, int], bit_depth: int, shards: list[ShardEntry]) -> Manifest:
    kept = sum(splits.values())
    return Manifest(
        version=VERSION,
        seed=0,
        recipe="published",
        parameters={"pixels_per_um": PIXELS_PER_UM, "warning_thresholds": WARNING_THRESHOLDS},
        bit_depth=bit_depth,
        found=kept + 3,
        kept=kept,
        dropped={"touches_border": 3},
        splits=dict(splits),
        runs={split: list(map(str, RUNS_OF[split])) for split in splits},
        shards=shards,
        scale_sources={"--pixels-per-um": sum(shard.rows for shard in shards if shard.config == "stitched")},
    )
