"""Changes of the values of pixels: scaling, standardising by nucleus or by dataset, random contrast."""

import contextlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from typing import Self

import torch

from nucleusnet_core.contract import BARE_NAME
from nucleusnet_core.dataset import open_dataset
from nucleusnet_core.errors import UsageError
from nucleusnet_core.intensity import IntensityStatistics, read_intensity

from ..columns import Batch
from .images import centred, image_columns_of, inside_of, pixels_of, raw_images_of, uniform

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
        """Scale all columns of images."""
        raw = {column: raw_images_of(batch, column, "ToFloat") for column in image_columns_of(batch)}
        return {**batch, **{column: self._scaled(images) for column, images in raw.items()}}

    def _scaled(self, images: torch.Tensor) -> torch.Tensor:
        return images.to(torch.float32) / (torch.iinfo(images.dtype).max if self.white is None else self.white)


@dataclass(frozen=True)
class StandardizeNucleus:
    """Each nucleus to mean 0 and standard deviation 1 over the pixels inside it, each channel alone, as float32.

    What is left is shape and texture: staining, exposure, bleaching and DNA content no longer tell nuclei apart. Where
    these matter, take `StandardizeDataset`. Pixels outside become 0, the mean of every nucleus: the black that the
    build put there would otherwise become another value for each nucleus. A nucleus of one single value becomes 0.
    """

    def __call__(self, batch: Batch, generator: torch.Generator | None = None) -> Batch:
        """Standardise all columns of images."""
        inside = inside_of(batch)
        return {**batch, **{column: _standardized(batch[column], inside) for column in image_columns_of(batch)}}


def _standardized(images: torch.Tensor, inside: torch.Tensor) -> torch.Tensor:
    values, mean = centred(images, inside)
    std = (values.square().sum(dim=(2, 3), keepdim=True) / pixels_of(inside)).sqrt()
    # Values that are all equal differ from their mean by rounding alone.
    flat = std <= _TINY * mean.abs()
    return torch.where(flat, torch.zeros_like(values), values / torch.where(flat, 1, std))


@dataclass(frozen=True)
class StandardizeDataset:
    """Raw camera values to mean 0 and standard deviation 1 over the pixels inside all nuclei, as float32.

    Nuclei stay comparable with each other: a bright one stays bright. Pixels outside become 0, the mean of the dataset,
    and not the very dark value that black would be.

    Each channel has its own: `StandardizeDataset({"image": 61, "image_actin": 340}, {"image": 18, "image_actin": 95})`.

    Attributes:
        mean: of the camera values inside the nuclei, of column `image`, or by column of images.
        std: their standard deviation, likewise.
    """

    mean: float | Mapping[str, float]
    std: float | Mapping[str, float]

    def __post_init__(self) -> None:
        means, stds = _by_column(self.mean), _by_column(self.std)
        if means.keys() != stds.keys():
            raise UsageError(f"mean has {', '.join(means)} and std has {', '.join(stds)}; both need the same columns.")
        if not all(0 < std < math.inf for std in stds.values()) or not all(map(math.isfinite, means.values())):
            raise UsageError(f"mean is {self.mean} and std is {self.std}; both must be finite, and std above 0.")

    @classmethod
    def of(
        cls, source: str | PathLike[str] = BARE_NAME, split: str = "train", columns: Sequence[str] = ("image",)
    ) -> Self:
        """Return the transform with the statistics of a split, of some columns of images; see `dataset_statistics`."""
        found = {column: dataset_statistics(source, split, column) for column in columns}
        if tuple(found) == ("image",):
            return cls(found["image"].mean, found["image"].std)
        return cls(
            {column: of_it.mean for column, of_it in found.items()},
            {column: of_it.std for column, of_it in found.items()},
        )

    def __call__(self, batch: Batch, generator: torch.Generator | None = None) -> Batch:
        """Standardise all columns of images."""
        means, stds = _by_column(self.mean), _by_column(self.std)
        columns, inside = image_columns_of(batch), inside_of(batch)
        without = [column for column in columns if column not in means]
        if without:
            raise UsageError(
                f"StandardizeDataset has mean and std of {', '.join(means)}, and none of {', '.join(without)}; make it "
                f"by StandardizeDataset.of(source, columns={tuple(columns)})."
            )
        changed = {}
        for column in columns:
            images = raw_images_of(batch, column, "StandardizeDataset")
            changed[column] = torch.where(inside, (images.to(torch.float32) - means[column]) / stds[column], 0)
        return {**batch, **changed}


def _by_column(values: float | Mapping[str, float]) -> Mapping[str, float]:
    return values if isinstance(values, Mapping) else {"image": values}


@dataclass(frozen=True)
class ContrastJitter:
    """Changes the contrast of each nucleus, in each channel, by a random factor, as float32.

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
        """Change all columns of images."""
        inside = inside_of(batch)
        return {
            **batch,
            **{column: self._changed(batch[column], inside, generator) for column in image_columns_of(batch)},
        }

    def _changed(self, images: torch.Tensor, inside: torch.Tensor, generator: torch.Generator | None) -> torch.Tensor:
        values, mean = centred(images, inside)
        exponents = 2 * uniform(values.shape[0] * values.shape[1], generator) - 1
        factors = ((1 + self.strength) ** exponents).to(values.device).reshape(*values.shape[:2], 1, 1)
        return torch.where(inside, values * factors + mean, images.to(torch.float32))


def dataset_statistics(
    source: str | PathLike[str] = BARE_NAME, split: str = "train", column: str = "image"
) -> IntensityStatistics:
    """Return mean and standard deviation of the raw camera values inside the nuclei of a split, in one channel.

    Only config `metadata` is read, the rows of the dataset without their pixels: 12 bytes a nucleus.

    Args:
        source: dataset folder, URL of one, `owner/name` on the Hub, or `nucleusnet` for what the bare name means.
        split: a split, or several, such as "train+test". Take what you train on, so that nothing of the test split
            enters.
        column: of the images of the channel, such as `image_actin`.

    Raises:
        DatasetNotFoundError: there is no dataset at `source`.
        SelectionError: the split or the column does not exist.
        NucleusNetError: the dataset is damaged, changed, or cannot be reached.
    """
    opened = open_dataset(source)
    with contextlib.closing(opened.store):
        return read_intensity(opened, split, column)
