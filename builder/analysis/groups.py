"""Groups of stitched images: those with one value of a column of the dataset, such as one of the sample sheet."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa

from nucleusnet_core.contract import STITCHED
from nucleusnet_core.dataset import OpenDataset
from nucleusnet_core.errors import UsageError
from nucleusnet_core.manifest import Manifest
from nucleusnet_core.runs import natural_order
from nucleusnet_core.shards.tables import read_columns

from .statistics import DECIMALS, aligned

RUN_NAME = "run_name"
IMAGE_COLUMNS = (RUN_NAME, "run", "quarter", "position", "stitched_image")
"""Columns of every dataset that are the same for all nuclei of an image."""
NOT_STATED = "not stated"
"""Takes the place of an empty value."""


@dataclass(frozen=True)
class ImageGroup:
    """What the stitched images with one value have together.

    Attributes:
        value: of the column.
        images: number of images.
        num_rois: number of regions of interest in all of them.
        kept: number of nuclei of them in the dataset.
        mean_intensity: mean of the mean intensities of the images with regions of interest, each image counting once,
            as in the centroid of all images; None where there are no such images.
    """

    value: str
    images: int
    num_rois: int
    kept: int
    mean_intensity: float | None


def check_by(by: str, manifest: Manifest) -> None:
    """Refuse a column that does not tell groups of images apart.

    Raises:
        UsageError: it is none of those that do.
    """
    known = [*IMAGE_COLUMNS, *(name for name, kind in manifest.columns.items() if kind != "float64")]
    if by not in known:
        raise UsageError(f"--by is {by!r}; the columns of this dataset by which it can be are {', '.join(known)}.")


def column_in_stitched(by: str) -> str:
    """Return how config `stitched` calls a column of the nuclei."""
    return "name" if by == "stitched_image" else by


def texts(values: Sequence[Any]) -> list[str]:
    """Return values of a column as texts."""
    return [NOT_STATED if value is None else str(value) for value in values]


def one_and_several(by: str) -> tuple[str, str]:
    """Return how a value of a column is called, and how several are."""
    return ("run", "runs") if by == RUN_NAME else (f"value of {by}", f"values of {by}")


def read_groups(opened: OpenDataset, by: str) -> list[ImageGroup]:
    """Return the groups of a dataset's images, values in natural order; only config `stitched` is read.

    Args:
        opened: the dataset.
        by: the column whose values are the groups.

    Raises:
        UsageError: the column does not tell groups of images apart.
        NucleusNetError: the dataset is damaged or cannot be reached.
    """
    check_by(by, opened.manifest)
    column = column_in_stitched(by)
    table = read_columns(opened, STITCHED, [column, "num_rois", "kept", "mean_intensity"])
    return group_images(texts(table[column].to_pylist()), table)


def group_images(values: Sequence[str], table: pa.Table) -> list[ImageGroup]:
    """Return the groups of some images, values in natural order.

    Args:
        values: of each image.
        table: `num_rois`, `kept` and `mean_intensity` of each image, the last one null without regions of interest.
    """
    measured = pa.table({name: table[name] for name in ("num_rois", "kept", "mean_intensity")} | {"value": values})
    sums = [([], "count_all"), ("num_rois", "sum"), ("kept", "sum"), ("mean_intensity", "mean")]
    rows = measured.group_by("value", use_threads=False).aggregate(sums).to_pylist()
    names = ("value", "count_all", "num_rois_sum", "kept_sum", "mean_intensity_mean")
    groups = [ImageGroup(*(row[name] for name in names)) for row in rows]
    return sorted(groups, key=lambda group: natural_order(group.value))


def groups_json(by: str, groups: Sequence[ImageGroup]) -> dict[str, Any]:
    """Return the groups as JSON values, not rounded."""
    return {"by": by, "groups": [asdict(group) for group in groups]}


def groups_text(by: str, groups: Sequence[ImageGroup]) -> str:
    """Return the groups as a table for people."""
    rows = [
        (
            group.value,
            *(f"{count}" for count in (group.images, group.num_rois, group.kept)),
            "-" if group.mean_intensity is None else f"{group.mean_intensity:.{DECIMALS}f}",
        )
        for group in groups
    ]
    return aligned([(by, "images", "ROIs", "kept nuclei", "mean intensity"), *rows])
