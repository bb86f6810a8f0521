"""Channels in pictures: which are shown, and their colours."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ..contract import image_columns
from ..errors import SelectionError
from ..manifest import Manifest

COLOURS = {
    "sky blue": (86, 180, 233),
    "orange": (230, 159, 0),
    "green": (0, 158, 115),
    "yellow": (240, 228, 66),
    "vermilion": (213, 94, 0),
    "purple": (204, 121, 167),
    "blue": (0, 114, 178),
}
"""Of the channels in their order, as in the pages of `browse`; people with any colour vision tell them apart.

Source: Okabe and Ito, Color Universal Design (2008).
"""


def shown_channels(manifest: Manifest, only: str | None = None) -> dict[str, str]:
    """Return name and column of the channels that a picture shows: the only one, or as many as there are colours.

    Args:
        manifest: of the dataset.
        only: the one channel to show; None for all.

    Raises:
        SelectionError: the dataset has no such channel.
    """
    columns = dict(zip(manifest.channels or [""], image_columns(manifest.channels), strict=True))
    if only is None:
        return dict(list(columns.items())[: len(COLOURS)])
    if only not in columns or not only:
        has = f"its channels are {', '.join(columns)}" if manifest.channels else "its only channel has no name"
        raise SelectionError(f"--channel: the dataset has no channel {only}; {has}.")
    return {only: columns[only]}


def composite(layers: Sequence[npt.NDArray[np.uint8]]) -> npt.NDArray[np.uint8]:
    """Return grey pictures (height, width), each in the colour of its place, added up: (height, width, 3)."""
    mixed = np.zeros((*layers[0].shape, 3), np.float32)
    for layer, colour in zip(layers, COLOURS.values(), strict=False):
        mixed += layer[:, :, None] * (np.array(colour, np.float32) / 255)
    return np.minimum(mixed, 255).astype(np.uint8)
