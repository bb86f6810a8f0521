"""Images between the camera's scale and the network's; any part of the result on its own, with the same numbers."""

from typing import Any

import numpy as np
import numpy.typing as npt

_ROWS_AT_A_TIME = 256
_SAMPLED_ABOVE_PX, _SAMPLED_SIDE = 224**3, 224

Span = tuple[int, int]


def bilinear(
    image: npt.NDArray[Any], shape: tuple[int, int], *, rows: Span | None = None, columns: Span | None = None
) -> npt.NDArray[np.float32]:
    """Resize the last two axes of an image; the numbers are those of `cv2.resize` with INTER_LINEAR.

    Args:
        image: (..., h, w) of any number type.
        shape: (H, W) of the whole result.
        rows: first and last + 1 of the rows of the result that are wanted, default all.
        columns: the same of its columns.

    Returns:
        float32 (..., rows, columns).
    """
    (y0, y1), (x0, x1) = rows or (0, shape[0]), columns or (0, shape[1])
    result = np.empty((*image.shape[:-2], y1 - y0, x1 - x0), np.float32)
    left, right, weight_x = taps(image.shape[-1], shape[1], (x0, x1))
    for start in range(y0, y1, _ROWS_AT_A_TIME):
        stop = min(start + _ROWS_AT_A_TIME, y1)
        above, below, weight_y = taps(image.shape[-2], shape[0], (start, stop))
        weight_y = weight_y[:, None]
        lines = image[..., above, :] * (1 - weight_y) + image[..., below, :] * weight_y
        result[..., start - y0 : stop - y0, :] = lines[..., left] * (1 - weight_x) + lines[..., right] * weight_x
    return result


def nearest(labels: npt.NDArray[Any], shape: tuple[int, int]) -> npt.NDArray[Any]:
    """Resize a label image (h, w) to (H, W) without making new labels, as `cv2.resize` with INTER_NEAREST."""
    rows, columns = (
        np.minimum(np.arange(new) * (1 / (new / old)), old - 1).astype(np.intp)
        for old, new in zip(labels.shape, shape, strict=True)
    )
    enlarged: npt.NDArray[Any] = labels[rows[:, None], columns]
    return enlarged


def intensity_range(pixels: npt.NDArray[Any]) -> tuple[float, float]:
    """Return the 1st and 99th percentile of an image (H, W); of large ones, of every n-th pixel.

    Source: cellpose 4.2.1.1, `transforms.normalize99(downsample=True)`.
    """
    steps = [max(1, side // _SAMPLED_SIDE) if pixels.size > _SAMPLED_ABOVE_PX else 1 for side in pixels.shape]
    low, high = np.percentile(pixels[:: steps[0], :: steps[1]].astype(np.float32), (1, 99))
    return float(low), float(high)


def normalised(pixels: npt.NDArray[np.float32], limits: tuple[float, float]) -> npt.NDArray[np.float32]:
    """Scale pixels so that the limits become 0 and 1; an image without contrast becomes 0."""
    low, high = limits
    if high - low <= 1e-3:
        return np.zeros_like(pixels)
    scaled: npt.NDArray[np.float32] = (pixels - np.float32(low)) / np.float32(high - low)
    return scaled


def taps(old: int, new: int, span: Span) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], npt.NDArray[np.float32]]:
    """Return for each place of the result the two places it lies between, and the weight of the second."""
    place = np.clip((np.arange(*span) + 0.5) * (old / new) - 0.5, 0, old - 1)
    first = place.astype(np.intp)
    return first, np.minimum(first + 1, old - 1), (place - first).astype(np.float32)
