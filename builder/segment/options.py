"""What a user can ask of `segment` and `overlay`, with every default stated once."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from nucleusnet_core.errors import UsageError
from nucleusnet_core.inputs.channels import ALL_CHANNELS, ChannelOptions

from .flows.blocks import plan_blocks


@dataclass(frozen=True, kw_only=True)
class Labelling:
    """How the labels of an image are found; the defaults are the published values.

    Attributes:
        diameter_px: of the nuclei in the images.
        flow_threshold: largest error of the flows of a nucleus; 0 keeps all.
        cellprob_threshold: pixels above this logit belong to nuclei.
        min_size_px: labels of fewer pixels are removed.
        fast: label at the network's scale.
        block_px: side of the blocks, 0 for the whole image at once, None for what memory allows.
    """

    diameter_px: float = 152.91
    flow_threshold: float = 0.5
    cellprob_threshold: float = -2.0
    min_size_px: int = 15
    fast: bool = False
    block_px: int | None = None

    def __post_init__(self) -> None:
        """Refuse values that cannot work."""
        checks = (
            ("--diameter", self.diameter_px, 1 <= self.diameter_px <= 10_000, "from 1 to 10,000 px"),
            ("--flow-threshold", self.flow_threshold, 0 <= self.flow_threshold <= 100, "from 0 (keep all) to 100"),
            ("--cellprob-threshold", self.cellprob_threshold, -20 <= self.cellprob_threshold <= 20, "from -20 to 20"),
            ("--min-size", self.min_size_px, 0 <= self.min_size_px <= 10**9, "of 0 px or more"),
            ("--block-size", self.block_px, self.block_px is None or self.block_px >= 0, "of 0 px (no blocks) or more"),
        )
        for option, value, holds, wanted in checks:
            if not holds:
                raise UsageError(f"{option} is {value}; choose a value {wanted}.")
        if self.fast and self.block_px:
            raise UsageError(
                "--fast and --block-size exclude each other; leave one of them out: --fast needs no blocks."
            )
        if self.block_px:
            plan_blocks((1, 1), self.block_px, self.diameter_px)


@dataclass(frozen=True)
class SegmentOptions(Labelling):
    """What the user asked for, besides how labels are found.

    Attributes:
        stitched: folder of the images.
        model: path of a weights file, or a name that cellpose knows.
        out: folder of the masks, None for beside the images.
        device: "auto", "cpu", "cuda", "cuda:1" or "mps".
        batch_size: tiles of the network at a time.
        download: fetch a named model that is not on this machine.
        recursive: look for images in subfolders too.
        channels: which channel of the images shows the nuclei.
        name_pattern: regular expression for the names of the images whose group `channel` tells their channel; None
            where it is none of the names'.
        overwrite: replace masks that were made in another way.
        workers: processes, None for one for each GPU, or one.
        scheduler: Dask scheduler whose workers are used instead.
    """

    stitched: Path
    model: str
    out: Path | None = None
    device: str = "auto"
    batch_size: int = 8
    download: bool = False
    recursive: bool = False
    channels: ChannelOptions = ALL_CHANNELS
    name_pattern: str | None = None
    overwrite: bool = False
    workers: int | None = None
    scheduler: str | None = None

    def __post_init__(self) -> None:
        """Refuse values that cannot work."""
        super().__post_init__()
        for name, number in (("--batch-size", self.batch_size), ("--workers", self.workers)):
            if number is not None and number < 1:
                raise UsageError(f"{name} is {number}; it must be 1 or more.")


class OverlayStyle(StrEnum):
    """How an overlay shows labels: by lines around them, or by coloured areas."""

    outlines = "outlines"
    fill = "fill"


@dataclass(frozen=True)
class OverlayLook:
    """How an overlay shows a region.

    Attributes:
        scale: pixels of the picture for each pixel of the image.
        style: lines or areas.
        seed: decides the colours; a label has the same in every picture.
    """

    scale: float = 1.0
    style: OverlayStyle = OverlayStyle.outlines
    seed: int = 0

    def size(self, shape: tuple[int, ...]) -> tuple[int, int]:
        """Return height and width of the picture of a region (h, w)."""
        return max(1, round(shape[0] * self.scale)), max(1, round(shape[1] * self.scale))
