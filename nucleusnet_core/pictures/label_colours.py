"""A colour of its own for every label: random to the eye, and the label can be read back from it."""

import numpy as np
import numpy.typing as npt

from nucleusnet_core.orders import random_keys

Colours = npt.NDArray[np.uint8]

_COLOURS = int.from_bytes(b"colours", "big")
_LEAST_VALUE, _LEAST_SATURATION = 190, 110
_BLOCK = 4096
MAX_COLOURS = 1 << 20
"""So many labels have colours of their own; that is a seventh of all colours that are bright enough."""


def label_colours(count: int, *, seed: int) -> Colours:
    """Return bright, different colours for labels 0 to `count - 1`.

    Args:
        count: number of labels, at most `MAX_COLOURS`.
        seed: another one gives other colours.

    Returns:
        RGB, uint8 (count, 3).
    """
    chosen: npt.NDArray[np.uint32] = np.zeros(0, np.uint32)
    attempt = 0
    while len(chosen) < count:
        more = 1 + len(chosen) // _BLOCK  # as many again: to find equal ones takes the longer the more there are
        # The first of equal colours stays, so that the colour of a label does not depend on how many there are.
        chosen = np.concatenate([chosen, *(_bright(seed, attempt + block) for block in range(more))])
        chosen = chosen[np.sort(np.unique(chosen, return_index=True)[1])]
        attempt += more
    return unpacked(chosen[:count])


def colours_of(labels: npt.NDArray[np.uint32], *, seed: int) -> Colours:
    """Return the colour of each label, the same as in every other picture of this seed.

    Args:
        labels: uint32 (n,) up to 2**32 - 1; those that are `MAX_COLOURS` apart share a colour.
        seed: another one gives other colours.

    Returns:
        RGB, uint8 (n, 3).
    """
    places = labels % np.uint32(MAX_COLOURS)
    colours: Colours = label_colours(int(places.max(initial=0)) + 1, seed=seed)[places]
    return colours


def _bright(seed: int, attempt: int) -> npt.NDArray[np.uint32]:
    bytes_ = random_keys(_BLOCK, seed, _COLOURS, attempt).view(np.uint8).reshape(-1, 8)[:, :3]
    value, low = bytes_.max(axis=1).astype(int), bytes_.min(axis=1).astype(int)
    return packed(bytes_[(value >= _LEAST_VALUE) & (value - low >= _LEAST_SATURATION)])


def packed(colours: Colours) -> npt.NDArray[np.uint32]:
    """Return RGB uint8 (n, 3) as numbers 0xRRGGBB, uint32 (n,)."""
    red, green, blue = (colours[:, band].astype(np.uint32) for band in range(3))
    numbers: npt.NDArray[np.uint32] = (red << 16 | green << 8 | blue).astype(np.uint32)
    return numbers


def unpacked(numbers: npt.NDArray[np.uint32]) -> Colours:
    """Return numbers 0xRRGGBB, uint32 (n,), as RGB uint8 (n, 3)."""
    return np.stack([numbers >> 16, numbers >> 8 & 255, numbers & 255], axis=1).astype(np.uint8)
