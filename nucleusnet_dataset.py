"""NucleusNet as a Hugging Face dataset: its configs, features and description."""

from typing import Any

import datasets

VERSION = "1.0.0"
CONFIGS = ("default", "metadata", "stitched", "10k")
DROP_REASONS = ("touches_border", "no_full_window", "no_contour", "empty_after_rotation")
DESCRIPTION = (
    "Single cell nuclei, cut out of stitched DAPI microscope images: masked, aligned 256 x 256 px crops of raw camera "
    "values with their masks, identity, place and measurements. Rows are in random order, splits are by coverslip."
)
CITATION = """@misc{nucleusnet,
  title = {NucleusNet: single-nucleus images},
  author = {{The NucleusNet authors}},
  year = {2026},
}"""


def features(config: str, *, bit_depth: int = 8) -> datasets.Features:
    """Return the columns of a config with their types.

    Args:
        config: one of `CONFIGS`.
        bit_depth: bits of a pixel of the dataset, 8 or 16.
    """
    if config == "stitched":
        return datasets.Features(_stitched_columns())
    image = datasets.Image(mode="L") if bit_depth == 8 else datasets.Image()
    images = {"image": image, "mask": datasets.Image(mode="1")}
    columns = _nucleus_columns()
    return datasets.Features(columns if config == "metadata" else images | columns)


def _nucleus_columns() -> dict[str, Any]:
    kinds = {
        "string": ["nucleus_id", "stitched_image"],
        "int32": ["run"],
        "string ": ["quarter", "position"],
        "uint32": ["label"],
        "int32 ": ["bbox_y0", "bbox_x0", "bbox_y1", "bbox_x1"],
        "float32": ["centroid_y", "centroid_x"],
        "int32  ": ["area_px"],
        "float32 ": ["area_um2", "major_axis_um", "minor_axis_um", "eccentricity", "orientation_deg", "rotation_deg"],
        "int16": ["components"],
        "float32  ": ["mean_intensity", "std_intensity"],
        "uint16": ["max_intensity"],
        "float64": ["integrated_intensity"],
        "bool": ["touches_border", "clipped"],
    }
    return {name: datasets.Value(kind.strip()) for kind, names in kinds.items() for name in names}


def _stitched_columns() -> dict[str, Any]:
    kinds = {
        "string": ["name"],
        "int32": ["run"],
        "string ": ["quarter", "position"],
        "int32 ": ["height", "width", "num_rois", "kept", *(f"dropped_{reason}" for reason in DROP_REASONS)],
        "float64": ["mean_intensity", "std_intensity", "distance_to_centroid"],
        "int32  ": ["rank"],
        "string  ": ["image_sha256", "mask_sha256"],
    }
    return {name: datasets.Value(kind.strip()) for kind, names in kinds.items() for name in names}
