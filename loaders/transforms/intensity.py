"""Changes of the values of pixels: scaling, standardising by nucleus or by dataset, random contrast."""

import contextlib
import math
from dataclasses import dataclass
from os import PathLike
from typing import Self

import torch

from nucleusnet_core.contract import BARE_NAME
from nucleusnet_core.dataset import open_dataset
from nucleusnet_core.errors import UsageError
from nucleusnet_core.intensity import IntensityStatistics, read_intensity

from ..columns import Batch
from .images import centred, images_of, inside_of, raw_images_of, uniform

_TINY = 1e-6


@dataclass(frozen=True)
class ToFloat:
    """Raw camera values to float32 in [0, 1]: 255 (of uint8) or 65,535 (of uint16) becomes 1.

    Intensities of different images stay comparable, as the camera recorded them.

    Attributes:
        white: the camera value that becomes 1, such as 4,095 of a 12-bit camera; None for the largest of the type.
    """

    white: float | None = None

    def __post_init__(self) -> None:
        if self.white is not None and not 0 < self.white < math.inf:
            raise UsageError(f"white is {self.white}; it must be above 0: the largest value of the camera.")

    def __call__(self, batch: Batch, generator: torch.Generator | None = None) -> Batch:
        """Scale column `image`."""
        images = raw_images_of(batch, "ToFloat")
        white = torch.iinfo(images.dtype).max if self.white is None else self.white
        return {**batch, "image": images.to(torch.float32) / white}


@dataclass(frozen=True)
class StandardizeNucleus:
    """Each nucleus to mean 0 and standard deviation 1 over the pixels inside it, as float32.

    What is left is shape and texture: staining, exposure, bleaching and DNA content no longer tell nuclei apart. Where
    these matter, take `StandardizeDataset`. Pixels outside become 0, the mean of every nucleus: the black that the
    build put there would otherwise become another value for each nucleus. A nucleus of one single value becomes 0.
    """

    def __call__(self, batch: Batch, generator: torch.Generator | None = None) -> Batch:
        """Standardise column `image`."""
        inside, values, mean = centred(batch)
        pixels = inside.sum(dim=(1, 2, 3), keepdim=True).clamp_min(1)
        std = (values.square().sum(dim=(1, 2, 3), keepdim=True) / pixels).sqrt()
        # Values that are all equal differ from their mean by rounding alone.
        flat = std <= _TINY * mean.abs()
        return {**batch, "image": torch.where(flat, torch.zeros_like(values), values / torch.where(flat, 1, std))}


@dataclass(frozen=True)
class StandardizeDataset:
    """Raw camera values to mean 0 and standard deviation 1 over the pixels inside all nuclei, as float32.

    Nuclei stay comparable with each other: a bright one stays bright. Pixels outside become 0, the mean of the dataset,
    and not the very dark value that black would be.

    Attributes:
        mean: of the camera values inside the nuclei.
        std: their standard deviation.
    """

    mean: float
    std: float

    def __post_init__(self) -> None:
        if not 0 < self.std < math.inf or not math.isfinite(self.mean):
            raise UsageError(f"mean is {self.mean} and std is {self.std}; both must be finite, and std above 0.")

    @classmethod
    def of(cls, source: str | PathLike[str] = BARE_NAME, split: str = "train") -> Self:
        """Return the transform with the statistics of a split; see `dataset_statistics`."""
        found = dataset_statistics(source, split)
        return cls(found.mean, found.std)

    def __call__(self, batch: Batch, generator: torch.Generator | None = None) -> Batch:
        """Standardise column `image`."""
        images = raw_images_of(batch, "StandardizeDataset")
        values = (images.to(torch.float32) - self.mean) / self.std
        return {**batch, "image": torch.where(inside_of(batch), values, 0)}


@dataclass(frozen=True)
class ContrastJitter:
    """Changes the contrast of each nucleus by a random factor, as float32.

    The differences from the mean of the nucleus are multiplied; mean, and pixels outside, stay. Factors lie between
    1 / (1 + strength) and 1 + strength, evenly on a logarithmic scale, so that more and less are equally likely.
    Nothing is clipped: behind `ToFloat`, bright pixels can come out above 1.

    Attributes:
        strength: how much, 0.2 for up to 20 %.
    """

    strength: float = 0.2

    def __post_init__(self) -> None:
        if not 0 <= self.strength < math.inf:
            raise UsageError(f"strength is {self.strength}; it must be 0 or above, such as 0.2 for up to 20 %.")

    def __call__(self, batch: Batch, generator: torch.Generator | None = None) -> Batch:
        """Change column `image`."""
        inside, values, mean = centred(batch)
        exponents = 2 * uniform(len(values), generator) - 1
        factors = ((1 + self.strength) ** exponents).to(values.device)[:, None, None, None]
        images = images_of(batch).to(torch.float32)
        return {**batch, "image": torch.where(inside, values * factors + mean, images)}


def dataset_statistics(source: str | PathLike[str] = BARE_NAME, split: str = "train") -> IntensityStatistics:
    """Return mean and standard deviation of the raw camera values inside the nuclei of a split.

    Only config `metadata` is read, the rows of the dataset without their pixels: 12 bytes a nucleus.

    Args:
        source: dataset folder, URL of one, `owner/name` on the Hub, or `nucleusnet` for what the bare name means.
        split: a split, or several, such as "train+test". Take what you train on, so that nothing of the test split
            enters.

    Raises:
        DatasetNotFoundError: there is no dataset at `source`.
        SelectionError: the split does not exist.
        NucleusNetError: the dataset is damaged, changed, or cannot be reached.
    """
    opened = open_dataset(source)
    with contextlib.closing(opened.store):
        return read_intensity(opened, split)
