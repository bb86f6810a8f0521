"""Progress bars on stderr."""

import sys
import time
from dataclasses import dataclass, field
from typing import Any

from tqdm import tqdm

from nucleusnet_source.errors import UsageError


def bar(what: str, total: int | None, unit: str, *, quiet: bool) -> Any:
    """Return a progress bar on stderr."""
    return tqdm(desc=what, total=total, unit=unit, disable=quiet, file=sys.stderr, dynamic_ncols=True)


@dataclass
class Bars:
    """One progress bar after the other, each with its steps and nuclei per second."""

    quiet: bool
    shown: Any = None
    nuclei: int = 0
    started: float = field(default_factory=time.monotonic)

    def __enter__(self) -> "Bars":
        return self

    def __exit__(self, *_: object) -> None:
        if self.shown is not None:
            self.shown.close()

    def stage(self, name: str, steps: int) -> None:
        """Begin another bar."""
        self.__exit__()
        self.nuclei, self.started = 0, time.monotonic()
        self.shown = bar(name, steps or None, name.rstrip("s"), quiet=self.quiet)
        # Seen longest by who builds for the first time: the workers compile their inner loops then.
        self.shown.set_postfix_str("workers start")

    def step(self, steps: int, nuclei: int) -> None:
        """Move the bar."""
        if self.shown is None:
            raise UsageError("a progress step before its stage")
        self.nuclei += nuclei
        rate = self.nuclei / max(1e-3, time.monotonic() - self.started)
        self.shown.set_postfix_str(f"{self.nuclei:,} nuclei, {rate:,.0f}/s", refresh=False)
        self.shown.update(steps)
