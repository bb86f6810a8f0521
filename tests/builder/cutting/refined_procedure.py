"""Recipe `refined` step by step on whole images: slow, plain, in 40 digits, what the builder is held against."""

import math
from dataclasses import dataclass
from decimal import Decimal, getcontext
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

getcontext().prec = 40


@dataclass(frozen=True)
class RefinedCrop:
    pixels: npt.NDArray[Any]
    surroundings: npt.NDArray[Any]
    mask: npt.NDArray[np.bool_]
    rotation_deg: float
    side_px: int


def refine(image: npt.NDArray[Any], mask: npt.NDArray[np.bool_]) -> RefinedCrop | str:
    rows, columns = (index.tolist() for index in np.nonzero(mask))
    n = len(rows)
    mean_y, mean_x = Fraction(sum(rows), n), Fraction(sum(columns), n)
    offsets = [(n * y - sum(rows), n * x - sum(columns)) for y, x in zip(rows, columns, strict=True)]
    sine, cosine = direction(offsets, n)
    side = side_px(mask, (float(mean_y), float(mean_x)), (float(sine), float(cosine)))
    right_y, right_x = (fixed(part * side / 256) for part in (sine, cosine))
    down_y, down_x = right_x, -right_y
    row, column = np.mgrid[:256, :256]
    y = fixed(mean_y) - 255 * (right_y + down_y) // 2 + row * down_y + column * right_y
    x = fixed(mean_x) - 255 * (right_x + down_x) // 2 + row * down_x + column * right_x
    nudged_y, nudged_x = y + (right_y >> 12) + (down_y >> 13), x + (right_x >> 12) + (down_x >> 13)
    turned = look_up(mask, (nudged_y + 2**31) >> 32, (nudged_x + 2**31) >> 32)
    if not turned.any():
        return "empty_after_rotation"
    surroundings = interpolate(image, (y + 2**15) >> 16, (x + 2**15) >> 16)
    rotation = math.degrees(math.atan2(sine, cosine))
    return RefinedCrop(np.where(turned, surroundings, 0), surroundings, turned, rotation, side)


def fixed(number: Fraction | Decimal) -> int:
    """In 2**-32, rounded half up."""
    return math.floor(Fraction(number) * 2**32 + Fraction(1, 2))


def direction(offsets: list[tuple[int, int]], n: int) -> tuple[Decimal, Decimal]:
    """(y, x) of the unit vector along the major axis, towards the longer tail."""

    def moment(power_y: int, power_x: int) -> Decimal:
        exact = sum(y**power_y * x**power_x for y, x in offsets)
        return Decimal(exact) / Decimal(n) ** (power_y + power_x + 1)

    yy, xx, xy = moment(2, 0), moment(0, 2), moment(1, 1)
    root = ((xx - yy) ** 2 + 4 * xy**2).sqrt()
    if root == 0:
        sine, cosine = Decimal(0), Decimal(1)
    else:
        sine, cosine = ((1 - (xx - yy) / root) / 2).sqrt(), ((1 + (xx - yy) / root) / 2).sqrt()
        sine = -sine if xy < 0 else sine
    spread = cosine**2 * xx + 2 * cosine * sine * xy + sine**2 * yy
    tail = (
        cosine**3 * moment(0, 3)
        + 3 * cosine**2 * sine * moment(1, 2)
        + 3 * cosine * sine**2 * moment(2, 1)
        + sine**3 * moment(3, 0)
    )
    turn = spread > 0 and tail / spread ** Decimal("1.5") < Decimal("-0.001")
    return (-sine, -cosine) if turn else (sine, cosine)


def side_px(mask: npt.NDArray[np.bool_], centre: tuple[float, float], axis: tuple[float, float]) -> int:
    """256, 288, 320, ...: the first square that holds the corners of all turned pixels."""
    rows, columns = np.nonzero(mask)
    reach = 0.0
    for up, left in ((-0.5, -0.5), (-0.5, 0.5), (0.5, -0.5), (0.5, 0.5)):
        y, x = rows + up - centre[0], columns + left - centre[1]
        reach = max(reach, np.abs(axis[1] * x + axis[0] * y).max(), np.abs(axis[1] * y - axis[0] * x).max())
    side = 256
    while side / 2 < reach - 1e-6:
        side += 32
    return side


def look_up(values: npt.NDArray[Any], y: npt.NDArray[np.int64], x: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
    """Pixels by index; 0 beyond the border."""
    padded = np.pad(values, 1)
    return padded[np.clip(y, -1, values.shape[0]) + 1, np.clip(x, -1, values.shape[1]) + 1]


def interpolate(image: npt.NDArray[Any], y: npt.NDArray[np.int64], x: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
    """Weight the four neighbours of positions in 2**-16 px."""
    row, column, below, right = y >> 16, x >> 16, y % 65536, x % 65536
    total = np.full(y.shape, 2**31, np.int64)
    for next_y, weight_y in ((0, 65536 - below), (1, below)):
        for next_x, weight_x in ((0, 65536 - right), (1, right)):
            total += look_up(image, row + next_y, column + next_x).astype(np.int64) * weight_y * weight_x
    return (total >> 32).astype(image.dtype)
