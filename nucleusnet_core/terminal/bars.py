"""Progress bars on stderr."""

import sys
import threading
import time
from dataclasses import dataclass, field
from typing import Any

from tqdm import tqdm

from nucleusnet_core.errors import UsageError


def bar(what: str, total: int | None, unit: str, *, quiet: bool, **style: Any) -> Any:
    """Return a progress bar on stderr; `style` is that of tqdm."""
    return tqdm(desc=what, total=total, unit=unit, disable=quiet, file=sys.stderr, dynamic_ncols=True, **style)


class ByteBar:
    """A progress bar of bytes, from the moment when their number is known: what is refused before comes alone."""

    def __init__(self, *, quiet: bool) -> None:
        self.quiet = quiet
        self.shown: Any = None
        self.lock = threading.Lock()

    def __enter__(self) -> "ByteBar":
        return self

    def __exit__(self, *_: object) -> None:
        if self.shown is not None:
            self.shown.close()

    def begin(self, what: str, total: int) -> None:
        """Show the bar, instead of an earlier one."""
        self.__exit__()
        self.shown = bar(what, total, "B", quiet=self.quiet, unit_scale=True)

    def step(self, count: int) -> None:
        """Move the bar; threads may call it."""
        with self.lock:
            if self.shown is not None:
                self.shown.update(count)

    def say(self, text: str) -> None:
        """Print a line above the bar."""
        tqdm.write(text, file=sys.stderr)


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
        self.close()

    def close(self) -> None:
        """End the bar that is shown."""
        if self.shown is not None:
            self.shown.close()

    def stage(self, name: str, steps: int) -> None:
        """Begin another bar."""
        self.close()
        self.nuclei, self.started = 0, time.monotonic()
        self.shown = bar(name, steps or None, name.rstrip("s"), quiet=self.quiet)
        # Seen longest by who builds for the first time: the workers compile their inner loops then.
        self.shown.set_postfix_str("starting")

    def step(self, steps: int, nuclei: int) -> None:
        """Move the bar."""
        if self.shown is None:
            raise UsageError("a progress step before its stage")
        self.nuclei += nuclei
        rate = self.nuclei / max(1e-3, time.monotonic() - self.started)
        self.shown.set_postfix_str(f"{self.nuclei:,} nuclei, {rate:,.0f}/s", refresh=False)
        self.shown.update(steps)
