"""Patience: what fails for a while is tried again for hours, what cannot succeed ends at once."""

import json
import re
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar
from urllib.parse import urlsplit

import httpx2
from huggingface_hub.errors import HfHubHTTPError

from nucleusnet_core.errors import NucleusNetError, TransferError, UploadError

Result = TypeVar("Result")
_QUERY = re.compile(r"\?\S+")
_LONGEST_ASKED_SECONDS = 3600.0
_PASSING_STATUSES = {408, 425, 429, 500, 502, 503, 504}
# JSON that is none: a page of some proxy instead of the Hub's answer.
_NO_ANSWER = (httpx2.TransportError, ConnectionError, TimeoutError, ssl.SSLError, json.JSONDecodeError)
_REMEDIES = {
    401: "the token was refused or has expired: log in again with `hf auth login`, or set HF_TOKEN",
    403: "the token must not write there: make one with write access at https://huggingface.co/settings/tokens",
    404: "check the name of the repository, and that it was not deleted meanwhile",
    413: "the Hub takes no more or no such large files there: see its storage limits, or ask it for more space",
    507: "no space is left there: free some, or ask the Hub for more",
}


@dataclass(frozen=True)
class Patience:
    """How long to wait for what.

    Attributes:
        first_delay_seconds: before the first repetition.
        factor: each delay to the one before.
        longest_delay_seconds: no delay is longer, but a server may ask for more, up to an hour.
        give_up_seconds: what still fails so long after its first failure ends the upload.
        silence_seconds: a server that neither takes nor sends a byte for so long has failed.
    """

    first_delay_seconds: float = 5.0
    factor: float = 2.0
    longest_delay_seconds: float = 300.0
    give_up_seconds: float = 12 * 3600.0
    silence_seconds: float = 300.0


class Stopped(Exception):  # noqa: N818 - it is no error: somebody asked for it
    """The upload ends, so this part of it does too."""


def persistently(
    call: Callable[[], Result],
    what: str,
    patience: Patience,
    *,
    say: Callable[[str], None],
    stop: threading.Event,
) -> Result:
    """Call until it succeeds.

    Args:
        call: what to do; it must be safe to repeat.
        what: its name in messages.
        patience: how long.
        say: told of each failure.
        stop: ends the waiting.

    Raises:
        UploadError: it cannot succeed.
        TransferError: it did not succeed for too long.
        Stopped: `stop` was set.
    """
    first_failure: float | None = None
    delay = patience.first_delay_seconds
    while True:
        try:
            return call()
        except Exception as error:
            if stop.is_set():
                raise Stopped from error
            refuse_lasting(error, what)
            first_failure = first_failure or time.monotonic()
            waited = time.monotonic() - first_failure
            if waited >= patience.give_up_seconds:
                raise TransferError(
                    f"{what}: failed for {timedelta(seconds=round(waited))}, last with {described(error)}; call the "
                    "upload again: what has arrived is not sent again."
                ) from error
            pause = max(delay, asked_seconds(error))
            say(f"{what}: {described(error)}; again in {pause:.0f} s")
        if stop.wait(pause):
            raise Stopped
        delay = min(delay * patience.factor, patience.longest_delay_seconds)


def refuse_lasting(error: Exception, what: str) -> None:
    """Raise what makes no sense to try again.

    Raises:
        UploadError: the Hub refuses, or answers what is no answer.
        Exception: an error of ours, also from inside the client, or an unexpected one.
    """
    ours = [cause for cause in causes(error) if isinstance(cause, NucleusNetError | Stopped)]
    if ours:
        raise ours[0]
    if is_passing(error):
        return
    if isinstance(error, OSError | ValueError | RuntimeError):
        raise UploadError(f"{what}: {described(error)}") from error
    raise error


def causes(error: BaseException) -> list[BaseException]:
    """Return an error and those that it was raised from."""
    found: list[BaseException] = []
    following: BaseException | None = error
    while following is not None and following not in found:
        found.append(following)
        following = following.__cause__
    return found


def response_of(error: BaseException) -> httpx2.Response | None:
    """Return the answer of the Hub that an error is about."""
    return next((cause.response for cause in causes(error) if isinstance(cause, HfHubHTTPError)), None)


def status_of(error: BaseException) -> int | None:
    """Return the HTTP status of the answer that an error is about."""
    response = response_of(error)
    return None if response is None else response.status_code


def is_passing(error: BaseException) -> bool:
    """Say whether it may succeed later: the network or the Hub has a bad time."""
    status = status_of(error)
    if status is not None:
        return status in _PASSING_STATUSES
    found = causes(error)
    # What goes wrong inside hf_xet has no type of its own.
    return type(found[-1]) is RuntimeError or any(isinstance(cause, _NO_ANSWER) for cause in found)


def asked_seconds(error: BaseException) -> float:
    """Return how long the server asks to wait, 0 if it says nothing."""
    response = response_of(error)
    asked = "" if response is None else response.headers.get("Retry-After", "")
    return min(float(asked), _LONGEST_ASKED_SECONDS) if asked.isdigit() else 0.0


def described(error: BaseException) -> str:
    """Describe a failure without its address, whose query may hold a signature."""
    response = response_of(error)
    if response is None:
        last = causes(error)[-1]
        text = _QUERY.sub("?...", str(last))
        return f"{type(last).__name__}: {text}" if text else type(last).__name__
    host = urlsplit(str(response.request.url)).netloc
    said = next((c.server_message for c in causes(error) if isinstance(c, HfHubHTTPError)), None)
    told = " ".join(
        part for part in (f"status {response.status_code} from {host}", f"({said})" if said else "") if part
    )
    remedy = _REMEDIES.get(response.status_code)
    return f"{told}; {remedy}" if remedy else told
