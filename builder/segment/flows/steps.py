"""Flows at the scale of the image, and the steps of pixels along them; compiled."""

import numba
import numpy as np
import numpy.typing as npt

from nucleusnet_core.compiled import compiled

from .flow_field import FLOW_SCALE

_HALF, _ONE, _TWO = np.float32(0.5), np.float32(1), np.float32(2)
_FLOW_SCALE = np.float32(FLOW_SCALE)
_SIDE_BY_SIDE = 8  # a step waits for the one before; those of other pixels fill the time

Frame = tuple[int, int, int, int]  # first row and column of the flows in the image, height and width of the image
Pixels = tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]  # rows and columns, px of the image
# Two places, and the weight of the second.
Taps = tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], npt.NDArray[np.float32]]
Point = tuple[np.float32, np.float32]  # y and x, -1 to 1 over the image


@numba.njit(nogil=True)
def _edge(flow: npt.NDArray[np.float32], i: int, j: int, south: np.float32, east: np.float32) -> Point:
    """Interpolate between four pixels of which some lie outside, where nothing flows."""
    move_y, move_x = np.float32(0), np.float32(0)
    for row, share_y in ((i, _ONE - south), (i + 1, south)):
        for column, share_x in ((j, _ONE - east), (j + 1, east)):
            if 0 <= row < flow.shape[0] and 0 <= column < flow.shape[1]:
                move_y += flow[row, column, 0] * (share_x * share_y)
                move_x += flow[row, column, 1] * (share_x * share_y)
    return move_y, move_x


@numba.njit(nogil=True, inline="always")  # its caller takes half as long again without
def _step(flow: npt.NDArray[np.float32], frame: Frame, y: np.float32, x: np.float32) -> Point:
    """Return where one step leads; between four pixels, flows are interpolated as `torch.grid_sample` does it."""
    row = (y + _ONE) * (np.float32(frame[2]) * _HALF) - _HALF
    column = (x + _ONE) * (np.float32(frame[3]) * _HALF) - _HALF
    above, before = np.floor(row), np.floor(column)
    south, east = row - above, column - before
    north, west = _ONE - south, _ONE - east
    i, j, one = np.uint64(int(above) - frame[0]), np.uint64(int(before) - frame[1]), np.uint64(1)
    if i < np.uint64(flow.shape[0] - 1) and j < np.uint64(flow.shape[1] - 1):  # below 0 is huge
        a, b, c, d = west * north, east * north, west * south, east * south
        move_y = flow[i, j, 0] * a + flow[i, j + one, 0] * b + flow[i + one, j, 0] * c + flow[i + one, j + one, 0] * d
        move_x = flow[i, j, 1] * a + flow[i, j + one, 1] * b + flow[i + one, j, 1] * c + flow[i + one, j + one, 1] * d
    else:
        move_y, move_x = _edge(flow, int(above) - frame[0], int(before) - frame[1], south, east)
    return min(max(y + move_y, -_ONE), _ONE), min(max(x + move_x, -_ONE), _ONE)


@compiled
def step_along(flow: npt.NDArray[np.float32], frame: Frame, steps: int, pixels: Pixels, ends: Pixels) -> None:
    """Let pixels follow flows; one that a step does not move has ended, as all further steps are the same.

    Args:
        flow: float32 (h, w, 2) y and x, in units in which half the image is 1.
        frame: where it lies in the image.
        steps: how many each pixel takes at most, 1 or more.
        pixels: rows and columns.
        ends: rows and columns of their ends, written.
    """
    span_y, span_x = np.float32(max(frame[2] - 1, 1)), np.float32(max(frame[3] - 1, 1))
    place_y, place_x = np.empty(_SIDE_BY_SIDE, np.float32), np.empty(_SIDE_BY_SIDE, np.float32)
    pixel, left = np.empty(_SIDE_BY_SIDE, np.int64), np.empty(_SIDE_BY_SIDE, np.int64)
    following, walking = 0, 0
    while following < pixels[0].size or walking:
        while walking < _SIDE_BY_SIDE and following < pixels[0].size:
            place_y[walking] = np.float32(pixels[0][following]) / span_y * _TWO - _ONE
            place_x[walking] = np.float32(pixels[1][following]) / span_x * _TWO - _ONE
            pixel[walking], left[walking] = following, steps
            following, walking = following + 1, walking + 1
        one = 0
        while one < walking:
            y, x = _step(flow, frame, place_y[one], place_x[one])
            left[one] -= 1
            if left[one] and (y != place_y[one] or x != place_x[one]):
                place_y[one], place_x[one] = y, x
                one += 1
                continue
            ends[0][pixel[one]] = int((y + _ONE) * _HALF * span_y)
            ends[1][pixel[one]] = int((x + _ONE) * _HALF * span_x)
            walking -= 1
            place_y[one], place_x[one] = place_y[walking], place_x[walking]
            pixel[one], left[one] = pixel[walking], left[walking]


@compiled
def enlarge(
    values: npt.NDArray[np.float32],
    taps: tuple[Taps, Taps],
    threshold: np.float32,
    unit: npt.NDArray[np.float32],
    result: tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]],
) -> None:
    """Enlarge flows as `rescale.bilinear` does, only where there are nuclei.

    Args:
        values: float32 (3, h, w): 5 x flow y, 5 x flow x, logit of the cell probability.
        taps: for each row and for each column of the result, where it lies in `values`.
        threshold: of the logit; what is above belongs to nuclei.
        unit: (2,) that a flow of one pixel has in the result, y and x.
        result: float32 (rows, columns, 2), zeros, gets the flows; bool (rows, columns), gets where the nuclei are.
    """
    (above, below, weight_y), (before, behind, weight_x) = taps
    flow, inside = result
    line = np.empty((3, values.shape[2]), np.float32)
    for row in range(above.size):
        near = _ONE - weight_y[row]
        for which in range(3):
            for place in range(values.shape[2]):
                first, second = values[which, above[row], place], values[which, below[row], place]
                line[which, place] = first * near + second * weight_y[row]
        for column in range(before.size):
            a, b, far = before[column], behind[column], weight_x[column]
            if line[2, a] * (_ONE - far) + line[2, b] * far > threshold:
                inside[row, column] = True
                for axis in range(2):
                    value = line[axis, a] * (_ONE - far) + line[axis, b] * far
                    flow[row, column, axis] = value / _FLOW_SCALE * unit[axis]
