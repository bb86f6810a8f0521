"""How well the nuclei of a finished dataset fill its frame, and which frame would suit them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from nucleusnet_core.contract import CROP_PX_LIMITS, CROP_PX_STEP, FRAME_UM_LIMITS, METADATA
from nucleusnet_core.manifest import Manifest

from ..cutting.recipe import Frame

HELD = 95
"""Per cent of the nuclei that a suggested frame holds at its full scale."""
_COLUMNS = ("area_um2", "major_axis_um", "pixels_per_um", "crop_pixels_per_um")
_REACH = 1.2
"""A nucleus hardly reaches beyond its major axis times this, head and tail counted."""
_SHRUNK = 0.999
"""A crop below this part of the usual scale was scaled down; the next below 1 is 8 / 9."""


@dataclass(frozen=True)
class FrameUse:
    """How well nuclei fill their frame.

    Attributes:
        nuclei: number of them.
        shrunk: number of those that are larger than the frame, and shown at a smaller scale.
        covered: median share of a crop that its nucleus covers.
        frame_um: side of what crops show, um; the median where images have several scales.
        fitting_um: side of the frame that holds `HELD` per cent of the nuclei, um, to two digits.
        fitting_px: side of a crop that shows that frame at the scale of most images, px.
    """

    nuclei: int
    shrunk: int
    covered: float
    frame_um: float
    fitting_um: float
    fitting_px: int


def read_frame_use(folder: Path, manifest: Manifest) -> FrameUse:
    """Return how well the nuclei of a dataset folder fill their frame, from config metadata."""
    paths = [folder / shard.path for shard in manifest.shards if shard.config == METADATA]
    table = pa.concat_tables(pq.read_table(path, columns=list(_COLUMNS)) for path in paths)
    columns = [table.column(name).to_numpy().astype(np.float64) for name in _COLUMNS]
    return frame_use(columns, Frame(manifest.crop_px, manifest.frame_um))


def frame_use(columns: Sequence[npt.NDArray[np.float64]], frame: Frame) -> FrameUse:
    """Return how well nuclei fill a frame.

    Args:
        columns: area_um2, major_axis_um, pixels_per_um and crop_pixels_per_um of at least one nucleus.
        frame: what their crops show.
    """
    area_um2, axis_um, pixels_per_um, crop_pixels_per_um = columns
    usual = pixels_per_um if frame.frame_um is None else np.full(len(area_um2), frame.crop_px / frame.frame_um)
    side_um, shrunk = frame.crop_px / crop_pixels_per_um, crop_pixels_per_um < _SHRUNK * usual
    needed_um = np.where(shrunk, side_um, np.minimum(side_um, _REACH * axis_um))
    fitting_um = two_digits_up(float(np.percentile(needed_um, HELD, method="higher")))
    fitting_um = min(max(fitting_um, FRAME_UM_LIMITS[0]), FRAME_UM_LIMITS[1])
    fitting_px = CROP_PX_STEP * math.ceil(fitting_um * float(np.median(pixels_per_um)) / CROP_PX_STEP)
    return FrameUse(
        nuclei=len(area_um2),
        shrunk=int(shrunk.sum()),
        covered=float(np.median(area_um2 / side_um**2)),
        frame_um=float(np.median(frame.crop_px / usual)),
        fitting_um=fitting_um,
        fitting_px=min(max(fitting_px, CROP_PX_LIMITS[0]), CROP_PX_LIMITS[1]),
    )


def two_digits_up(length: float) -> float:
    """Return the next number of two digits.

    >>> two_digits_up(23.1), two_digits_up(240.0), two_digits_up(0.871), two_digits_up(101.0)
    (24.0, 240.0, 0.88, 110.0)
    """
    power = math.floor(math.log10(length)) - 1
    return float(f"{math.ceil(float(f'{length:.12g}e{-power}') - 1e-9)}e{power}")
