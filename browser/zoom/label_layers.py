"""A mask and its outlines as pictures in a colour for each label."""

import functools
import operator
from typing import TYPE_CHECKING

import numpy as np

from nucleusnet_core.pictures.label_colours import Colours

from .libvips import vips

if TYPE_CHECKING:
    import pyvips

_TABLE_LABELS = (1 << 16) - 1  # libvips looks up no more, and 0 is the background


def coloured(mask: "pyvips.Image", colours: Colours) -> "pyvips.Image":
    """Return a mask as RGBA: the labels in their colours, the background transparent.

    Args:
        mask: labels.
        colours: uint8 (labels, 3); entry k is the colour of label k.
    """
    parts = []
    for before in _tables(len(colours) - 1):
        own = colours[before : before + _TABLE_LABELS + 1]
        table = np.zeros((256 if mask.format == "uchar" else _TABLE_LABELS + 1, 4), np.uint8)
        table[1 : len(own), :3] = own[1:]
        table[1 : len(own), 3] = 255
        lut = vips().Image.new_from_memory(table.tobytes(), len(table), 1, 4, "uchar")
        parts.append(_in_table(mask, before).maplut(lut))
    return functools.reduce(operator.or_, parts).copy(interpretation="srgb")


def contours(mask: "pyvips.Image", colours: Colours) -> "pyvips.Image":
    """Return the borders of the labels in their colours, three pixels wide, all else transparent."""
    wide = mask.embed(1, 1, mask.width + 2, mask.height + 2, extend="copy")
    spread = wide.rank(3, 3, 8) != wide.rank(3, 3, 0)
    lines = ((spread.crop(1, 1, mask.width, mask.height) & 1) * mask).cast(mask.format)
    return coloured(lines, colours)


def _tables(largest: int) -> range:
    """Return the label before the first one of each table that labels 1 to `largest` need."""
    return range(0, max(1, largest), _TABLE_LABELS)


def _in_table(mask: "pyvips.Image", before: int) -> "pyvips.Image":
    """Return a mask with only the labels of one table, counted from 1 on."""
    if mask.format != "uint":
        return mask
    index = mask - before
    return ((index > 0) & (index <= _TABLE_LABELS)).ifthenelse(index, 0).cast("ushort")
