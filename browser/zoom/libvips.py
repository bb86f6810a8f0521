"""Images and masks opened with libvips, which reads strip by strip: memory does not grow with the image."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from nucleusnet_core.errors import InputImageError, InputMaskError, UsageError
from nucleusnet_core.terminal.wording import counted

if TYPE_CHECKING:
    import pyvips

WHITE = 255
_MASK_FORMATS = ("uchar", "ushort", "short", "uint", "int")
_PIXELS = {
    "char": "signed 8-bit integers",
    "uchar": "8-bit integers",
    "short": "signed 16-bit integers",
    "ushort": "16-bit integers",
    "int": "signed 32-bit integers",
    "uint": "32-bit integers",
    "float": "32-bit floating-point numbers",
    "double": "64-bit floating-point numbers",
}
"""What libvips calls the types of pixels, in words."""


def vips() -> Any:
    """Return the module pyvips.

    Raises:
        UsageError: it is not installed, or cannot be loaded.
    """
    try:
        import pyvips  # noqa: PLC0415 - 20 MB, for panoramas only
    except (ImportError, OSError) as error:
        raise UsageError(
            f'pyvips cannot be imported ({error}); run: python -m pip install "nucleusnet[browse]".'
        ) from error
    pyvips.cache_set_max(0)  # it would keep files open, which Windows then does not delete
    return pyvips


def open_image(path: Path) -> "pyvips.Image":
    """Open a grey image of 8 or 16 bits, for one pass from top to bottom.

    Raises:
        InputImageError: it cannot be read, or is not grey.
    """
    try:
        image = vips().Image.new_from_file(str(path), access="sequential", fail_on="error")
    except vips().Error as error:
        raise InputImageError(f"{path} cannot be read as an image ({reason_of(error)}); replace the file.") from error
    if image.bands > 1 or image.format not in ("uchar", "ushort"):
        raise InputImageError(f"{path} has {_pixels(image)}; panoramas show grey images of 8 or 16 bits.")
    return image


def white_of(path: Path) -> float:
    """Read an image to its end; return the grey value to show white: 255 of 8 bits, the 99.9th percentile of 16 bits.

    Raises:
        InputImageError: it is not grey, or damaged.
    """
    image = open_image(path)
    try:
        if image.format == "ushort":
            return max(1.0, float(image.percent(99.9)))
        image.avg()
    except vips().Error as error:
        raise InputImageError(f"{path} is damaged ({reason_of(error)}); replace the file.") from error
    return WHITE


def shown_image(path: Path, white: float) -> "pyvips.Image":
    """Open an image as 8 bits, from 0 to the grey value to show white."""
    image = open_image(path)
    if image.format == "ushort":
        image = (image * (WHITE / white)).cast("uchar")
    return image.copy(interpretation="b-w")


def open_mask(path: Path) -> "pyvips.Image":
    """Open a label image as uchar, ushort or uint, for one pass from top to bottom.

    Raises:
        InputMaskError: it cannot be read, or does not hold integers of 8 to 32 bits.
    """
    try:
        mask = vips().Image.new_from_file(str(path), access="sequential", fail_on="error")
    except vips().Error as error:
        raise InputMaskError(f"{path} cannot be read as a mask ({reason_of(error)}); replace the file.") from error
    if mask.bands > 1 or mask.format not in _MASK_FORMATS:
        raise InputMaskError(
            f"{path} has {_pixels(mask)}; a mask has one channel of integer labels of 8 to 32 bits. Save the labels as "
            "16-bit PNG or 32-bit TIFF."
        )
    return mask if mask.format in ("uchar", "ushort") else mask.cast("uint")


def reason_of(error: Any) -> str:
    """Return what libvips says first, and what the system says about it."""
    lines = [line.strip() for line in error.detail.splitlines() if line.strip()]
    return ", ".join(lines[:2]) or str(error.message)


def _pixels(image: "pyvips.Image") -> str:
    return f"{counted(image.bands, 'channel')} of {_PIXELS.get(image.format, image.format)}"
