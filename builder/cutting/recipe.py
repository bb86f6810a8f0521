"""What a user may choose about the cut: the recipe, the frame, and what a crop shows outside its nucleus."""

from dataclasses import dataclass
from enum import StrEnum

from nucleusnet_core.contract import CROP_PX

FRAME_STEPS = 8
"""A larger nucleus is shown in a frame that is wider by as many eighths as it takes."""


class Recipe(StrEnum):
    """How a nucleus is cut."""

    published = "published"
    refined = "refined"


class Outside(StrEnum):
    """What a crop shows outside its nucleus: nothing, or the surroundings."""

    zero = "zero"
    keep = "keep"


@dataclass(frozen=True)
class Frame:
    """The square of a stitched image that a crop shows, and the pixels that it shows it in.

    Attributes:
        crop_px: side of a crop, px; a multiple of `FRAME_STEPS`.
        frame_um: side of the square, um; None for `crop_px` pixels of the stitched image, whatever its scale.
    """

    crop_px: int = CROP_PX
    frame_um: float | None = None

    def side_px(self, pixels_per_um: float) -> float:
        """Return the side of the square in pixels of a stitched image of this scale."""
        return float(self.crop_px) if self.frame_um is None else self.frame_um * pixels_per_um

    def pixels_per_um(self, pixels_per_um: float) -> float:
        """Return the scale of the crops from a stitched image of this scale."""
        return pixels_per_um if self.frame_um is None else self.crop_px / self.frame_um

    @property
    def averages(self) -> bool:
        """Whether pixels of the image are averaged where a crop has fewer; the usual frame skips some."""
        return self != Frame()


USUAL_FRAME = Frame()
"""As many pixels of the image as a crop has where no other frame is chosen."""
