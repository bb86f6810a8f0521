"""Calls of the Hub's client: what fails for a while is tried again for hours, what cannot succeed ends at once."""

import json
import re
import ssl
import threading
from collections.abc import Callable
from typing import TypeVar
from urllib.parse import urlsplit

import httpx2
from huggingface_hub.errors import HfHubHTTPError

from nucleusnet_core.errors import NucleusNetError, UploadError
from nucleusnet_core.storage.retries import NO_SPACE, RESENT_STATUSES, Attempts, RetryPolicy, asked_seconds

Result = TypeVar("Result")
_QUERY = re.compile(r"\?\S+")
_LONGEST_ASKED_SECONDS = 3600.0
# JSON that cannot be read: a page of some proxy instead of the Hub's answer.
_NO_ANSWER = (httpx2.TransportError, ConnectionError, TimeoutError, ssl.SSLError, json.JSONDecodeError)
_REMEDIES = {
    401: "the token was refused or has expired: log in again with `hf auth login`, or set HF_TOKEN",
    403: "the token has no right to write there: make one with write access at https://huggingface.co/settings/tokens",
    404: "check the name of the repository, and that it was not deleted meanwhile",
    413: "the Hub takes no more or no such large files there: see its storage limits, or ask it for more space",
    NO_SPACE: "no space is left there: free some, or ask the Hub for more",
}


class Stopped(Exception):  # noqa: N818 - it is no error: somebody asked for it
    """The upload ends, so this part of it does too."""


def persistently(
    call: Callable[[], Result],
    what: str,
    policy: RetryPolicy,
    *,
    say: Callable[[str], None],
    stop: threading.Event,
) -> Result:
    """Call until it succeeds.

    Args:
        call: what to do; it must be safe to repeat.
        what: its name in messages.
        policy: how long, counted from the first failure: a try may take hours.
        say: told of each failure.
        stop: ends the waiting.

    Raises:
        UploadError: it cannot succeed.
        TransferError: it did not succeed for too long.
        Stopped: `stop` was set.
    """
    attempts: Attempts | None = None
    while True:
        try:
            return call()
        except Exception as error:
            if stop.is_set():
                raise Stopped from error
            refuse_lasting(error, what)
            remedy = "run the upload again: what has arrived is not sent again."
            attempts = attempts or Attempts(what, policy, remedy=remedy)
            reason = failure_reason(error)
            pause = attempts.pause(reason, reached=True, asked_seconds=asked_by(error))
            say(f"{what}: {reason}; trying again in {pause:,.0f} s.")
        if stop.wait(pause):
            raise Stopped


def refuse_lasting(error: Exception, what: str) -> None:
    """Raise what makes no sense to try again.

    Raises:
        UploadError: the Hub refuses, or answers what is no answer.
        Exception: an error of NucleusNet, also from inside the client, or an unexpected one.
    """
    ours = [cause for cause in causes(error) if isinstance(cause, NucleusNetError | Stopped)]
    if ours:
        raise ours[0]
    if is_passing(error):
        return
    if isinstance(error, OSError | ValueError | RuntimeError):
        raise UploadError(f"{what}: {failure_reason(error).rstrip('.')}.") from error
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
    """Return whether it may succeed later: the network or the Hub has a bad time."""
    status = status_of(error)
    if status is not None:
        return status in RESENT_STATUSES
    found = causes(error)
    # What goes wrong inside hf_xet has no type of its own.
    return type(found[-1]) is RuntimeError or any(isinstance(cause, _NO_ANSWER) for cause in found)


def asked_by(error: BaseException) -> float | None:
    """Return how long the server asks to wait, at most an hour at a time, or None if it does not."""
    response = response_of(error)
    asked = None if response is None else asked_seconds(response.headers)
    return None if asked is None else min(asked, _LONGEST_ASKED_SECONDS)


def failure_reason(error: BaseException) -> str:
    """Return what failed in words, without the address, whose query may hold a signature."""
    response = response_of(error)
    if response is None:
        last = causes(error)[-1]
        text = _QUERY.sub("?...", str(last))
        return f"{type(last).__name__}: {text}" if text else type(last).__name__
    said = next((cause.server_message for cause in causes(error) if isinstance(cause, HfHubHTTPError)), None)
    told = f"status {response.status_code} from {urlsplit(str(response.request.url)).netloc}"
    told += f" ({said})" if said else ""
    remedy = _REMEDIES.get(response.status_code)
    return f"{told}; {remedy}" if remedy else told
