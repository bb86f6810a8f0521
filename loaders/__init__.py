"""PyTorch loaders of NucleusNet: random samples, training streams, and transforms of their batches."""

from nucleusnet_core.terminal.extras import how_to_install

try:
    import torch  # noqa: F401 - every module below needs it
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(how_to_install(error) or str(error), name=error.name) from None

from . import transforms
from .sample import SampleLoader, sample_loader
from .train import TrainLoader, train_loader

__all__ = ["SampleLoader", "TrainLoader", "sample_loader", "train_loader", "transforms"]
