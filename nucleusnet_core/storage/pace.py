"""Whether the bytes of an answer come fast enough: a server that sends one now and then holds a reader for ever."""

import time

from .retries import RetryPolicy


class SlowError(Exception):
    """An answer comes more slowly than it may."""


class Pace:
    """Counts the bytes of one answer as they come.

    Args:
        policy: how many must come, over which time.
    """

    def __init__(self, policy: RetryPolicy) -> None:
        self._policy = policy
        self._since, self._bytes = time.monotonic(), 0

    def came(self, count: int) -> None:
        """Note that so many bytes came.

        Raises:
            SlowError: fewer came in the time that has passed than must.
        """
        self._bytes += count
        seconds = time.monotonic() - self._since
        if seconds < self._policy.pace_seconds:
            return
        if self._bytes < seconds * self._policy.least_bytes_per_second:
            raise SlowError(f"fewer than {self._policy.least_bytes_per_second:,.0f} bytes a second came")
        self._since, self._bytes = time.monotonic(), 0
