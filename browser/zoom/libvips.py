"""libvips, which walks images strip by strip: memory does not grow with the image."""

from typing import TYPE_CHECKING, Any

from nucleusnet_core.errors import UsageError

if TYPE_CHECKING:
    import pyvips

WHITE = 255


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


def shown_image(image: "pyvips.Image", white: float) -> "pyvips.Image":
    """Return an image of 8 or 16 bits as 8 bits, from 0 to the grey value to show white."""
    if image.format == "ushort":
        image = (image * (WHITE / white)).cast("uchar")
    return image.copy(interpretation="b-w")


def reason_of(error: Any) -> str:
    """Return what libvips says first, and what the system says about it."""
    lines = [line.strip() for line in error.detail.splitlines() if line.strip()]
    return ", ".join(lines[:2]) or str(error.message)
