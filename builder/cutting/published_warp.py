"""The published rotation, computed only where one nucleus lies.

`cv2.warpAffine` (bilinear, zero border) of OpenCV 4.5.5 to 4.12 works in fixed point: source coordinates are
rounded to 1/1024 px, cut to 1/32 px, and the four neighbours are weighted in 1/1024. Doing the same for pixels
and mask in one pass over the rectangle that the rotated contour spans gives the same result, bit for bit, at a
fraction of the cost. 16-bit images follow OpenCV's other branch: float32 sums, rounded half to even.

Source: OpenCV 4.12, modules/imgproc/src/imgwarp.cpp (warpAffine, WarpAffineInvoker, remapBilinear).
"""

import threading
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from nucleusnet_core.compiled import compiled
from nucleusnet_core.contract import CROP_PX

WINDOW_PX = 364

# A source position is one int64: its pixel and mask bit in the low half, those of the pixel below in the high half.
# Weighted pixels of 8 bits stay below 2**18 and weighted mask bits below 2**11, so one product interpolates all.
_MASK_BIT = 20
_HALF_BITS = 32
_PIXEL_FIELD = (1 << _MASK_BIT) - 1
_LOW_HALF = (1 << _HALF_BITS) - 1
_MASK_FIELDS = 1 | 1 << _HALF_BITS
_HALF_WEIGHT = 512  # a rotated mask pixel counts from one half on: bilinear interpolation of 0 and 1, rounded
_OUTSIDE = -1


class Placement(NamedTuple):
    """Where the mask of one nucleus lies, and how it is turned.

    Attributes:
        corner: (row, column) of the mask patch in the stitched image.
        window: (row, column) of the 364 px window in the stitched image.
        matrix: float64 (2, 3), forward rotation in window coordinates.
    """

    corner: tuple[int, int]
    window: tuple[int, int]
    matrix: npt.NDArray[np.float64]


class Scratch(threading.local):
    """Memory that one thread uses again for every nucleus; new memory each time costs more than the arithmetic.

    Attributes:
        paired: int64, room for the source of one nucleus.
        warped: int32, room for one rotated window.
    """

    def __init__(self) -> None:
        self.paired = np.empty((WINDOW_PX + 2) ** 2, np.int64)
        self.warped = np.empty(WINDOW_PX**2, np.int32)


class _Grid(NamedTuple):
    """Rectangle of the rotated window that is computed: half-open rows and columns, px."""

    y0: int
    y1: int
    x0: int
    x1: int


@compiled
def warp_nucleus(
    image: npt.NDArray[Any],
    mask: npt.NDArray[np.uint8],
    placement: Placement,
    points: npt.NDArray[np.int32],
    buffers: tuple[npt.NDArray[Any], npt.NDArray[np.bool_], npt.NDArray[np.int64], npt.NDArray[np.int32]],
) -> tuple[int, int, bool]:
    """Rotate one nucleus and write the 256 px frame centred on it; nothing is written outside the rotated mask.

    Args:
        image: stitched image (H, W) uint8 or uint16.
        mask: 0/1 patch of the nucleus, its outermost pixels 0.
        placement: of the patch.
        points: contour points of the nucleus, (n, 2) as (x, y) in window coordinates.
        buffers: pixels, (256, 256) zeros in the type of the image, and mask, (256, 256) False, both filled; then the
            arrays of a `Scratch`.

    Returns:
        (row, column) of the frame in the window, or (-1, -1) where the rotated mask is empty; and whether the
        frame lacks a part of the nucleus.
    """
    grid, clipped = _reach(points, placement.matrix)
    paired = _pair(image, mask, placement, buffers[2])
    warped = _warp(paired, placement, grid, buffers[3], image.itemsize > 1)
    top, bottom, left, right = _support(warped)
    if bottom < 0:
        return -1, -1, True
    frame_y, frame_x = _frame_start(grid.y0 + top, grid.y0 + bottom), _frame_start(grid.x0 + left, grid.x0 + right)
    _write(warped, (grid.y0 - frame_y, grid.x0 - frame_x), buffers[0], buffers[1])
    return frame_y, frame_x, clipped or max(right - left, bottom - top) >= CROP_PX


@compiled
def warp_frame(
    image: npt.NDArray[Any],
    placement: Placement,
    frame: tuple[int, int],
    buffers: tuple[npt.NDArray[Any], npt.NDArray[np.bool_], npt.NDArray[np.int64], npt.NDArray[np.int32]],
) -> None:
    """Rotate the window and write its whole frame, surroundings included; what the window does not hold is 0.

    Args:
        image: stitched image (H, W) uint8 or uint16.
        placement: of the nucleus; its patch does not matter.
        frame: (row, column) of the frame in the window.
        buffers: as for `warp_nucleus`; the mask becomes what the window holds.
    """
    corner = (placement.window[0] - 1, placement.window[1] - 1)
    whole = Placement(corner, placement.window, placement.matrix)
    paired = _pair(image, np.ones((WINDOW_PX + 2, WINDOW_PX + 2), np.uint8), whole, buffers[2])
    grid = _Grid(frame[0], frame[0] + CROP_PX, frame[1], frame[1] + CROP_PX)
    warped = _warp(paired, whole, grid, buffers[3], image.itemsize > 1)
    _write(warped, (0, 0), buffers[0], buffers[1])


@compiled
def _reach(points: npt.NDArray[np.int32], matrix: npt.NDArray[np.float64]) -> tuple[_Grid, bool]:
    """Return the part of the window that the rotated contour can reach, and whether the contour leaves the window."""
    y0, y1, x0, x1 = np.inf, -np.inf, np.inf, -np.inf
    for i in range(points.shape[0]):
        x = matrix[0, 0] * points[i, 0] + matrix[0, 1] * points[i, 1] + matrix[0, 2]
        y = matrix[1, 0] * points[i, 0] + matrix[1, 1] * points[i, 1] + matrix[1, 2]
        y0, y1, x0, x1 = min(y0, y), max(y1, y), min(x0, x), max(x1, x)
    leaves = min(y0, x0) < -0.5 or max(y1, x1) > WINDOW_PX - 0.5
    rows = max(0, int(np.floor(y0)) - 2), min(WINDOW_PX, int(np.ceil(y1)) + 3)
    columns = max(0, int(np.floor(x0)) - 2), min(WINDOW_PX, int(np.ceil(x1)) + 3)
    return _Grid(rows[0], max(rows), columns[0], max(columns)), leaves


@compiled
def _pair(
    image: npt.NDArray[Any], mask: npt.NDArray[np.uint8], placement: Placement, room: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """Return each pixel joined with its mask bit and the same of the pixel below; pixels outside the window are 0."""
    height, width = mask.shape
    corner, window = placement.corner, placement.window
    y0, y1 = max(0, window[0] - corner[0]), min(height, window[0] + WINDOW_PX - corner[0])
    x0, x1 = max(0, window[1] - corner[1]), min(width, window[1] + WINDOW_PX - corner[1])
    paired = room[: height * width].reshape(height, width)
    here = np.zeros(width, np.int64)
    for y in range(height - 1, -1, -1):
        _push_row(paired[y], here, mask[y])
        if y0 <= y < y1:
            _add_pixels(paired[y, x0:x1], here[x0:x1], image[corner[0] + y, corner[1] + x0 : corner[1] + x1])
    return paired


@compiled
def _push_row(paired: npt.NDArray[np.int64], here: npt.NDArray[np.int64], mask: npt.NDArray[np.uint8]) -> None:
    """Move the row in `here` below the next one, of which the mask bits are put in place."""
    for x in range(paired.size):
        bit = np.int64(mask[x]) << _MASK_BIT
        paired[x] = here[x] << _HALF_BITS | bit
        here[x] = bit


@compiled
def _add_pixels(paired: npt.NDArray[np.int64], here: npt.NDArray[np.int64], pixels: npt.NDArray[Any]) -> None:
    for x in range(paired.size):
        paired[x] |= np.int64(pixels[x])
        here[x] |= np.int64(pixels[x])


@compiled
def _inverse(matrix: npt.NDArray[np.float64]) -> tuple[float, float, float, float, float, float]:
    """Return the inverse of a 2 x 3 affine matrix, by the operations of `cv2.warpAffine` in their order."""
    determinant = matrix[0, 0] * matrix[1, 1] - matrix[0, 1] * matrix[1, 0]
    scale = 1.0 / determinant if determinant != 0 else 0.0
    xx, yy = matrix[1, 1] * scale, matrix[0, 0] * scale
    xy, yx = matrix[0, 1] * -scale, matrix[1, 0] * -scale
    x_shift = -xx * matrix[0, 2] - xy * matrix[1, 2]
    y_shift = -yx * matrix[0, 2] - yy * matrix[1, 2]
    return xx, xy, x_shift, yx, yy, y_shift


@compiled
def _fixed(value: float) -> int:
    """Return a value in 1/1024, rounded half to even."""
    return int(np.rint(value * 1024.0))


@compiled
def _warp(
    paired: npt.NDArray[np.int64], placement: Placement, grid: _Grid, room: npt.NDArray[np.int32], wide: bool
) -> npt.NDArray[np.int32]:
    """Return the samples of every pixel of `grid`, -1 where the rotated mask is 0."""
    xx, xy, x_shift, yx, yy, y_shift = _inverse(placement.matrix)
    width = grid.x1 - grid.x0
    x_step, y_step = np.empty(width, np.int64), np.empty(width, np.int64)
    for i in range(width):
        x_step[i], y_step[i] = _fixed(xx * (grid.x0 + i)), _fixed(yx * (grid.x0 + i))
    # Positions count from the patch instead of the window; half of 1/32 px rounds when the last 5 bits are cut.
    x_origin = ((placement.corner[1] - placement.window[1]) << 10) - 16
    y_origin = ((placement.corner[0] - placement.window[0]) << 10) - 16
    limit = (paired.shape[0] - 1) << 10, (paired.shape[1] - 1) << 10
    warped = room[: (grid.y1 - grid.y0) * width].reshape(grid.y1 - grid.y0, width)
    for j in range(grid.y1 - grid.y0):
        y = grid.y0 + j
        start = _fixed(yy * y + y_shift) - y_origin, _fixed(xy * y + x_shift) - x_origin
        first, last = _span(start, y_step, x_step, limit)
        warped[j, :first] = _OUTSIDE
        warped[j, last:] = _OUTSIDE
        if wide:
            _sample_16(paired, start, y_step[first:last], x_step[first:last], warped[j, first:last])
        else:
            _sample_8(paired, start, y_step[first:last], x_step[first:last], warped[j, first:last])
    return warped


@compiled
def _span(
    start: tuple[int, int], y_step: npt.NDArray[np.int64], x_step: npt.NDArray[np.int64], limit: tuple[int, int]
) -> tuple[int, int]:
    """Return the first step of an output row that lies inside the patch, and the one after the last."""
    first, last = 0, x_step.size
    while first < last:
        y, x = start[0] + y_step[first], start[1] + x_step[first]
        if 0 <= y < limit[0] and 0 <= x < limit[1]:
            break
        first += 1
    while last > first:
        y, x = start[0] + y_step[last - 1], start[1] + x_step[last - 1]
        if 0 <= y < limit[0] and 0 <= x < limit[1]:
            break
        last -= 1
    return first, last


@compiled
def _sample_8(
    paired: npt.NDArray[np.int64],
    start: tuple[int, int],
    y_step: npt.NDArray[np.int64],
    x_step: npt.NDArray[np.int64],
    out: npt.NDArray[np.int32],
) -> None:
    """Interpolate 8-bit pixels and mask bits in one integer product."""
    for i in range(out.size):
        y, x = (start[0] + y_step[i]) >> 5, (start[1] + x_step[i]) >> 5
        left, right = paired[np.uint64(y >> 5), np.uint64(x >> 5)], paired[np.uint64(y >> 5), np.uint64((x >> 5) + 1)]
        both_rows = (left << 5) + (x & 31) * (right - left)
        above = both_rows & _LOW_HALF
        total = (above << 5) + (y & 31) * ((both_rows >> _HALF_BITS) - above)
        pixel = (total & _PIXEL_FIELD) + 512 >> 10
        out[i] = pixel if total >> _MASK_BIT >= _HALF_WEIGHT else _OUTSIDE


@compiled
def _sample_16(
    paired: npt.NDArray[np.int64],
    start: tuple[int, int],
    y_step: npt.NDArray[np.int64],
    x_step: npt.NDArray[np.int64],
    out: npt.NDArray[np.int32],
) -> None:
    """Interpolate the mask in integers, and 16-bit pixels as OpenCV does: float32, left to right, half to even."""
    for i in range(out.size):
        y, x = (start[0] + y_step[i]) >> 5, (start[1] + x_step[i]) >> 5
        left, right = paired[y >> 5, x >> 5], paired[y >> 5, (x >> 5) + 1]
        mask_left, mask_right = (left >> _MASK_BIT) & _MASK_FIELDS, (right >> _MASK_BIT) & _MASK_FIELDS
        both_rows = (mask_left << 5) + (x & 31) * (mask_right - mask_left)
        weight = (32 - (y & 31)) * (both_rows & _LOW_HALF) + (y & 31) * (both_rows >> _HALF_BITS)
        to_right, to_below = np.float32(x & 31) / np.float32(32), np.float32(y & 31) / np.float32(32)
        to_left, to_above = np.float32(1) - to_right, np.float32(1) - to_below
        total = np.float32(left & 0xFFFF) * (to_above * to_left)
        total += np.float32(right & 0xFFFF) * (to_above * to_right)
        total += np.float32(left >> _HALF_BITS & 0xFFFF) * (to_below * to_left)
        total += np.float32(right >> _HALF_BITS & 0xFFFF) * (to_below * to_right)
        out[i] = np.int32(np.rint(total)) if weight >= _HALF_WEIGHT else _OUTSIDE


@compiled
def _support(warped: npt.NDArray[np.int32]) -> tuple[int, int, int, int]:
    """Return first and last row, first and last column of the rotated mask; the last row is -1 where it is empty."""
    height, width = warped.shape
    top, bottom, left, right = height, -1, width, -1
    for y in range(height):
        first = 0
        while first < width and warped[y, first] < 0:
            first += 1
        if first == width:
            continue
        last = width - 1
        while warped[y, last] < 0:
            last -= 1
        top, bottom, left, right = min(top, y), y, min(left, first), max(right, last)
    return top, bottom, left, right


@compiled
def _frame_start(first: int, last: int) -> int:
    """Return the start of the 256 px frame around the middle of first..last, moved inside the window."""
    return min(max(0, (first + last) // 2 - CROP_PX // 2), WINDOW_PX - CROP_PX)


@compiled
def _write(
    warped: npt.NDArray[np.int32], at: tuple[int, int], pixels: npt.NDArray[Any], mask: npt.NDArray[np.bool_]
) -> None:
    """Copy what lies in the frame; `at` is the row and column of `warped` in it."""
    y0, y1 = max(0, at[0]), min(CROP_PX, at[0] + warped.shape[0])
    x0, x1 = max(0, at[1]), min(CROP_PX, at[1] + warped.shape[1])
    for y in range(y0, y1):
        _write_row(warped[y - at[0], x0 - at[1] : x1 - at[1]], pixels[y, x0:x1], mask[y, x0:x1])


@compiled
def _write_row(values: npt.NDArray[np.int32], pixels: npt.NDArray[Any], mask: npt.NDArray[np.bool_]) -> None:
    for i in range(values.size):
        pixels[i] = max(values[i], 0)
        mask[i] = values[i] >= 0
