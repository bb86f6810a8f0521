"""What a user can ask of `segment` and `overlay`, with every default stated once."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


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
    overwrite: bool = False
    workers: int | None = None
    scheduler: str | None = None


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
