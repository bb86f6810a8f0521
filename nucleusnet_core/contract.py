"""The dataset folder on one page: its files, configs, columns, outcomes and sizes. Plain data, imported by everything.

nucleusnet/README.md                       the dataset card
nucleusnet/<config>/<split>-00000-of-0000N.parquet   rows; config `default` lies in `data/`
nucleusnet/provenance.parquet              every label: kept, or why not
nucleusnet/manifest.json                   what all of this is, with sizes and hashes
nucleusnet/croissant.json                  files and columns for machines
nucleusnet/figures/                        pictures of the card
nucleusnet/SHA256SUMS                      of every file but the card, which people may edit
"""

from collections.abc import Mapping, Sequence

BARE_NAME = "nucleusnet"
"""The name of the dataset folder, which `load_dataset` takes from any directory."""
VERSION = "2.0.0"
"""Of the definition of configs and columns."""
FORMAT = 2
"""Of `manifest.json`."""

CARD_NAME = "README.md"
DATA_FOLDER = "data"
MANIFEST_NAME = "manifest.json"
SUMS_NAME = "SHA256SUMS"
PROVENANCE_NAME = "provenance.parquet"
CROISSANT_NAME = "croissant.json"

DEFAULT = "default"
METADATA = "metadata"
STITCHED = "stitched"
TEN_K = "10k"
CONFIGS = (DEFAULT, METADATA, STITCHED, TEN_K)

CROP_PX = 256
"""Side of a crop, px, where no other is chosen; `manifest.json` says which one a dataset has."""
CROP_PX_LIMITS = (32, 1024)
CROP_PX_STEP = 8
"""The side of a crop is a multiple of it."""
FRAME_UM_LIMITS = (0.1, 1000.0)
"""Of the side of what a crop shows, um."""
ROW_GROUP_ROWS = 256
"""Rows of a row group of config default and 10k; the last of a shard may have fewer."""
NUCLEI_PER_RUN = 100
"""Nuclei of each run in config 10k."""

PUBLISHED_PIXELS_PER_UM = 8.0453
"""Scale of the published images, which `simulate` makes too."""
QUARTERS = ("TL", "TR", "BL", "BR")
"""Of a coverslip: top left, top right, bottom left, bottom right."""
POSITIONS = ("top_left", "top_right", "bottom_left", "bottom_right")
"""Of a stitched image in its quarter."""

KEPT = "kept"
TOUCHES_BORDER = "touches_border"
NO_FULL_WINDOW = "no_full_window"
NO_CONTOUR = "no_contour"
EMPTY_AFTER_ROTATION = "empty_after_rotation"
DROP_REASONS = (TOUCHES_BORDER, NO_FULL_WINDOW, NO_CONTOUR, EMPTY_AFTER_ROTATION)
"""Why a label did not become a row. What becomes of a label is `KEPT` or one of these."""
NO_NUCLEI = "no_nuclei"
"""Stands in the provenance for an image in which there is no label at all."""

NUCLEUS_COLUMNS = {
    "nucleus_id": "string",
    "stitched_image": "string",
    "run": "int32",
    "run_name": "string",
    "quarter": "string",
    "position": "string",
    "label": "uint32",
    "bbox_y0": "int32",
    "bbox_x0": "int32",
    "bbox_y1": "int32",
    "bbox_x1": "int32",
    "centroid_y": "float32",
    "centroid_x": "float32",
    "pixels_per_um": "float32",
    "crop_pixels_per_um": "float32",
    "area_px": "int32",
    "area_um2": "float32",
    "major_axis_um": "float32",
    "minor_axis_um": "float32",
    "eccentricity": "float32",
    "orientation_deg": "float32",
    "rotation_deg": "float32",
    "components": "int16",
    "mean_intensity": "float32",
    "std_intensity": "float32",
    "max_intensity": "uint16",
    "integrated_intensity": "float64",
    "background_intensity": "float32",
    "saturated_px": "int32",
    "sharpness": "float32",
    "touches_border": "bool",
    "clipped": "bool",
    "warnings": "strings",
}
"""Columns of config metadata; default and 10k have `cell_columns` before them. Units are in the dataset card.

A dataset's own columns (groups of the name pattern, columns of the sample sheet) stand behind `position`.
"""
INTENSITY_COLUMNS = ("mean_intensity", "std_intensity", "max_intensity", "integrated_intensity")
"""Measured in every channel: without a name in the first one, in further ones as `mean_intensity_<channel>`."""
MOST_CHANNELS = 32
MOST_CHANNEL_LETTERS = 40

STITCHED_COLUMNS = {
    "name": "string",
    "run": "int32",
    "run_name": "string",
    "quarter": "string",
    "position": "string",
    "height": "int32",
    "width": "int32",
    "pixels_per_um": "float64",
    "scale_source": "string",
    "num_rois": "int32",
    "kept": "int32",
    **{f"dropped_{reason}": "int32" for reason in DROP_REASONS},
    "mean_intensity": "float64",
    "std_intensity": "float64",
    "distance_to_centroid": "float64",
    "rank": "int32",
    "warnings": "strings",
    "image_sha256": "string",
    "mask_sha256": "string",
}
"""Columns of config stitched, one row per stitched image."""

NUCLEUS_WARNINGS = ("blank", "saturated", "blurred", "cut", "many_bodies", "dim")
"""Words in column `warnings` of a nucleus, in this order; the dataset card says when a nucleus has which."""
WARNING_THRESHOLDS = {
    "blank_std_intensity": 0.5,
    "saturated_share": 0.01,
    "blurred_share_of_median": 0.25,
    "blurred_least_nuclei": 10,
    "many_bodies_components": 2,
    "dim_ratio": 1.1,
}
"""What decides these words; the manifest has them among its parameters, as `warning_thresholds`."""

EXTRA_KINDS = ("int64", "float64", "bool", "string")
"""Types that a dataset's own columns may have."""
RESERVED_COLUMNS = frozenset({*NUCLEUS_COLUMNS, *STITCHED_COLUMNS, "image", "mask", "split", "row_hash"})
"""Names that a dataset's own columns must not have, nor such as a column of a further channel would have."""


def columns_of(config: str, extra: Mapping[str, str], channels: Sequence[str] = ()) -> dict[str, str]:
    """Return name and type of the columns of a config without images.

    Args:
        config: one of `CONFIGS`.
        extra: name and type of the dataset's own columns.
        channels: of the dataset, the first of which needs no name in columns; none for the only one of most datasets.
    """
    columns: dict[str, str] = {}
    last = "image_sha256" if config == STITCHED else INTENSITY_COLUMNS[-1]
    repeated = (last,) if config == STITCHED else INTENSITY_COLUMNS
    known = STITCHED_COLUMNS if config == STITCHED else NUCLEUS_COLUMNS
    for name, kind in known.items():
        columns[name] = kind
        if name == "position":
            columns |= extra
        if name == last:
            columns |= {channel_column(each, channel): known[each] for channel in channels[1:] for each in repeated}
    return columns


def channel_column(name: str, channel: str) -> str:
    """Return the name of a column for a further channel: `image_actin` of `image` and `actin`."""
    return f"{name}_{channel}"


def image_columns(channels: Sequence[str]) -> tuple[str, ...]:
    """Return the columns of configs default and 10k that hold the images, one for each channel."""
    return ("image", *(channel_column("image", channel) for channel in channels[1:]))


def cell_columns(channels: Sequence[str]) -> tuple[str, ...]:
    """Return the columns of configs default and 10k that hold PNG cells: the images, and the mask."""
    return (*image_columns(channels), "mask")
