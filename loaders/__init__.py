"""PyTorch loaders of NucleusNet: random samples, training streams, and transforms of their batches."""

from . import transforms
from .sample import SampleLoader, sample_loader
from .train import TrainLoader, train_loader

__all__ = ["SampleLoader", "TrainLoader", "sample_loader", "train_loader", "transforms"]
