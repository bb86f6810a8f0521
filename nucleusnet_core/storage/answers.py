"""What the answer to a request for a part of a file may be: nothing in it is believed before it is checked.

Source: RFC 9110, 14.2 (Range), 14.4 (Content-Range), 8.8 (validators).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from ..errors import CorruptDataError, SourceChangedError, TransferError

PART, WHOLE, BEYOND_THE_END = 206, 200, 416
_CONTENT_RANGE = re.compile(r"bytes (\d{1,19})-(\d{1,19})/(\d{1,19}|\*)", re.ASCII)
_NO_RANGE = re.compile(r"bytes \*/(\d{1,19})", re.ASCII)
_NUMBER = re.compile(r"\d{1,19}", re.ASCII)

Headers = Mapping[str, str]
"""Names are found in any case."""


@dataclass(frozen=True)
class Request:
    """Bytes that are wanted of a file.

    Attributes:
        where: dataset and file, for messages.
        start: the first wanted byte.
        stop: behind the last one; None for the end of the file.
        limit: the most bytes that the whole file may have; None for any number.
    """

    where: str
    start: int
    stop: int | None
    limit: int | None = None


@dataclass(frozen=True)
class FileState:
    """What tells a file from another one of the same name; None where the server does not say.

    Attributes:
        size: bytes.
        etag: entity tag, without the mark of a weak one.
        modified: time of the last change, as the server writes it.
    """

    size: int | None
    etag: str | None = None
    modified: str | None = None

    def is_same(self, other: "FileState") -> bool:
        """Return whether nothing that is known of both differs; a time matters only without entity tags."""
        if None not in (self.size, other.size) and self.size != other.size:
            return False
        if None not in (self.etag, other.etag):
            return self.etag == other.etag
        return None in (self.modified, other.modified) or self.modified == other.modified


def file_state(status: int, headers: Headers) -> FileState:
    """Return what an answer says of the file as a whole."""
    content_range = headers.get("Content-Range", "")
    match = _CONTENT_RANGE.fullmatch(content_range) or _NO_RANGE.fullmatch(content_range)
    size = match.groups()[-1] if match and status != WHOLE else "*"
    length = headers.get("Content-Length", "")
    if status == WHOLE and _NUMBER.fullmatch(length):
        size = length
    etag = headers.get("ETag")
    return FileState(
        None if size == "*" else int(size), etag.removeprefix("W/") if etag else None, headers.get("Last-Modified")
    )


def check_same(where: str, before: FileState, now: FileState) -> None:
    """Refuse an answer that belongs to another file than earlier ones.

    Raises:
        SourceChangedError: it does.
    """
    if not before.is_same(now):
        raise SourceChangedError(f"{where}: the file has changed since it was first read; open the dataset again.")


def answer_range(request: Request, status: int, headers: Headers) -> tuple[int, int | None]:
    """Return which bytes of the file an answer has: the wanted ones or the first of them, or the whole file.

    Args:
        request: what was asked for.
        status: 206, 200 or 416.
        headers: of the answer.

    Returns:
        The first byte, and the one behind the last; None if that is not said.

    Raises:
        CorruptDataError: the file is too short or too large.
        TransferError: the server cannot send parts of files, or sent others than were asked for.
    """
    if headers.get("Content-Encoding", "identity").lower() != "identity":
        raise wrong_bytes(request, f"an answer compressed with {headers['Content-Encoding'][:40]!r}")
    size = file_state(status, headers).size
    if request.limit is not None and size is not None and size > request.limit:
        raise too_large(request, size)
    if status == BEYOND_THE_END or (request.stop is not None and size is not None and size < request.stop):
        raise too_short(request, size)
    if status == WHOLE:
        if request.stop is None or (request.start == 0 and request.stop == size):
            return 0, size
        raise TransferError(
            f"{request.where}: the server sent the whole file instead of a part. It cannot send parts of files, as "
            "`python -m http.server` cannot; use one that can (nginx, Apache, S3, the Hub), or copy the dataset "
            "folder to this machine."
        )
    match = _CONTENT_RANGE.fullmatch(headers.get("Content-Range", ""))
    if not match:
        raise wrong_bytes(request, f"Content-Range {headers.get('Content-Range', '')[:80]!r}")
    first, last = int(match[1]), int(match[2])
    if first != request.start or last < first or (request.stop is not None and last >= request.stop):
        raise wrong_bytes(request, f"bytes {first:,} to {last + 1:,}")
    return first, last + 1


def too_large(request: Request, found: int) -> CorruptDataError:
    """Return the error for a file with more bytes than it may have."""
    return CorruptDataError(f"{request.where} has {found:,} bytes; at most {request.limit:,} are allowed.")


def too_short(request: Request, size: int | None) -> CorruptDataError:
    """Return the error for a file that ends before the wanted bytes do."""
    found = "too few" if size is None else f"{size:,}"
    needed = request.start if request.stop is None else request.stop
    return CorruptDataError(
        f"{request.where} has {found} bytes; at least {needed:,} are needed: the file is truncated and must be "
        "uploaded again."
    )


def wrong_bytes(request: Request, found: str) -> TransferError:
    """Return the error for an answer that was not asked for."""
    end = "the end" if request.stop is None else f"{request.stop:,}"
    return TransferError(
        f"{request.where}: the server was asked for bytes {request.start:,} to {end} and sent {found}; it, or a proxy "
        "before it, does not follow HTTP."
    )
