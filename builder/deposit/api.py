"""Requests to a site with Zenodo's API: patient with the network, strict with what it answers.

The client is httpx2, because huggingface_hub brings it: one HTTP library for the whole project.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import httpx2

from nucleusnet_core.errors import DepositError, SourceChangedError, TransferError
from nucleusnet_core.files.hashing import CHUNK_BYTES, Digest
from nucleusnet_core.small_files import parse_json
from nucleusnet_core.storage.retries import NO_SPACE, RESENT_STATUSES, Attempts, RetryPolicy, asked_seconds

from .site import ZenodoSite

_MAX_ANSWER_BYTES = 16 << 20
_CHECKSUM_SECONDS = 3600.0
_MAX_SAID = 600
_MOST_WRONG = 5


@dataclass(frozen=True)
class Call:
    """One request, and what to make of its answer.

    Attributes:
        method: of HTTP.
        path: below /api, or the address of a bucket, where the files of a draft go.
        body: sent as JSON; None for no body.
        upload: the file to send instead.
        refusal: says what is wrong with an answer, so that it is sent again.
        recover: asked before a repetition; if it returns something, that is the answer.
        missing_is_none: 404 is None.
    """

    method: str
    path: str
    body: Any = None
    upload: "FileBody | None" = None
    refusal: Callable[[Any], str | None] = lambda _answer: None
    recover: Callable[[], Any] = lambda: None
    missing_is_none: bool = False


class FileBody:
    """A file as the body of a request, new for each attempt.

    Args:
        path: the file.
        digest: what it is.
        on_bytes: told the bytes sent; a negative number takes those of a failed attempt back.
    """

    def __init__(self, path: Path, digest: Digest, on_bytes: Callable[[int], None]) -> None:
        self._path, self._digest, self._on_bytes, self._told = path, digest, on_bytes, 0

    @property
    def headers(self) -> dict[str, str]:
        """Headers of the request."""
        return {"Content-Length": str(self._digest.bytes), "Content-Type": "application/octet-stream"}

    @property
    def far(self) -> int:
        """The bytes that the last attempt sent, or 0 if they are but a tenth: a shaky line is worth more patience."""
        return self._told if 10 * self._told >= self._digest.bytes else 0

    def chunks(self) -> Iterator[bytes]:
        """Yield the bytes, and refuse the file if they are not those that were archived.

        The end is kept back until the MD5 is right, so that the site never takes another file for a whole one.

        Raises:
            SourceChangedError: it is another file.
        """
        self._on_bytes(-self._told)
        self._told, left, md5 = 0, self._digest.bytes, hashlib.md5(usedforsecurity=False)
        try:
            with self._path.open("rb") as file:
                while left and (chunk := file.read(min(CHUNK_BYTES, left))):
                    md5.update(chunk)
                    left -= len(chunk)
                    if not left and md5.hexdigest() != self._digest.md5:
                        raise self._changed("has another content")
                    yield chunk
                    self._told += len(chunk)
                    self._on_bytes(len(chunk))
        except OSError as error:
            raise self._changed(f"cannot be read ({error.strerror or error})") from error
        if left:
            raise self._changed("is shorter")

    def _changed(self, now: str) -> SourceChangedError:
        return SourceChangedError(
            f"{self._path} {now} and is no longer the file with the MD5 {self._digest.md5} that was archived; run "
            "`nucleusnet archive` again."
        )


class _Again(Exception):  # noqa: N818 - it is no error yet: the request is sent again
    """A request failed in a way that may pass."""

    def __init__(self, reason: str, *, wrong: bool = False, asked_seconds: float | None = None) -> None:
        super().__init__(reason)
        self.wrong, self.asked_seconds = wrong, asked_seconds


class Api:
    """Requests to one site, with its token in a header and nowhere else.

    Args:
        site: where to send, and the token.
        policy: how long to try again.
    """

    def __init__(self, site: ZenodoSite, policy: RetryPolicy) -> None:
        self.site, self._policy, self._reached = site, policy, False
        self._timeout = httpx2.Timeout(policy.stall_seconds, connect=policy.connect_seconds)
        self._upload_timeout = httpx2.Timeout(
            policy.stall_seconds, connect=policy.connect_seconds, read=_CHECKSUM_SECONDS
        )
        self._client = httpx2.Client(
            headers={"Authorization": f"Bearer {site.token}", "Accept": "application/json"},
            trust_env=not site.is_loopback,  # proxies are for other machines
            follow_redirects=False,  # the token goes nowhere else
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def send(self, call: Call) -> Any:
        """Send a request until it is answered.

        Returns:
            The JSON of the answer, {} if it is empty, None if nothing is there and that may be.

        Raises:
            DepositError: the site refuses it.
            TransferError: it failed too often.
            SourceChangedError: the file to upload is not the one that was archived.
        """
        what = f"{self.site.host}: {call.method} {call.path.partition('?')[0].removeprefix(self.site.url)}"
        attempts, wrong = Attempts(what, self._policy), 0
        while True:
            try:
                return self._answer(call, what)
            except _Again as again:
                wrong += again.wrong
                if wrong == _MOST_WRONG:
                    raise DepositError(
                        f"{what}: five answers in a row were wrong, the last with {again}; try later."
                    ) from again
                if call.upload is not None:
                    attempts.came(call.upload.far)
                attempts.wait(str(again), reached=self._reached, asked_seconds=again.asked_seconds)
            if (recovered := call.recover()) is not None:
                return recovered

    def _answer(self, call: Call, what: str) -> Any:
        """Send a request once; raises _Again where another attempt may help."""
        try:
            status, headers, data = self._exchange(call)
        except httpx2.TransportError as error:
            raise _Again(type(error).__name__) from error
        self._reached = True
        if status == 404 and call.missing_is_none:
            return None
        if status in RESENT_STATUSES:
            raise _Again(f"status {status}", asked_seconds=asked_seconds(headers))
        answer = self._checked(what, status, data)
        if problem := call.refusal(answer):
            raise _Again(problem, wrong=True)
        return answer

    def _exchange(self, call: Call) -> tuple[int, Mapping[str, str], bytes]:
        """Send a request once; return status, headers and content."""
        url = call.path if call.path.startswith(f"{self.site.url}/") else f"{self.site.url}/api{call.path}"
        body: dict[str, Any] = {"timeout": self._timeout}
        if call.body is not None:
            body["json"] = call.body
        if call.upload is not None:
            body = {"content": call.upload.chunks(), "headers": call.upload.headers, "timeout": self._upload_timeout}
        data = bytearray()
        with self._client.stream(call.method, url, **body) as response:
            for chunk in response.iter_bytes():
                data += chunk
                if len(data) > _MAX_ANSWER_BYTES:
                    raise TransferError(
                        f"{self.site.host}: the answer has more than {_MAX_ANSWER_BYTES:,} bytes; check the address."
                    )
        return response.status_code, response.headers, bytes(data)

    def _checked(self, what: str, status: int, data: bytes) -> Any:
        """Return the JSON of a good answer; say what a bad one means."""
        if 200 <= status < 300:
            try:
                return parse_json(data) if data.strip() else {}
            except ValueError as error:
                raise odd_answer(self.site, "JSON") from error
        remedies = {
            401: f"the token from {self.site.token_from} is wrong, has expired or belongs to another site: make a new "
            f"one at {self.site.url}/account/settings/applications/",
            403: f"the token from {self.site.token_from} needs the scopes deposit:write and deposit:actions; what is "
            "published cannot be changed",
            413: "archive again with a smaller --record-bytes, or ask the site for more space",
            NO_SPACE: "archive again with a smaller --record-bytes, or ask the site for more space",
        }
        remedy = remedies.get(status, "correct that and call again")
        raise DepositError(f"{what}: refused with status {status}{self._said(data)}; {remedy}.")

    def _said(self, data: bytes) -> str:
        """Return what an error answer says, without the token should it repeat it."""
        try:
            content = parse_json(data)
            details = [f"{entry['field']}: {entry.get('message') or entry.get('messages')}"
                       for entry in content.get("errors") or []]  # fmt: skip
            text = "; ".join([str(content["message"]), *details])
        except (ValueError, KeyError, TypeError, AttributeError):
            return ""
        text = " ".join(text.replace(self.site.token, "***").split())
        return f" ({''.join(sign for sign in text if sign.isprintable())[:_MAX_SAID]})"


def odd_answer(site: ZenodoSite, what: str) -> DepositError:
    """Return the error of an answer that the API does not describe."""
    return DepositError(f"{site.host}: the answer is not {what} as Zenodo's API describes it; try later.")
