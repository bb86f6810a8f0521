"""What a file is read as, an image or a mask: how errors speak of it, and how large it may be."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..errors import InputImageError, InputMaskError

MAX_SIDE_PX = 60_000


@dataclass(frozen=True)
class FileKind:
    """How errors speak of a file.

    Attributes:
        error: their class.
        noun: "an image" or "a mask".
        one_plane: clause about files that hold more than one plane, with the remedy.
        again: remedy for a damaged file.
    """

    error: type[InputImageError] | type[InputMaskError]
    noun: str
    one_plane: str
    again: str


IMAGE = FileKind(
    InputImageError,
    "an image",
    "an image must be one grey plane (height, width): export the nuclear channel alone",
    "copy or export it again",
)
MASK = FileKind(
    InputMaskError,
    "a mask",
    "a mask must be one label image (height, width): save one greyscale label image per file",
    "copy the mask again, or write it again",
)


def plane_shape(shape: tuple[int, ...]) -> tuple[int, int] | None:
    """Return (height, width) of one plane with any number of axes of length 1 before or after it, else None."""
    while len(shape) > 2 and 1 in (shape[0], shape[-1]):
        shape = shape[1:] if shape[0] == 1 else shape[:-1]
    return (shape[0], shape[1]) if len(shape) == 2 else None


def check_sides(height: int, width: int, name: str, kind: FileKind) -> None:
    """Refuse what has no pixels, or more than 60,000 px a side.

    Raises:
        InputImageError: it is an image.
        InputMaskError: it is a mask.
    """
    if 0 in (height, width):
        raise kind.error(f"{name} has {height} x {width} px; {kind.again}.")
    if max(height, width) > MAX_SIDE_PX:
        raise kind.error(
            f"{name} has {height} x {width} px; {kind.noun} may have at most {MAX_SIDE_PX:,} px a side: cut the "
            "stitched image into smaller ones."
        )


def check_expansion(pixel_bytes: int, possible_bytes: int, name: str, kind: FileKind) -> None:
    """Refuse a header that declares more pixels than any codec makes of so small a file.

    Raises:
        InputImageError: it is an image.
        InputMaskError: it is a mask.
    """
    if pixel_bytes > possible_bytes:
        raise kind.error(
            f"{name} declares {pixel_bytes:,} bytes of pixels, but so small a file holds at most {possible_bytes:,}: "
            f"it is truncated, or its header is wrong; {kind.again}."
        )


@contextlib.contextmanager
def reading(path: Path, kind: type[Exception]) -> Iterator[None]:
    """Turn the system's error about a file into `kind`, with its reason."""
    try:
        yield
    except OSError as error:
        raise kind(
            f"{path.name} cannot be read ({error.strerror or error}); check the file and its permissions."
        ) from error
