"""An input that could not be used, and why."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Failure:
    """An input that did not become a part of the dataset, and why."""

    name: str
    message: str
