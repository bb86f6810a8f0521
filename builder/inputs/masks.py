"""Label images as horizontal runs, read from the files that segmentation programs write.

A mask of 12,500 x 12,500 px holds some 120,000 runs. Bounding boxes, areas, moments and crops come from those; for
the PNG that cellpose writes the label image itself is never built.
"""

import io
from dataclasses import dataclass
from typing import Any

import imagecodecs
import numpy as np
import tifffile
from numpy.typing import NDArray

from nucleusnet_core.errors import InputMaskError

from ..compiled import compiled
from .images import missing_parts
from .mask_png import PNG_SIGNATURE, PngFile, png_runs, read_png
from .seg_npy import read_seg_npy

MAX_SIDE_PX = 60_000
# No codec gains more on a label image; what claims to is refused before allocation.
_DEFLATE_EXPANSION = 1_040
_TIFF_EXPANSION = 40_000
_TIFF_SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
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
    row: NDArray[np.int32]
    x0: NDArray[np.int32]
    x1: NDArray[np.int32]
    label: NDArray[np.uint32]


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
        raise InputMaskError(f"{name}: expected a label image, found an empty file; write the mask again.")
    if data.startswith(PNG_SIGNATURE):
        return _read_png_runs(data, name)
    if data.startswith(_TIFF_SIGNATURES):
        labels = _native(_read_tiff(data, name))
        return _filled_type_checked(runs_from_array(labels, name=name), labels.dtype, name)
    if data.startswith(_NPY_SIGNATURE):
        if not allow_pickle:
            raise InputMaskError(
                f"{name}: expected a PNG or TIFF label image, found a NumPy file of pickled objects; save the "
                "masks as PNG or TIFF, or pass --allow-pickle."
            )
        labels = _native(read_seg_npy(data, name))
        return _filled_type_checked(runs_from_array(labels, name=name), labels.dtype, name)
    raise InputMaskError(
        f"{name}: expected a PNG or TIFF label image, found a file that starts with {data[:8]!r}; "
        "save the masks as 16-bit PNG or 32-bit TIFF."
    )


def runs_from_array(labels: NDArray[Any], *, name: str = "mask") -> LabelRuns:
    """Find the runs of a label image (H, W) of integers, or of floats that hold whole numbers.

    Raises:
        InputMaskError: not two-dimensional, or a pixel is negative, fractional or above 2**32 - 1.
    """
    _check_shape(labels.shape, name)
    _check_type(labels.dtype, name)
    labels = np.ascontiguousarray(_native(labels))
    place, value = _find_runs(labels, _count_runs(labels))
    row, x0, x1 = place
    return LabelRuns((labels.shape[0], labels.shape[1]), row, x0, x1, _whole_labels(value, name))


def _read_png_runs(data: bytes, name: str) -> LabelRuns:
    png = read_png(data, name)
    _check_shape((png.height, png.width), name)
    if png.color_type != 0 or png.bit_depth not in (8, 16):
        raise InputMaskError(
            f"{name}: expected a greyscale PNG of 8 or 16 bits, found {_png_kind(png)}; "
            "save the label image itself, not a coloured rendering of it."
        )
    _check_expansion(png.height * png.width * png.bit_depth // 8, len(png.compressed) * _DEFLATE_EXPANSION, name)
    dtype = np.dtype(f"uint{png.bit_depth}")
    runs = png_runs(png)
    if runs is None:
        return _filled_type_checked(runs_from_array(_decode_png(data, name), name=name), dtype, name)
    row, x0, x1, label = runs
    found = LabelRuns((png.height, png.width), row, x0, x1, label)
    return _filled_type_checked(found, dtype, name)


def _png_kind(png: PngFile) -> str:
    kinds = {0: "greyscale", 2: "RGB", 3: "palette", 4: "greyscale with alpha", 6: "RGBA"}
    return f"{kinds.get(png.color_type, 'unknown')} of {png.bit_depth} bits"


def _decode_png(data: bytes, name: str) -> NDArray[Any]:
    try:
        labels: NDArray[Any] = imagecodecs.png_decode(data)
    except Exception as error:  # libpng reports every kind of damage by one class that imagecodecs makes at run time
        raise _damaged(name, error) from error
    return labels


def _read_tiff(data: bytes, name: str) -> NDArray[Any]:
    try:
        with io.BytesIO(data) as file, tifffile.TiffFile(file) as tiff:
            _check_tiff(tiff, len(data), name)
            labels: NDArray[Any] = tiff.pages[0].asarray()
    except InputMaskError:
        raise
    except Exception as error:  # every codec has its own errors
        raise _damaged(name, error) from error
    return labels


def _check_tiff(tiff: Any, file_bytes: int, name: str) -> None:
    """Refuse what is no single label image, and what a truncated file or a few bytes only claim to hold."""
    series = tiff.series
    if len(series) != 1 or len(series[0].shape) != 2 or len(tiff.pages) != 1:
        shapes = [tuple(one.shape) for one in series]
        raise InputMaskError(
            f"{name}: expected one label image (height, width), found {shapes} on {len(tiff.pages)} pages; "
            "save one greyscale label image per file."
        )
    page = tiff.pages[0]
    _check_shape(page.shape, name)
    _check_type(page.dtype, name)
    end = max((at + size for at, size in zip(page.dataoffsets, page.databytecounts, strict=True)), default=0)
    if end > file_bytes:
        raise InputMaskError(
            f"{name}: expected {end} bytes, found {file_bytes}: the file is truncated; copy or write it again."
        )
    _check_expansion(page.nbytes, file_bytes * _TIFF_EXPANSION, name)
    if missing := missing_parts(page):
        raise InputMaskError(
            f"{name}: {missing} strips or tiles of pixels are missing: it was not written to its end; write it again."
        )


def _damaged(name: str, error: Exception) -> InputMaskError:
    return InputMaskError(f"{name}: the mask cannot be decoded ({error}); copy or write it again.")


def _check_shape(shape: tuple[int, ...], name: str) -> None:
    if len(shape) != 2 or 0 in shape:
        raise InputMaskError(
            f"{name}: expected a label image (height, width), found shape {shape}; save one greyscale label image."
        )
    if max(shape) > MAX_SIDE_PX:
        raise InputMaskError(
            f"{name}: expected at most {MAX_SIDE_PX} px a side, found {shape[0]} x {shape[1]}; "
            "cut the stitched image into smaller ones."
        )


def _check_type(dtype: np.dtype[Any], name: str) -> None:
    if dtype.kind not in "uif" or dtype == np.float16:
        raise InputMaskError(f"{name}: expected integer labels, found {dtype}; save the labels as uint16 or uint32.")


def _check_expansion(pixel_bytes: int, possible_bytes: int, name: str) -> None:
    if pixel_bytes > possible_bytes:
        raise InputMaskError(
            f"{name}: declares {pixel_bytes} bytes of pixels, but so small a file holds at most {possible_bytes}: "
            "the file is truncated or was made up; write the mask again."
        )


def _native(labels: NDArray[Any]) -> NDArray[Any]:
    """Return `labels` in the byte order of this machine, the only one numba knows."""
    return labels.astype(labels.dtype.newbyteorder("="), copy=False)


def _whole_labels(value: NDArray[Any], name: str) -> NDArray[np.uint32]:
    """Check the labels of runs and return them as uint32; pixels without a run are 0 and need no check."""
    if value.size and not (value.min() >= 0 and value.max() <= 2**32 - 1):  # also False for NaN
        found = f"{value.min()} to {value.max()}"
        raise InputMaskError(f"{name}: expected labels of 0 to 4294967295, found {found}; save the labels as uint32.")
    labels = value.astype(np.uint32)
    if value.dtype.kind == "f" and (labels != value).any():
        example = value[labels != value][0]
        raise InputMaskError(
            f"{name}: expected whole numbers, found {example}; this is no label image but perhaps a probability map."
        )
    return labels


def _filled_type_checked(runs: LabelRuns, dtype: np.dtype[Any], name: str) -> LabelRuns:
    """Refuse labels that reach the end of their type: the writer may have wrapped round to 0 and merged nuclei."""
    largest = int(np.iinfo(dtype).max) if dtype.kind in "ui" else 2 ** (np.finfo(dtype).nmant + 1)
    if runs.label.size and int(runs.label.max()) >= largest:
        raise InputMaskError(
            f"{name}: more labels than the type holds: expected labels below {largest}, the last one of {dtype}, "
            f"found {int(runs.label.max())}, so others may have been merged or lost; "
            "save the labels as uint32 TIFF (a mask of 0 and 255 is no label image)."
        )
    return runs


@compiled
def _count_runs(labels: NDArray[Any]) -> int:
    count = 0
    for y in range(labels.shape[0]):
        count += labels[y, 0] != 0
        for x in range(1, labels.shape[1]):
            count += (labels[y, x] != 0) & (labels[y, x] != labels[y, x - 1])
    return count


@compiled
def _find_runs(labels: NDArray[Any], count: int) -> tuple[NDArray[np.int32], NDArray[Any]]:
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
