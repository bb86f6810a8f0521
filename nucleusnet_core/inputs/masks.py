"""Label images as horizontal runs, read from the files that segmentation programs write.

A mask of 12,500 x 12,500 px holds some 120,000 runs. Bounding boxes, areas, moments and crops come from those; for
the PNG that cellpose writes, the label image itself is never made.
"""

from dataclasses import dataclass
from typing import Any

import imagecodecs
import numpy as np
import numpy.typing as npt

from ..cells.png_chunks import SIGNATURE as PNG_SIGNATURE
from ..compiled import compiled
from ..errors import InputMaskError
from .kinds import MASK, check_expansion, check_sides, plane_shape
from .mask_png import DEFLATE_EXPANSION, png_runs, read_png
from .seg_npy import read_seg_npy
from .tiff import SIGNATURES as TIFF_SIGNATURES
from .tiff import check_whole, open_page, stored_pixels

_NPY_SIGNATURE = b"\x93NUMPY"


@dataclass(frozen=True)
class LabelRuns:
    """A label image as maximal horizontal runs of one non-zero label, in raster order.

    Attributes:
        shape: (height, width) of the label image, px.
        row: int32 (runs,), row of each run.
        x0: int32 (runs,), first column of each run.
        x1: int32 (runs,), column after its last one.
        label: uint32 (runs,), never 0.
    """

    shape: tuple[int, int]
    row: npt.NDArray[np.int32]
    x0: npt.NDArray[np.int32]
    x1: npt.NDArray[np.int32]
    label: npt.NDArray[np.uint32]


def read_label_runs(data: bytes, name: str, *, allow_pickle: bool = False) -> LabelRuns:
    """Read the label image in the bytes of a PNG or TIFF file; 0 is background.

    Args:
        data: the whole file.
        name: how error messages call it.
        allow_pickle: accept cellpose's `_seg.npy`.

    Raises:
        InputMaskError: no readable label image, or its labels reach the largest number its type holds.
    """
    if not data:
        raise InputMaskError(f"{name} is empty; write the mask again.")
    if data.startswith(PNG_SIGNATURE):
        return _read_png_runs(data, name)
    if data.startswith(TIFF_SIGNATURES):
        labels = _read_tiff(data, name)
        return _filled_type_checked(runs_from_array(labels, name=name), labels.dtype, name)
    if data.startswith(_NPY_SIGNATURE):
        if not allow_pickle:
            raise InputMaskError(
                f"{name} is a NumPy file of pickled objects, not a PNG or TIFF; save the masks as PNG or TIFF, or pass "
                "--allow-pickle."
            )
        labels = _native(read_seg_npy(data, name))
        return _filled_type_checked(runs_from_array(labels, name=name), labels.dtype, name)
    raise InputMaskError(
        f"{name} is neither a PNG nor a TIFF: it starts with {data[:8]!r}; save the masks as 16-bit PNG or 32-bit TIFF."
    )


def painted_rows(runs: LabelRuns, y0: int, y1: int) -> npt.NDArray[np.uint32]:
    """Paint the labels of the rows from `y0` to before `y1`: uint32 (y1 - y0, width)."""
    width = runs.shape[1]
    some = slice(*np.searchsorted(runs.row, (y0, y1)))
    start = (runs.row[some].astype(np.int64) - y0) * width + runs.x0[some]
    stop = start + (runs.x1[some] - runs.x0[some])
    # Background and run in turns: what lies between the ends of one run and the next, and the run itself.
    counts = np.diff(np.stack([start, stop], axis=1).ravel(), prepend=0, append=(y1 - y0) * width)
    labels = np.zeros(counts.size, np.uint32)
    labels[1::2] = runs.label[some]
    return np.repeat(labels, counts).reshape(y1 - y0, width)


def runs_from_array(labels: npt.NDArray[Any], *, name: str = "mask") -> LabelRuns:
    """Find the runs of a label image (H, W) of integers, or of floats that hold whole numbers.

    Further axes of length 1 before or after these two are left out.

    Raises:
        InputMaskError: not two-dimensional, or a pixel is negative, fractional or above 2**32 - 1.
    """
    shape = _checked_shape(labels.shape, name)
    _check_type(labels.dtype, name)
    labels = np.ascontiguousarray(_native(labels)).reshape(shape)
    place, value = _find_runs(labels, _count_runs(labels))
    row, x0, x1 = place
    return LabelRuns(shape, row, x0, x1, _whole_labels(value, name))


def _read_png_runs(data: bytes, name: str) -> LabelRuns:
    png = read_png(data, name, MASK)
    check_sides(png.height, png.width, name, MASK)
    if png.color_type != 0 or png.bit_depth not in (8, 16):
        raise InputMaskError(
            f"{name} is a PNG with {png.kind}; a mask must be greyscale of 8 or 16 bits: save the label image "
            "itself, not a coloured picture of it."
        )
    pixel_bytes = png.height * png.width * png.bit_depth // 8
    check_expansion(pixel_bytes, len(png.compressed) * DEFLATE_EXPANSION, name, MASK)
    dtype = np.dtype(f"uint{png.bit_depth}")
    runs = png_runs(png)
    if runs is None:
        return _filled_type_checked(runs_from_array(_decode_png(data, name), name=name), dtype, name)
    row, x0, x1, label = runs
    found = LabelRuns((png.height, png.width), row, x0, x1, label)
    return _filled_type_checked(found, dtype, name)


def _decode_png(data: bytes, name: str) -> npt.NDArray[Any]:
    try:
        labels: npt.NDArray[Any] = imagecodecs.png_decode(data)
    except Exception as error:  # imagecodecs makes the class of libpng's errors at run time
        raise InputMaskError(f"{name} cannot be decoded ({error}); {MASK.again}.") from error
    return labels


def _read_tiff(data: bytes, name: str) -> npt.NDArray[Any]:
    with open_page(data, name, MASK) as (_, page):
        _check_type(page.dtype, name)
        check_whole(page, len(data), name, MASK)
        return stored_pixels(page, data)


def _checked_shape(shape: tuple[int, ...], name: str) -> tuple[int, int]:
    sides = plane_shape(shape)
    if sides is None:
        raise InputMaskError(
            f"{name} has shape {shape}; a label image has a height and a width: save one greyscale label image."
        )
    check_sides(sides[0], sides[1], name, MASK)
    return sides


def _check_type(dtype: np.dtype[Any], name: str) -> None:
    if dtype.kind not in "uif" or dtype == np.float16:
        raise InputMaskError(f"{name} has labels of type {dtype}; save them as uint16 or uint32.")


def _native(labels: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return `labels` in the byte order of this machine, the only one numba knows."""
    return labels.astype(labels.dtype.newbyteorder("="), copy=False)


def _whole_labels(value: npt.NDArray[Any], name: str) -> npt.NDArray[np.uint32]:
    """Return the labels of runs as uint32, checked; pixels without a run are 0 and need no check."""
    if value.size and not (value.min() >= 0 and value.max() <= 2**32 - 1):  # also False for NaN
        raise InputMaskError(
            f"{name} has labels from {value.min()} to {value.max()}; they must lie between 0 and 4294967295: save the "
            "labels as uint32."
        )
    labels = value.astype(np.uint32)
    if value.dtype.kind == "f" and (labels != value).any():
        example = value[labels != value][0]
        raise InputMaskError(
            f"{name} has a pixel of {example}, and labels are whole numbers: this is not a label image but perhaps a "
            "probability map; save the labels as uint32."
        )
    return labels


def _filled_type_checked(runs: LabelRuns, dtype: np.dtype[Any], name: str) -> LabelRuns:
    """Refuse labels that reach the end of their type: the writer may have begun again at 0 and merged nuclei."""
    largest = int(np.iinfo(dtype).max) if dtype.kind in "ui" else 2 ** (np.finfo(dtype).nmant + 1)
    if runs.label.size and int(runs.label.max()) >= largest:
        raise InputMaskError(
            f"{name} has the label {int(runs.label.max())}, but its type {dtype} holds none above {largest}, so others "
            "may have been merged or lost; save the labels as uint32 TIFF (a mask of 0 and 255 is not a label image)."
        )
    return runs


@compiled
def _count_runs(labels: npt.NDArray[Any]) -> int:
    count = 0
    for y in range(labels.shape[0]):
        count += labels[y, 0] != 0
        for x in range(1, labels.shape[1]):
            count += (labels[y, x] != 0) & (labels[y, x] != labels[y, x - 1])
    return count


@compiled
def _find_runs(labels: npt.NDArray[Any], count: int) -> tuple[npt.NDArray[np.int32], npt.NDArray[Any]]:
    """Return (row, x0, x1) of the `count` runs as int32 (3, count), and their values in the type of `labels`."""
    place = np.empty((3, count), np.int32)
    value = np.empty(count, labels.dtype)
    found = 0
    for y in range(labels.shape[0]):
        x = 0
        while x < labels.shape[1]:
            first = x
            label = labels[y, x]
            x += 1
            if label == 0:
                continue
            while x < labels.shape[1] and labels[y, x] == label:
                x += 1
            place[0, found], place[1, found], place[2, found] = y, first, x
            value[found] = label
            found += 1
    return place, value
