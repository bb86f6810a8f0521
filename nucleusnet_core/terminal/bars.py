"""Progress bars on stderr."""

import sys
import threading
import time
from typing import Any

from tqdm import tqdm


class Bars:
    """A `Progress` that shows one bar after the other; what is refused before the first begins comes alone.

    Args:
        quiet: show no bars; what `say` is told is still printed.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._shown: Any = None
        self._nuclei = 0
        self._started = 0.0
        self._lock = threading.Lock()

    def __enter__(self) -> "Bars":
        return self

    def __exit__(self, *_: object) -> None:
        if self._shown is not None:
            self._shown.close()

    def begin(self, what: str, total: int | None, *, unit: str = "image") -> None:
        """Show another bar."""
        self.__exit__()
        self._nuclei, self._started = 0, time.monotonic()
        style = {"unit_scale": True} if unit == "B" else {}
        self._shown = tqdm(
            desc=what, total=total, unit=unit, disable=self._quiet, file=sys.stderr, dynamic_ncols=True, **style
        )
        if unit != "B":
            # Seen longest by whoever builds for the first time: the workers compile their inner loops then.
            self._shown.set_postfix_str("starting")

    def step(self, count: int = 1, *, nuclei: int = 0) -> None:
        """Move the bar."""
        with self._lock:
            if self._shown is None:
                return
            self._nuclei += nuclei
            rate = self._nuclei / max(1e-3, time.monotonic() - self._started)
            said = f"{self._nuclei:,} nuclei, {rate:,.0f}/s" if self._nuclei else ""
            self._shown.set_postfix_str(said, refresh=False)
            self._shown.update(count)

    def say(self, text: str) -> None:
        """Print a line above the bar."""
        tqdm.write(f"nucleusnet: {text}", file=sys.stderr)
