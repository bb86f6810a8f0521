"""Exact byte ranges over HTTP: checked, resumed where they stopped, with redirects followed once."""

import contextlib
import ssl
from collections.abc import Iterator
from typing import ClassVar
from urllib.parse import urljoin, urlsplit

import httpx2
from huggingface_hub.errors import OfflineModeIsEnabled

from ..errors import NucleusNetError, TransferError
from .answers import (
    BEYOND_THE_END,
    PART,
    WHOLE,
    FileState,
    Headers,
    Request,
    answer_range,
    check_same,
    file_state,
    too_large,
    wrong_bytes,
)
from .client import client
from .pace import Pace, SlowError
from .retries import RETRIED_STATUSES, Attempts, RetryPolicy, asked_seconds

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MOST_REDIRECTS = 5
_REFUSALS = frozenset({401, 403, 404, 410})
_MAY_BE_EXPIRED = _REFUSALS | {400}
_DRAINED_BYTES = 1 << 16


class _FailedError(Exception):
    """One attempt failed; another one may not."""

    def __init__(self, reason: str, asked: float | None = None) -> None:
        super().__init__(reason)
        self.reason, self.asked = reason, asked


class RemoteStore:
    """What `HttpStore` and `HubStore` share; see `nucleusnet_core.storage.store.Store`.

    Args:
        policy: how long failing reads are tried again.
    """

    compares_validators: ClassVar[bool] = True
    """Whether entity tags and times tell a file from another one; its size always does."""

    def __init__(self, policy: RetryPolicy) -> None:
        self._policy = policy
        self._seen: dict[str, FileState] = {}
        self._targets: dict[str, str] = {}
        self._reached = False

    def __getstate__(self) -> dict[str, object]:
        # Redirect targets may be signed: they stay in this process.
        return {name: value for name, value in vars(self).items() if name != "_targets"} | {"_targets": {}}

    @property
    def name(self) -> str:
        """Where the dataset lies."""
        raise NotImplementedError

    def read_range(self, path: str, start: int, length: int) -> bytes:
        """See `Store`."""
        if length == 0:
            return b""
        return self._read(path, Request(f"{self.name}/{path}", start, start + length))

    def read_into(self, path: str, start: int, buffer: memoryview) -> None:
        """See `Store`."""
        buffer[:] = self.read_range(path, start, len(buffer))

    def read_file(self, path: str, *, max_bytes: int) -> bytes:
        """See `Store`."""
        return self._read(path, Request(f"{self.name}/{path}", 0, None, max_bytes))

    def close(self) -> None:
        """Forget where files were redirected to; connections belong to the client, which other stores use too."""
        self._targets = {}

    def _url(self, path: str) -> str:
        """Return the address of a file."""
        raise NotImplementedError

    def _headers(self, url: str) -> dict[str, str]:
        """Return headers for a request to `url`, which may be on another host than the dataset."""
        raise NotImplementedError

    def _note(self, headers: Headers, *, is_last: bool) -> bool:
        """Read what an answer that is good or a redirect says of the dataset; return whether that is enough."""
        return True

    def _refusal(self, path: str, url: str, status: int, headers: Headers) -> NucleusNetError:
        """Return the error for an answer with status 401, 403, 404 or 410 from `url`."""
        raise NotImplementedError

    def _read(self, path: str, request: Request) -> bytes:
        attempts = Attempts(request.where, self._policy)
        parts: list[bytes] = []
        while True:
            try:
                for part in self._rest(path, request, parts):
                    parts.append(part)
                    attempts.came(len(part))
                return b"".join(parts)
            except _FailedError as error:
                self._targets.pop(self._url(path), None)  # the next attempt asks where the file is now
                attempts.wait(error.reason, reached=self._reached, asked_seconds=error.asked)

    def _rest(self, path: str, request: Request, parts: list[bytes]) -> Iterator[bytes]:
        """Yield what is missing of the wanted bytes behind `parts`, which is emptied if the server sends them again.

        Raises:
            _FailedError: the answer, or the rest of it, did not come.
        """
        got = sum(map(len, parts))
        if request.stop is not None and request.start + got == request.stop:
            return
        wanted = Request(request.where, request.start + got, request.stop, request.limit)
        with _failures(request.where), self._answer(path, wanted) as response:
            state = self._checked_state(path, wanted, response)
            position, end = answer_range(wanted, response.status_code, response.headers)
            if position < wanted.start:
                parts.clear()
            pace = Pace(self._policy)
            for part in response.iter_raw():
                pace.came(len(part))
                position += len(part)
                if end is not None and position > end:
                    raise wrong_bytes(wanted, "more")
                if request.limit is not None and position > request.limit:
                    raise too_large(request, position)
                yield part
        expected = request.stop or state.size
        if expected is not None and position < expected:
            raise _FailedError("fewer bytes than announced")

    def _checked_state(self, path: str, request: Request, response: httpx2.Response) -> FileState:
        """Return what the answer says of the file, after comparing it with all answers before."""
        state = file_state(response.status_code, response.headers)
        if not self.compares_validators:
            state = FileState(state.size)
        check_same(request.where, self._seen.setdefault(path, state), state)
        return state

    @contextlib.contextmanager
    def _answer(self, path: str, request: Request) -> Iterator[httpx2.Response]:
        """Yield the answer to a request: it has the file or the part, or says that there is no such part."""
        asks_for_part = request.start > 0 or request.stop is not None
        last = "" if request.stop is None else request.stop - 1
        wanted_range = {"Range": f"bytes={request.start}-{last}"} if asks_for_part else {}
        origin = self._url(path)
        remembered = self._targets.get(origin)
        url, noted = remembered or origin, remembered is not None
        for _ in range(_MOST_REDIRECTS + 1):
            with self._sent(url, wanted_range) as response:
                self._reached = True
                status = response.status_code
                if not noted and (status in _REDIRECTS or status in (PART, WHOLE)):
                    noted = self._note(response.headers, is_last=status not in _REDIRECTS)
                if status in (PART, WHOLE, BEYOND_THE_END):
                    if url not in (origin, remembered):
                        self._targets[self._url(path)] = url
                    yield response
                    return
                _drain(response, Pace(self._policy))
                if status in _REDIRECTS:
                    url = _redirect_target(request.where, url, response)
                elif remembered and status in _MAY_BE_EXPIRED:
                    self._targets.pop(origin, None)
                    remembered, url = None, origin
                else:
                    raise self._failure(path, url, response)
        raise TransferError(
            f"{request.where}: the server redirects more than {_MOST_REDIRECTS} times; check the address."
        )

    @contextlib.contextmanager
    def _sent(self, url: str, wanted_range: dict[str, str]) -> Iterator[httpx2.Response]:
        policy = self._policy
        timeout = httpx2.Timeout(policy.stall_seconds, connect=policy.connect_seconds)
        headers = {"Accept-Encoding": "identity", **self._headers(url), **wanted_range}
        with client().stream("GET", url, headers=headers, timeout=timeout, follow_redirects=False) as response:
            yield response

    def _failure(self, path: str, url: str, response: httpx2.Response) -> Exception:
        status = response.status_code
        if status in RETRIED_STATUSES:
            return _FailedError(f"status {status}", asked_seconds(response.headers))
        if status in _REFUSALS:
            return self._refusal(path, url, status, response.headers)
        return TransferError(f"{self.name}/{path}: the server answers with status {status}; check the address.")


def _redirect_target(where: str, url: str, response: httpx2.Response) -> str:
    try:
        target = urljoin(url, response.headers.get("Location", ""))
        scheme = urlsplit(target).scheme
    except ValueError:
        target = scheme = ""
    if scheme not in ("http", "https"):
        raise TransferError(
            f"{where}: the server redirects to something that is not an http(s) URL; check the address."
        )
    return target


def _drain(response: httpx2.Response, pace: Pace) -> None:
    """Read a short body, so that the connection can be used again."""
    if int(response.headers.get("Content-Length", _DRAINED_BYTES)) < _DRAINED_BYTES:
        for part in response.iter_raw():
            pace.came(len(part))


@contextlib.contextmanager
def _failures(where: str) -> Iterator[None]:
    """Turn errors of the client into errors of ours."""
    try:
        yield
    except OfflineModeIsEnabled:
        raise TransferError(
            f"{where} cannot be read: HF_HUB_OFFLINE=1 forbids the network; unset it, or give the dataset as a folder."
        ) from None
    except (httpx2.UnsupportedProtocol, httpx2.LocalProtocolError, httpx2.InvalidURL) as error:
        raise TransferError(f"{where} is not an http(s) URL that can be read ({error}); check it.") from error
    except SlowError as error:
        raise _FailedError(str(error)) from error
    except httpx2.TransportError as error:
        if isinstance(_cause(error), ssl.SSLCertVerificationError):
            raise TransferError(
                f"{where}: this machine does not trust the certificate of the server ({error}); check the address, or "
                "set SSL_CERT_FILE."
            ) from error
        raise _FailedError(_reason(error)) from error


def _cause(error: BaseException) -> BaseException:
    """Return the first error of a chain."""
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__ or error
    return error


def _reason(error: httpx2.TransportError) -> str:
    if isinstance(error, httpx2.ConnectTimeout):
        return "no connection in time"
    if isinstance(error, httpx2.TimeoutException):
        return "the answer stalled"
    detail = str(error).partition(" (received")[0]  # with its counts, every failure would be a reason of its own
    return f"{'no connection' if isinstance(error, httpx2.ConnectError) else 'the connection broke'} ({detail})"
