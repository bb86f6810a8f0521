"""What every column means, and its unit: for the dataset card and croissant.json."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import datasets

import nucleusnet_dataset
from nucleusnet_core.contract import INTENSITY_COLUMNS, channel_column
from nucleusnet_core.contract import STITCHED as STITCHED_CONFIG


class Meaning(NamedTuple):
    """Unit ("" for none) and meaning of a column."""

    unit: str
    text: str


_CAMERA = "camera values"
NUCLEI: Mapping[str, Meaning] = {
    "mask": Meaning("", "the nucleus in the same frame"),
    "nucleus_id": Meaning("", "`<stitched image>_ROI_<label>`, unique"),
    "stitched_image": Meaning("", "name of the stitched image; `name` in config `stitched`"),
    "run": Meaning("", "number of the run (coverslip), as the name says; empty where it says none"),
    "run_name": Meaning("", "the run as text, as the name says; the name of the image where it says none"),
    "quarter": Meaning("", "quarter of the run as the name says: TL, TR, BL or BR"),
    "position": Meaning("", "position in the quarter as the name says"),
    "label": Meaning("", "label in the mask of the stitched image"),
    "bbox_y0": Meaning("px", "first row of the bounding box in the stitched image"),
    "bbox_x0": Meaning("px", "first column of the bounding box"),
    "bbox_y1": Meaning("px", "row behind the last of the bounding box"),
    "bbox_x1": Meaning("px", "column behind the last of the bounding box"),
    "centroid_y": Meaning("px", "row of the centroid of the mask in the stitched image"),
    "centroid_x": Meaning("px", "column of the centroid"),
    "pixels_per_um": Meaning("px/µm", "scale of the stitched image"),
    "crop_pixels_per_um": Meaning("px/µm", "scale of the crop; smaller where a large nucleus was scaled down"),
    "area_px": Meaning("px²", "pixels of the mask in the stitched image"),
    "area_um2": Meaning("µm²", "area of the mask in the stitched image"),
    "major_axis_um": Meaning("µm", "major axis of the ellipse with the second moments of the mask"),
    "minor_axis_um": Meaning("µm", "its minor axis"),
    "eccentricity": Meaning("", "of that ellipse; 0 is a circle"),
    "orientation_deg": Meaning("degree", "its major axis to the x axis, counter-clockwise, (-90, 90]"),
    "rotation_deg": Meaning("degree", "rotation applied to the crop, counter-clockwise"),
    "components": Meaning("", "bodies under the label (8-connected)"),
    "mean_intensity": Meaning(_CAMERA, "mean over the mask in the stitched image"),
    "std_intensity": Meaning(_CAMERA, "population standard deviation over the mask"),
    "max_intensity": Meaning(_CAMERA, "maximum over the mask"),
    "integrated_intensity": Meaning(_CAMERA, "sum over the mask"),
    "background_intensity": Meaning(
        _CAMERA, "median of the pixels 3 to 15 px outside the mask that lie in no mask; empty where there is none"
    ),
    "saturated_px": Meaning("px²", "pixels of the mask at the highest value of the camera, or of the file's type"),
    "sharpness": Meaning(
        "",
        "variance of the Laplacian over the square of `mean_intensity`, between means of blocks of 1 µm (at least 2 px)"
        " that lie in the mask with all four neighbours; without the camera's noise, as it is the covariance of the "
        "Laplacians of every second pixel, as on a chessboard, and of the others; empty where no block has neighbours",
    ),
    "touches_border": Meaning("", "the label touches the border of the stitched image"),
    "clipped": Meaning("", "a part of the nucleus lies outside of the crop"),
    "warnings": Meaning("", "what looks wrong with the nucleus, in words explained below; empty where nothing does"),
}
STITCHED: Mapping[str, Meaning] = {
    "name": Meaning("", "name of the stitched image; `stitched_image` in the other configs"),
    **{name: NUCLEI[name] for name in ("run", "run_name", "quarter", "position")},
    "height": Meaning("px", "rows of the image"),
    "width": Meaning("px", "columns of the image"),
    "pixels_per_um": Meaning("px/µm", "scale of the image"),
    "scale_source": Meaning("", "where the scale was taken from: a header of the file, an option or the sample sheet"),
    "num_rois": Meaning("", "labels found in its mask"),
    "kept": Meaning("", "labels that became rows"),
    "dropped_touches_border": Meaning("", "labels left out: they touch the border of the image"),
    "dropped_no_full_window": Meaning("", "labels left out: no full 364 x 364 px window around them"),
    "dropped_no_contour": Meaning("", "labels left out: without an outer contour"),
    "dropped_empty_after_rotation": Meaning("", "labels left out: nothing left of the mask once it is turned"),
    "mean_intensity": Meaning(_CAMERA, "mean over all mask pixels"),
    "std_intensity": Meaning(_CAMERA, "population standard deviation over all mask pixels"),
    "distance_to_centroid": Meaning(
        "standard deviations", "distance to the mean image by `num_rois` and `mean_intensity`"
    ),
    "rank": Meaning("", "1 for the image closest to the mean one"),
    "warnings": Meaning("", "what looks wrong with the image, in words explained below; empty where nothing does"),
    "image_sha256": Meaning("", "SHA-256 of the image file"),
    "mask_sha256": Meaning("", "SHA-256 of the mask file"),
}


def meanings(config: str, crop_px: int, channels: Sequence[str] = ()) -> Mapping[str, Meaning]:
    """Return the meanings of the columns of a config.

    Args:
        config: one of those of the dataset.
        crop_px: side of its crops, px.
        channels: of the dataset, as its manifest lists them.
    """
    image = Meaning(_CAMERA, f"the crop, {crop_px} x {crop_px} px" + "".join(f", of {name}" for name in channels[:1]))
    known = STITCHED if config == STITCHED_CONFIG else {"image": image, **NUCLEI}
    repeated = ("image_sha256",) if config == STITCHED_CONFIG else ("image", *INTENSITY_COLUMNS)
    further = {
        channel_column(name, channel): Meaning(known[name].unit, f"the same as `{name}`, of channel {channel}")
        for channel in channels[1:]
        for name in repeated
    }
    return {**known, **further}


def type_name(feature: Any, bit_depth: int) -> str:
    """Return the type of a column in words."""
    if isinstance(feature, datasets.Image):
        return f"PNG, {1 if feature.mode == '1' else bit_depth} bit"
    if isinstance(feature, datasets.List):
        return "list of strings"
    return str(feature.dtype)


OWN_COLUMN = Meaning("", "of the image, from its name or the sample sheet")
"""What is known of a dataset's own columns."""


def schema_table(
    config: str, bit_depth: int, extra: Mapping[str, str], crop_px: int, channels: Sequence[str] = ()
) -> str:
    """Return the columns of a config as a Markdown table."""
    known = meanings(config, crop_px, channels)
    columns = nucleusnet_dataset.features(config, bit_depth=bit_depth, extra=extra, channels=channels)
    lines = ["| column | type | unit | meaning |", "|---|---|---|---|"]
    for name, feature in columns.items():
        meaning = known.get(name, OWN_COLUMN)
        lines.append(f"| `{name}` | {type_name(feature, bit_depth)} | {meaning.unit} | {meaning.text} |")
    return "\n".join(lines)
