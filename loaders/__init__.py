"""PyTorch loaders of NucleusNet: random samples, training streams, and transforms of their batches."""

from .train import TrainLoader, train_loader

__all__ = ["TrainLoader", "train_loader"]
