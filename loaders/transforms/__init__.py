"""Changes of whole batches, on whatever device they are: scaling, standardising, random flips, turns and contrast.

Each is called with a batch, a dict as the loaders give it, and returns a new one; give them to a loader:

    transform = Compose([ToFloat(), RandomFlips(), RandomHalfTurn(), ContrastJitter()])
    loader = train_loader("nucleusnet", batch_size=256, columns=("image", "mask"), transform=transform)

A loader also passes a `torch.Generator` that its seed, the epoch and the number of the batch decide. Random numbers
are drawn on the generator's device, so that a batch on a GPU is changed exactly as the same batch on the CPU.

**What is inside a nucleus**: the pixels of column `mask` if the batch has it, else all that are not 0. The two agree
but for the few pixels of a nucleus whose camera value is 0, unless the dataset was built with `--outside keep`: then
the surroundings are in the crops too, so ask for `mask`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from typing import Self

import torch

from nucleusnet_core.dataset import open_dataset
from nucleusnet_core.errors import UsageError
from nucleusnet_core.intensity import IntensityStatistics, read_intensity

from ..checks import check_transform
from ..columns import Batch
from .apply import Transform, takes_generator
from .images import centred, flipped, images_of, inside_of, raw_images_of, uniform

_TINY = 1e-6


@dataclass(frozen=True)
class Compose:
    """Several changes, one after the other.

    Attributes:
        transforms: The changes.
    """

    transforms: Sequence[Transform]

    def __post_init__(self) -> None:
        if not isinstance(self.transforms, Sequence):
            raise UsageError(f"expected a list of transforms, found {self.transforms!r}")
        for transform in self.transforms:
            check_transform(transform)

    def __call__(self, batch: Batch, generator: torch.Generator | None = None) -> Batch:
        """Make all changes; those with a parameter `generator` draw from the same one in turn."""
        for transform in self.transforms:
            batch = transform(batch, generator=generator) if takes_generator(transform) else transform(batch)
        return batch


@dataclass(frozen=True)
class ToFloat:
    """Raw camera values to float32 in [0, 1]: 255 (of uint8) or 65,535 (of uint16) becomes 1.

    Intensities of different images stay comparable, as the camera recorded them.

    Attributes:
        white: The camera value that becomes 1, such as 4,095 of a 12-bit camera; None for the largest of the type.
    """

    white: float | None = None

    def __post_init__(self) -> None:
        if self.white is not None and not 0 < self.white < math.inf:
            raise UsageError(f"expected a white above 0, found {self.white}; give the largest value of the camera")

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
        mean: Mean of the camera values inside the nuclei.
        std: Their standard deviation.
    """

    mean: float
    std: float

    def __post_init__(self) -> None:
        if not 0 < self.std < math.inf or not math.isfinite(self.mean):
            raise UsageError(f"expected a mean, and a std above 0, found {self.mean} and {self.std}")

    @classmethod
    def of(cls, source: str | PathLike[str], split: str = "train") -> Self:
        """Take the statistics of a split; see `dataset_statistics`."""
        found = dataset_statistics(source, split)
        return cls(found.mean, found.std)

    def __call__(self, batch: Batch, generator: torch.Generator | None = None) -> Batch:
        """Standardise column `image`."""
        images = raw_images_of(batch, "StandardizeDataset")
        values = (images.to(torch.float32) - self.mean) / self.std
        return {**batch, "image": torch.where(inside_of(batch), values, 0)}


@dataclass(frozen=True)
class RandomFlips:
    """Mirrors nuclei, each by its own chance: left and right, top and bottom. Masks go along with their images.

    The build laid the long axis of every nucleus flat; a flip keeps it flat, as a quarter turn would not.

    Attributes:
        horizontal: Probability that left and right are exchanged.
        vertical: Probability that top and bottom are exchanged.
    """

    horizontal: float = 0.5
    vertical: float = 0.5

    def __post_init__(self) -> None:
        _check_probability(self.horizontal, "horizontal")
        _check_probability(self.vertical, "vertical")

    def __call__(self, batch: Batch, generator: torch.Generator | None = None) -> Batch:
        """Mirror images and masks."""
        count = len(images_of(batch))
        left_right = uniform(count, generator) < self.horizontal
        top_bottom = uniform(count, generator) < self.vertical
        return flipped(flipped(batch, left_right, (-1,)), top_bottom, (-2,))


@dataclass(frozen=True)
class RandomHalfTurn:
    """Turns nuclei by 180 degrees, each by its own chance; handedness stays. Masks go along with their images.

    Attributes:
        probability: That a nucleus is turned.
    """

    probability: float = 0.5

    def __post_init__(self) -> None:
        _check_probability(self.probability, "probability")

    def __call__(self, batch: Batch, generator: torch.Generator | None = None) -> Batch:
        """Turn images and masks."""
        return flipped(batch, uniform(len(images_of(batch)), generator) < self.probability, (-2, -1))


@dataclass(frozen=True)
class ContrastJitter:
    """Changes the contrast of each nucleus by a random factor, as float32.

    The differences from the mean of the nucleus are multiplied; mean, and pixels outside, stay. Factors lie between
    1 / (1 + strength) and 1 + strength, evenly on a logarithmic scale, so that more and less are equally likely.
    Nothing is clipped: behind `ToFloat`, bright pixels can come out above 1.

    Attributes:
        strength: How much, 0.2 for up to 20 %.
    """

    strength: float = 0.2

    def __post_init__(self) -> None:
        if not 0 <= self.strength < math.inf:
            raise UsageError(f"expected a strength of at least 0, found {self.strength}")

    def __call__(self, batch: Batch, generator: torch.Generator | None = None) -> Batch:
        """Change column `image`."""
        inside, values, mean = centred(batch)
        exponents = 2 * uniform(len(values), generator) - 1
        factors = ((1 + self.strength) ** exponents).to(values.device)[:, None, None, None]
        images = images_of(batch).to(torch.float32)
        return {**batch, "image": torch.where(inside, values * factors + mean, images)}


def dataset_statistics(source: str | PathLike[str], split: str = "train") -> IntensityStatistics:
    """Give mean and standard deviation of the raw camera values inside the nuclei of a split.

    Only config `metadata` is read, 12 bytes a nucleus.

    Args:
        source: Dataset folder, URL of one, `owner/name` on the Hub, or `nucleusnet` for what the bare name means.
        split: A split, or several, such as "train+test". Take what you train on, so that nothing of the test split
            enters.

    Raises:
        DatasetNotFoundError: There is no dataset at `source`.
        SelectionError: The split does not exist.
        NucleusNetError: The dataset is damaged, changed, or cannot be reached.
    """
    opened = open_dataset(source)
    try:
        return read_intensity(opened, split)
    finally:
        opened.store.close()


def _check_probability(value: float, name: str) -> None:
    if not 0 <= value <= 1:
        raise UsageError(f"expected a probability from 0 to 1 for {name}, found {value}")
