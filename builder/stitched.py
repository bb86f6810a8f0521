"""Config `stitched`: one row per stitched image, with its counts, intensities and place among the others."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from .ranking import centroid, distances, ranks
from .receipts import Receipt


def stitched_table(receipts: Sequence[Receipt], schema: pa.Schema) -> pa.Table:
    """Return one row per receipt, in their order; images without regions of interest have no distance and no rank."""
    measured = [receipt for receipt in receipts if receipt.mean_intensity is not None]
    places = representative_places(measured)
    rows = [row(receipt) | places.get(receipt.stem, {}) for receipt in receipts]
    return pa.Table.from_pylist(rows, schema)


def representative_places(receipts: Sequence[Receipt]) -> dict[str, dict[str, Any]]:
    """Return distance to the centroid and rank by stem."""
    if not receipts:
        return {}
    names = [receipt.stem for receipt in receipts]
    num_rois = np.array([receipt.num_rois for receipt in receipts], np.float64)
    intensity = np.array([receipt.mean_intensity for receipt in receipts], np.float64)
    distance = distances(num_rois, intensity, centroid(num_rois, intensity))
    placed = zip(names, distance.tolist(), ranks(distance, names).tolist(), strict=True)
    return {name: {"distance_to_centroid": away, "rank": rank} for name, away, rank in placed}


def row(receipt: Receipt) -> dict[str, Any]:
    """Return what a receipt says of its image, as a row."""
    same = "run quarter position height width num_rois kept mean_intensity std_intensity image_sha256 mask_sha256"
    facts = {name: getattr(receipt, name) for name in same.split()}
    return {"name": receipt.stem, **facts, **{f"dropped_{reason}": n for reason, n in receipt.dropped.items()}}
