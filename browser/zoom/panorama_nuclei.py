"""What is known about the nuclei of some stitched images: rows of config metadata, and where their crops lie."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from nucleusnet_core.contract import METADATA, STITCHED
from nucleusnet_core.dataset import OpenDataset
from nucleusnet_core.shards.tables import read_row_group, walk_row_groups

Nuclei = dict[tuple[str, int], dict[str, Any]]
"""Nuclei by image and label."""


def stitched_rows(opened: OpenDataset) -> list[dict[str, Any]]:
    """Return the rows of config stitched of all splits."""
    groups = walk_row_groups(opened, STITCHED)
    return [row for group in groups for row in read_row_group(opened, group.entry, group.group).to_pylist()]


def nuclei_of(opened: OpenDataset, images: Collection[str]) -> Nuclei:
    """Return the nuclei of some stitched images, by image and label.

    Each is its row of config metadata, with `split` and `row`: config default holds its crop as that row of that split.

    Args:
        opened: the dataset.
        images: names of stitched images.
    """
    wanted = pa.array(sorted(images), pa.string())
    nuclei: Nuclei = {}
    for group in walk_row_groups(opened, METADATA):
        table = read_row_group(opened, group.entry, group.group)
        places = pc.indices_nonzero(pc.is_in(table["stitched_image"], value_set=wanted))
        rows = table.take(places).to_pylist()
        for place, row in zip(places.to_pylist(), rows, strict=True):
            own = {"split": group.entry.split, "row": group.first_row + place}
            nuclei[row["stitched_image"], row["label"]] = row | own
    return nuclei


def page_nuclei(
    parts: Sequence[tuple[str, Sequence[int], Sequence[int]]], nuclei: Mapping[tuple[str, int], dict[str, Any]]
) -> dict[str, Any]:
    """Return what the page of a panorama knows about its masks.

    Args:
        parts: of each stitched image its name, its labels, and their colours 0xRRGGBB.
        nuclei: as `nuclei_of` returns them.

    Returns:
        `labels`: [colour, number of the image, label] of every mask; `nuclei`: what is known about those that the
        dataset holds, by "number of the image/label".
    """
    labels, known = [], {}
    for number, (name, found, colours) in enumerate(parts):
        for label, colour in zip(found, colours, strict=True):
            labels.append([colour, number, label])
            if nucleus := nuclei.get((name, label)):
                known[f"{number}/{label}"] = nucleus
    return {"labels": labels, "nuclei": known}
