"""What long work tells of its progress, to whoever shows it."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """Callbacks of a running build; each may be called often.

    Attributes:
        stage: a stage begins: its name and the number of its steps.
        step: steps and nuclei that were just finished.
    """

    stage: Callable[[str, int], None] = lambda _name, _steps: None
    step: Callable[[int, int], None] = lambda _steps, _nuclei: None
