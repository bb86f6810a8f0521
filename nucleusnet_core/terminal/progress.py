"""What long work tells of its progress, to whoever shows it."""

from typing import Protocol


class Progress(Protocol):
    """Told of the stages of a piece of work; threads may call it, and often."""

    def begin(self, what: str, total: int | None, *, unit: str = "image") -> None:
        """Hear that a stage begins.

        Args:
            what: the stage, such as "images".
            total: number of its steps; None if nobody knows.
            unit: of a step, in the singular; "B" for bytes.
        """

    def step(self, count: int = 1, *, nuclei: int = 0) -> None:
        """Hear of steps of the stage, and of nuclei in them, that were just finished."""

    def say(self, text: str) -> None:
        """Hear what a person should read while the work goes on."""


class NoProgress:
    """A `Progress` that nobody watches."""

    def begin(self, what: str, total: int | None, *, unit: str = "image") -> None:
        """Do nothing."""

    def step(self, count: int = 1, *, nuclei: int = 0) -> None:
        """Do nothing."""

    def say(self, text: str) -> None:
        """Do nothing."""
