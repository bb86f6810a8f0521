"""What decides a set of simulated images; two calls with the same parameters make the same files."""

import json
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Self

from nucleusnet_core.contract import PUBLISHED_PIXELS_PER_UM
from nucleusnet_core.errors import UsageError
from nucleusnet_core.small_files import parse_json

MASK_MARGIN_UM = 0.3
"""A mask lies this far outside the edge of its nucleus: it is as large as what is brighter than half of the nucleus,
within about a tenth, at 20x as at 100x."""

_LIMITS: dict[str, tuple[str, float, float]] = {
    "images": ("images (--images)", 1, 100_000),
    "size_px": ("size_px (--size)", 512, 30_000),
    "seed": ("seed (--seed)", 0, 2**63 - 1),
    "nuclei_per_mm2": ("nuclei_per_mm2 (--density)", 0, 3000),
    "pixels_per_um": ("pixels_per_um (--like)", 1, 40),
    "mask_margin_um": ("mask_margin_um", 0.1, 10),
    "faults": ("faults (--faults)", 0, 1),
}
"""How messages call each parameter, its smallest and its largest value."""


class Like(StrEnum):
    """Which images the simulated ones resemble."""

    oil_100x = "100x"
    air_20x = "20x"

    def parameters(self) -> dict[str, float]:
        """Return what these images have in common; 20x: 300 nuclei of about 30 px on 1,000 x 1,000 px."""
        if self is Like.air_20x:
            return {"pixels_per_um": 2.0, "nuclei_per_mm2": 1200.0}
        return {}


@dataclass(frozen=True)
class SimulateParameters:
    """What decides a set of simulated images.

    Attributes:
        images: how many, over twelve runs (fewer runs where there are fewer images).
        size_px: height and width of an image.
        seed: the same seed gives the same images, whatever `images` is.
        nuclei_per_mm2: mean number of nuclei on a square millimetre. By default four times the published density,
            so that a handful of small images holds enough nuclei to train on.
        pixels_per_um: scale.
        mask_margin_um: mean distance from the visible edge of a nucleus to the rim of its mask.
        faults: share of the nuclei in which a fault is planted; the others stay as they are without any.
    """

    images: int = 24
    size_px: int = 3000
    seed: int = 0
    nuclei_per_mm2: float = 1100.0
    pixels_per_um: float = PUBLISHED_PIXELS_PER_UM
    mask_margin_um: float = MASK_MARGIN_UM
    faults: float = 0.0

    def __post_init__(self) -> None:
        """Refuse values that cannot work."""
        for name, (said, low, high) in _LIMITS.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise UsageError(f"{said} is {value}; it must lie between {low:,} and {high:,}.")

    def to_json(self) -> bytes:
        """Return the parameters as the receipt of a folder states them; one without faults does not speak of them."""
        stated = asdict(self)
        if not self.faults:
            del stated["faults"]
        return (json.dumps(stated, indent=1) + "\n").encode()

    @classmethod
    def from_json(cls, data: bytes) -> Self:
        """Read what `to_json` wrote.

        Raises:
            ValueError: it is nothing that `to_json` wrote.
            TypeError: as ValueError.
        """
        return cls(**parse_json(data))

    def changed_from(self, before: "SimulateParameters") -> str:
        """Say in which of its parameters a set differs from an earlier one."""
        pairs = ((said, getattr(before, name), getattr(self, name)) for name, (said, _, _) in _LIMITS.items())
        return ", ".join(f"{said} is {old} there, not {new}" for said, old, new in pairs if old != new)
