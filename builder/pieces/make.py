"""One stitched image with its mask -> one piece: its rows, measured and encoded, and a receipt."""

import functools
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from nucleusnet_core.cells.png import encode_gray, encode_mask
from nucleusnet_core.contract import DROP_REASONS, KEPT, WARNING_THRESHOLDS, cell_columns, channel_column
from nucleusnet_core.errors import InputImageError
from nucleusnet_core.files.atomic import atomic_path, write_bytes_atomic
from nucleusnet_core.files.disk_space import disk_failures_reported
from nucleusnet_core.inputs.pairs import Source
from nucleusnet_core.inputs.read_pair import read_pair
from nucleusnet_core.inputs.regions import Regions, regions_from_runs, shape_measurements
from nucleusnet_core.inputs.scale import resolve_scale
from nucleusnet_core.orders import keyed_hashes

from ..cutting.crop import Crop
from ..cutting.measure import sum_intensities
from ..cutting.nucleus_warnings import nucleus_warnings
from ..cutting.published import cut_published
from ..cutting.quality import quality_columns
from ..cutting.recipe import Recipe
from ..cutting.refined import cut_refined
from .checks import check_label_image, image_warnings
from .receipt import BITS_KEY, Receipt, labels_path, piece_path, receipt_path, stored_name
from .task import PieceParameters, PieceTask, channel_files, source_fingerprint


def make_piece(task: PieceTask) -> Receipt:
    """Cut, measure and encode all nuclei of one stitched image, and write piece, labels and receipt.

    Raises:
        InputImageError: the image cannot be used.
        InputMaskError: the mask cannot be used, or has another shape than the image.
        OutputDiskError: the piece cannot be written.
    """
    source = task.source
    fingerprint = fingerprint_now(source)  # before reading, so that a change while reading is noticed later
    ignore_file = task.parameters.ignore_file_scale
    pair = read_pair(
        source.image_path,
        source.mask_path,
        allow_pickle=task.allow_pickle,
        file_scale=not (ignore_file and source.given_scale),
        channels=task.parameters.channels,
        further_paths=source.further_paths,
    )
    image, regions = pair.image, regions_from_runs(pair.runs)
    scale = resolve_scale(image.scale, source.given_scale, ignore_file=ignore_file, name=source.image_path.name)
    check_label_image(source.mask_path.name, regions)
    channels = [image.pixels, *(channel.pixels for channel in pair.further)]
    sums = sum_intensities(image.pixels, regions)
    crops, outcomes = cut_all(channels, regions, task.parameters, scale.pixels_per_um)
    kept = np.array([index for index, outcome in enumerate(outcomes) if outcome == KEPT], np.int64)
    measured = shape_measurements(regions, scale.pixels_per_um) | sums.columns()
    for name, channel in zip(task.parameters.channels.further, pair.further, strict=True):
        columns = sum_intensities(channel.pixels, regions).columns()
        measured |= {channel_column(column, name): values for column, values in columns.items()}
    measured |= quality_columns(image.pixels, regions, sums, scale.pixels_per_um)
    measured["pixels_per_um"] = np.full(len(regions), scale.pixels_per_um, np.float32)
    table = piece_table(task, regions, kept, crops, measured)
    bit_depth = 8 * max(channel.dtype.itemsize for channel in channels)
    table = table.replace_schema_metadata({BITS_KEY: str(bit_depth)})
    overall = sums.overall() or (None, None)
    facts = {
        "height": regions.shape[0],
        "width": regions.shape[1],
        "bit_depth": bit_depth,
        "pixels_per_um": scale.pixels_per_um,
        "scale_source": scale.source,
        "warnings": image_warnings(image.pixels, regions, sums),
        "mean_intensity": overall[0],
        "std_intensity": overall[1],
        "channel_files": channel_files(task),
        "channel_sha256": [channel.sha256 for channel in pair.further],
        "image_sha256": image.sha256,
        "mask_sha256": pair.mask_sha256,
        "fingerprint": fingerprint,
        "cells_bytes": sum(len(cell) for crop in crops for cell in (*crop.images, crop.mask)),
    }
    with disk_failures_reported(task.pieces_dir, every=True):
        return write_piece(task, table, regions.label, outcomes, facts)


@dataclass(frozen=True)
class EncodedCrop:
    """A nucleus as it goes into a piece.

    Attributes:
        images: its image cell in each channel, compressed.
        mask: its mask cell, compressed.
        rotation_deg: as in `Crop`.
        clipped: as in `Crop`.
        pixels_per_um: its scale, exactly a float32.
    """

    images: tuple[bytes, ...]
    mask: bytes
    rotation_deg: float
    clipped: bool
    pixels_per_um: float


def fingerprint_now(source: Source) -> list[int]:
    """Return the fingerprint of files that must be there.

    Raises:
        InputImageError: one is not there.
    """
    try:
        return source_fingerprint(source)
    except OSError as error:
        raise InputImageError(
            f"{error.filename} cannot be read ({error.strerror}); put it back, or repair the link."
        ) from error


def cut_all(
    channels: Sequence[npt.NDArray[Any]], regions: Regions, parameters: PieceParameters, pixels_per_um: float
) -> tuple[list[EncodedCrop], list[str]]:
    """Return each label that is kept, and the outcomes of all labels.

    Cells are compressed one by one, so that the shuffle can move them without decompressing. All images have as many
    bits as the channel that has most; each is cut in its own type before, so as it would be without the others.

    Args:
        channels: the image in each channel, (H, W) uint8 or uint16.
        regions: the labels of its mask.
        parameters: recipe and frame.
        pixels_per_um: scale of the image.
    """
    image, *further = channels
    widest = np.result_type(*channels)
    cut, scale = cutter(parameters, pixels_per_um), np.float32(parameters.frame.pixels_per_um(pixels_per_um))
    codec = pa.Codec("zstd", compression_level=1)
    kept: list[EncodedCrop] = []
    outcomes: list[str] = []
    for index in range(len(regions)):
        crop = cut(image, regions, index, outside=parameters.outside, further=further)
        outcomes.append(KEPT if isinstance(crop, Crop) else crop)
        if isinstance(crop, Crop):
            images = tuple(
                codec.compress(encode_gray(pixels.astype(widest, copy=False)), asbytes=True)
                for pixels in (crop.pixels, *crop.further)
            )
            mask = codec.compress(encode_mask(crop.mask), asbytes=True)
            own_scale = float(scale * np.float32(crop.shrink))
            kept.append(EncodedCrop(images, mask, crop.rotation_deg, crop.clipped, own_scale))
    return kept, outcomes


def cutter(parameters: PieceParameters, pixels_per_um: float) -> Callable[..., Crop | str]:
    """Return what cuts one label of an image of this scale, by the recipe and into the frame."""
    if parameters.recipe == Recipe.refined:
        return functools.partial(cut_refined, frame=parameters.frame, pixels_per_um=pixels_per_um)
    return cut_published


def piece_table(
    task: PieceTask,
    regions: Regions,
    kept: npt.NDArray[np.int64],
    crops: list[EncodedCrop],
    measured: dict[str, npt.NDArray[Any]],
) -> pa.Table:
    """Return the rows of one piece, sorted by (row_hash, nucleus_id); see `receipt.piece_path`."""
    source, height, width = task.source, *regions.shape
    labels = regions.label[kept]
    ids = [f"{source.stem}_ROI_{label}" for label in labels.tolist()]
    hashes = keyed_hashes(ids, seed=task.parameters.seed, purpose="row")
    order = np.lexsort((np.array(ids, dtype=np.str_), hashes)) if ids else np.zeros(0, np.int64)
    boxes = {name: getattr(regions, name)[kept] for name in ("bbox_y0", "bbox_x0", "bbox_y1", "bbox_x1")}
    columns: dict[str, Any] = {
        "nucleus_id": ids,
        "stitched_image": [source.stem] * len(ids),
        "run": [source.run] * len(ids),
        "run_name": [source.run_name] * len(ids),
        **{name: [value] * len(ids) for name, value in source.columns},
        "quarter": [source.quarter] * len(ids),
        "position": [source.position] * len(ids),
        "label": labels,
        **boxes,
        "centroid_y": regions.centroid_y[kept].astype(np.float32),
        "centroid_x": regions.centroid_x[kept].astype(np.float32),
        **{name: values[kept] for name, values in measured.items()},
        "crop_pixels_per_um": np.array([crop.pixels_per_um for crop in crops], np.float32),
        "rotation_deg": np.array([crop.rotation_deg for crop in crops], np.float32),
        "touches_border": (boxes["bbox_y0"] == 0)
        | (boxes["bbox_x0"] == 0)
        | (boxes["bbox_y1"] == height)
        | (boxes["bbox_x1"] == width),
        "clipped": [crop.clipped for crop in crops],
    }
    columns["warnings"] = nucleus_warnings(columns, WARNING_THRESHOLDS)
    cells = cell_columns(task.parameters.channels.names)
    fields = [field for field in task.columns if field.name not in cells]
    arrays = [pa.array(hashes, pa.uint64()), *(column_array(columns[field.name], field) for field in fields)]
    arrays += [
        pa.array([(*crop.images, crop.mask)[place] for crop in crops], pa.binary()) for place in range(len(cells))
    ]
    names = ["row_hash", *(field.name for field in fields), *map(stored_name, cells)]
    return pa.table(arrays, names).take(pa.array(order))


def column_array(values: Any, field: pa.Field) -> pa.Array:
    """Return the values of a column; NaN, which stands for what could not be measured, becomes null."""
    return pa.array(values, field.type, from_pandas=True)


def write_piece(
    task: PieceTask, table: pa.Table, labels: npt.NDArray[np.uint32], outcomes: list[str], facts: dict[str, Any]
) -> Receipt:
    """Write the piece, its labels and last its receipt, each whole or not at all, and return the receipt."""
    source, directory = task.source, task.pieces_dir
    outcome_table = pa.table([pa.array(labels, pa.uint32()), pa.array(outcomes, pa.string())], ["label", "outcome"])
    kept = table.num_rows
    receipt = Receipt(
        stem=source.stem,
        image_file=source.image_path.name,
        mask_file=source.mask_path.name,
        run=source.run,
        run_name=source.run_name,
        columns=[value for _, value in source.columns],
        group=source.group,
        split=source.split,
        quarter=source.quarter,
        position=source.position,
        num_rois=len(outcomes),
        kept=kept,
        dropped={reason: outcomes.count(reason) for reason in DROP_REASONS},
        key=task.parameters.key(source),
        piece_sha256=write_table(piece_path(directory, source.stem), table),
        labels_sha256=write_table(labels_path(directory, source.stem), outcome_table),
        **facts,
    )
    write_bytes_atomic(receipt_path(directory, source.stem), receipt.to_json())
    return receipt


def write_table(path: Path, table: pa.Table) -> str:
    """Write a table as an uncompressed Arrow IPC file of one batch, and return the SHA-256 of its bytes."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table.combine_chunks())
    data = sink.getvalue()
    with atomic_path(path) as partial:
        partial.write_bytes(data)
    return hashlib.sha256(data).hexdigest()
