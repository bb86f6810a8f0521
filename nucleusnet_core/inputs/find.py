"""What a folder holds: images, each with its mask, and the channels that they have."""

from dataclasses import replace
from pathlib import Path

from .channels import find_channels
from .pairs import USUAL, FindOptions, FoundInputs, find_sources


def find_inputs(folder: Path, options: FindOptions = USUAL) -> FoundInputs:
    """Pair the stitched images of a folder with their masks, and find their channels in the headers of a few.

    Args:
        folder: holds the images.
        options: where masks are, and what names, sample sheet and user say.

    Raises:
        UsageError: as `find_sources`, or the channels cannot be told.
        PairingError: as `find_sources`.
    """
    found = find_sources(folder, options)
    if found.channels.names:
        return found
    return replace(found, channels=find_channels([source.image_path for source in found.sources], options.channels))
