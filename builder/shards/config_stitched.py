"""Config `stitched`: one row per stitched image, with its counts, intensities and place among the others."""

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from nucleusnet_core.contract import channel_column

from ..analysis.statistics import ImageStatistics, rank_images
from ..pieces.receipt import Receipt


def stitched_table(
    receipts: Sequence[Receipt],
    schema: pa.Schema,
    *,
    columns: Sequence[str],
    channels: Sequence[str] = (),
    warnings: Mapping[str, Sequence[str]],
) -> pa.Table:
    """Return one row per receipt, in their order; images without regions of interest have no distance and no rank.

    Args:
        receipts: of the images.
        schema: Arrow schema of config stitched.
        columns: names of the dataset's own columns, in the order of their values in the receipts.
        channels: names of the channels of the dataset.
        warnings: of each image, by its name.
    """
    measured = [ImageStatistics(r.stem, r.num_rois, r.mean_intensity, r.std_intensity) for r in receipts]
    places = {
        one.image: {"distance_to_centroid": one.distance, "rank": one.rank} for one in rank_images(measured).images
    }
    hashes = [channel_column("image_sha256", channel) for channel in channels[1:]]
    rows = [
        row(one)
        | dict(zip(columns, one.columns, strict=True))
        | dict(zip(hashes, one.channel_sha256, strict=True))
        | {"warnings": list(warnings.get(one.stem, ()))}
        | places.get(one.stem, {})
        for one in receipts
    ]
    return pa.Table.from_pylist(rows, schema)


def row(receipt: Receipt) -> dict[str, Any]:
    """Return what a receipt says about its image, as a row without its place among the others."""
    same = "run run_name quarter position height width pixels_per_um scale_source num_rois kept mean_intensity"
    same += " std_intensity image_sha256 mask_sha256"
    facts = {name: getattr(receipt, name) for name in same.split()}
    return {"name": receipt.stem, **facts, **{f"dropped_{reason}": n for reason, n in receipt.dropped.items()}}
