"""When a request is sent again, how long that goes on, and what is said in the end: of reads, uploads and deposits."""

import logging
import random
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from huggingface_hub.utils import parse_ratelimit_headers

from ..errors import TransferError, UsageError

NO_SPACE = 507
RETRIED_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504, NO_SPACE, 509, 520, 521, 522, 523, 524})
"""Answers that may be better later."""
RESENT_STATUSES = RETRIED_STATUSES - {NO_SPACE}
"""The same for what is sent: a full disk does not empty itself."""
_LOGGED_SECONDS = 5.0
_PROGRESS_BYTES = 1 << 16
_SHOWN_REASONS = 5
_LOG = logging.getLogger("nucleusnet")
# The global generator belongs to the user's program, and forked processes would all wait the same time.
_RANDOM = random.SystemRandom()


@dataclass(frozen=True)
class RetryPolicy:
    """How long a request is sent again.

    Attributes:
        give_up_seconds: after this time with less than 64 KiB more, waits that the server asked for not counted.
        first_contact_seconds: the same for a server that has not answered yet: more likely a wrong address.
        asked_seconds: how long the server may make us wait for one request, with 429 and Retry-After.
        most_attempts: of one request.
        first_delay_seconds: before the second attempt; doubled for each further one, with jitter.
        longest_delay_seconds: what it is doubled up to.
        connect_seconds: for a connection.
        stall_seconds: after this time without a byte a connection is given up.
        pace_seconds: over each such time an answer must keep the least pace, or its connection is given up.
        least_bytes_per_second: that pace.
    """

    give_up_seconds: float = 60.0
    first_contact_seconds: float = 5.0
    asked_seconds: float = 300.0
    most_attempts: int = 30
    first_delay_seconds: float = 0.5
    longest_delay_seconds: float = 8.0
    connect_seconds: float = 10.0
    stall_seconds: float = 20.0
    pace_seconds: float = 60.0
    least_bytes_per_second: float = 1000.0

    def __post_init__(self) -> None:
        """Refuse what would never give up, or never begin."""
        for name, value in vars(self).items():
            if not 0 < value < 1e6:
                raise UsageError(f"{name} is {value!r}; it must be a number above 0 and below a million.")


PATIENT_POLICY = RetryPolicy(
    give_up_seconds=12 * 3600,
    first_contact_seconds=60,
    asked_seconds=12 * 3600,
    most_attempts=1000,
    first_delay_seconds=5,
    longest_delay_seconds=300,
    connect_seconds=30,
    stall_seconds=300,
)
"""Of `upload` and `deposit`, which run for hours and through the night."""


class Attempts:
    """Counts the attempts of one request, says how long to wait between them, and ends them.

    Args:
        what: the file or request, for messages; no URL that may hold a secret.
        policy: how long to go on.
        remedy: what to do in the end, for the message.
    """

    def __init__(
        self, what: str, policy: RetryPolicy, *, remedy: str = "check the address and the connection, and try again."
    ) -> None:
        self._what, self._policy, self._remedy = what, policy, remedy
        self._reasons: Counter[str] = Counter()
        self._began = self._progressed = time.monotonic()
        self._asked = self._asked_since_progress = 0.0
        self._new_bytes = 0
        self._delay = policy.first_delay_seconds

    def came(self, count: int) -> None:
        """Note that so many bytes came; enough of them start the clock again, drops of a few do not."""
        self._new_bytes += count
        if self._new_bytes >= _PROGRESS_BYTES:
            self._new_bytes = 0
            self._progressed = time.monotonic()
            self._asked_since_progress = 0.0
            self._delay = self._policy.first_delay_seconds

    def wait(self, reason: str, *, reached: bool, asked_seconds: float | None = None) -> None:
        """Wait before the next attempt; see `pause`."""
        delay = self.pause(reason, reached=reached, asked_seconds=asked_seconds)
        if delay >= _LOGGED_SECONDS:
            _LOG.warning("%s: %s; trying again in %.0f s.", self._what, reason, delay)
        time.sleep(delay)

    def pause(self, reason: str, *, reached: bool, asked_seconds: float | None = None) -> float:
        """Return how long to wait before the next attempt, s.

        Args:
            reason: why the last one failed.
            reached: whether the server has ever answered.
            asked_seconds: how long the server asked to wait, if it did; never less, and more if it asks in vain.

        Raises:
            TransferError: it is time to give up.
        """
        self._reasons[reason] += 1
        delay = self._delay * _RANDOM.uniform(0.5, 1.0)
        self._delay = min(2 * self._delay, self._policy.longest_delay_seconds)
        if asked_seconds is not None:
            delay = max(delay, asked_seconds + self._policy.first_delay_seconds * _RANDOM.uniform(0.0, 1.0))
            self._asked += asked_seconds
            self._asked_since_progress += asked_seconds
        if self._asked > self._policy.asked_seconds:
            raise self._gave_up(f"the server asks to wait {asked_seconds:,.0f} s more; try again then.")
        lost = time.monotonic() + delay - self._progressed - self._asked_since_progress
        patience = self._policy.give_up_seconds if reached else self._policy.first_contact_seconds
        if lost > patience or self._reasons.total() >= self._policy.most_attempts:
            raise self._gave_up(self._remedy)
        return delay

    def _gave_up(self, remedy: str) -> TransferError:
        shown = self._reasons.most_common(_SHOWN_REASONS)
        tried = ", ".join(f"{reason} ({count} x)" for reason, count in shown)
        others = ", and others" if len(self._reasons) > len(shown) else ""
        attempts, seconds = self._reasons.total(), time.monotonic() - self._began
        lasted = f"{seconds:.1f} s" if seconds < 60 else f"{seconds / 60:,.0f} min"
        plural = "" if attempts == 1 else "s"
        return TransferError(f"{self._what}: {attempts} attempt{plural} failed in {lasted}: {tried}{others}; {remedy}")


def asked_seconds(headers: Mapping[str, str], *, now: datetime | None = None) -> float | None:
    """Return how long a server asks to wait, or None if it does not.

    Args:
        headers: of its answer; names in any case.
        now: the time to count from, with a time zone; None for the clock's.

    Source: RFC 9110, 10.2.3 (Retry-After: seconds or a date); `huggingface_hub` for the Hub's own `ratelimit`;
    https://developers.zenodo.org/#rate-limiting for X-RateLimit-Reset, the second at which a used-up limit is renewed.
    """
    moment = now or datetime.now(UTC)
    values = {name.lower(): value.strip() for name, value in headers.items()}
    value = values.get("retry-after", "")
    if is_number(value):
        return float(value)
    if value:
        try:
            until = parsedate_to_datetime(value)
        except (ValueError, TypeError, IndexError, OverflowError):
            return None
        until = until if until.tzinfo else until.replace(tzinfo=UTC)
        return max(0.0, (until - moment).total_seconds())
    reset = values.get("x-ratelimit-reset", "")
    if is_number(reset) and values.get("x-ratelimit-remaining") == "0":
        return max(0.0, float(reset) - moment.timestamp())
    try:
        limit = parse_ratelimit_headers(headers)
    except ValueError:  # digits that are not ASCII
        return None
    return float(limit.reset_in_seconds) if limit and not limit.remaining else None


def is_number(text: str) -> bool:
    """Return whether a text is a number of ASCII digits."""
    return text.isascii() and text.isdigit()
