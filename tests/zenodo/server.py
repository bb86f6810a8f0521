"""A Zenodo on loopback: the deposit part of the REST API, as https://developers.zenodo.org describes it.

Served: depositions (create, list, retrieve, update, delete), their files (list, delete), the bucket's PUT, publish; the
scopes deposit:write and deposit:actions, checks of the metadata at publishing, quota and number of files, rate limit
headers. State names, the shape of file entries, and that a published deposition is still found under its number, are
those of the running service (https://github.com/zenodo/zenodo-rdm, `legacy`). Not served: new versions, communities,
records, search queries. Bodies are hashed as they come and not kept.
"""

import contextlib
import hashlib
import json
import re
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.range_server import QuietServer, serving

BOTH_SCOPES = frozenset({"deposit:write", "deposit:actions"})
REQUIRED = ("title", "upload_type", "description", "creators")
CHUNK = 1 << 16


@dataclass
class Fault:
    """What to do instead of a plain answer, to the next `times` requests whose method and path match `pattern`.

    Attributes:
        status: answer with this status before the body is read (0: not).
        headers: of that answer.
        reset_after: reset the connection after so many bytes of the request's body.
        lose_answer: do what was asked, then reset the connection instead of answering.
        wrong_md5: state this MD5 in the answer; what is stored is right.
        store_wrong: store another MD5, as if a byte had changed on the way.
        seconds_per_chunk: read a body slowly.
    """

    pattern: str
    times: int = 1
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    reset_after: int | None = None
    lose_answer: bool = False
    wrong_md5: str = ""
    store_wrong: bool = False
    seconds_per_chunk: float = 0.0


@dataclass
class StoredFile:
    """A file in a bucket."""

    id: str
    name: str
    size: int
    md5: str


@dataclass
class Deposition:
    """A deposition and its bucket."""

    id: int
    bucket: str
    metadata: dict[str, Any]
    submitted: bool = False
    files: dict[str, StoredFile] = field(default_factory=dict)


@dataclass
class Zenodo:
    """Everything a running server knows, and the switches of a test.

    Attributes:
        tokens: token to its scopes; others are refused with 401.
        seen: method, path with query, and status of every request, in order.
        received: bytes of bucket bodies that arrived, by file name, kept or not.
        expire_after: after so many requests every token has expired.
        bucket_site: name this site in the links to buckets.
    """

    url: str = ""
    tokens: dict[str, frozenset[str]] = field(default_factory=lambda: {"zen_full": BOTH_SCOPES})
    quota_bytes: int = 50 * 10**9
    most_files: int = 100
    depositions: dict[int, Deposition] = field(default_factory=dict)
    seen: list[tuple[str, str, int]] = field(default_factory=list)
    received: list[tuple[str, int]] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    expire_after: int | None = None
    bucket_site: str = ""
    lock: threading.RLock = field(default_factory=threading.RLock)

    def take_fault(self, method: str, path: str) -> Fault | None:
        """Return the first fault that still applies, and count it down."""
        with self.lock:
            for fault in self.faults:
                if fault.times > 0 and re.search(fault.pattern, f"{method} {path}"):
                    fault.times -= 1
                    return fault
        return None

    def sent_bytes(self, name: str) -> int:
        """Bytes that arrived of files of that name."""
        return sum(size for stored, size in self.received if stored == name)


class RefusedError(Exception):
    """An error answer."""

    def __init__(self, status: int, message: str, errors: list[dict[str, str]] | None = None) -> None:
        self.status, self.content = status, {"message": message, "status": status}
        if errors:
            self.content["errors"] = errors


Route = Callable[..., tuple[int, Any]]
ROUTES: list[tuple[str, re.Pattern[str], str, Route]] = []


def route(method: str, pattern: str, scope: str) -> Callable[[Route], Route]:
    """Register a handler method for requests whose whole path matches `pattern`."""

    def register(function: Route) -> Route:
        ROUTES.append((method, re.compile(pattern), scope, function))
        return function

    return register


class Handler(BaseHTTPRequestHandler):
    """The API."""

    protocol_version = "HTTP/1.1"
    state: Zenodo

    def log_message(self, format: str, *arguments: object) -> None:
        """Keep the test output clean; `Zenodo.seen` is the log."""

    def do_GET(self) -> None:
        self.handle_call()

    def do_POST(self) -> None:
        self.handle_call()

    def do_PUT(self) -> None:
        self.handle_call()

    def do_DELETE(self) -> None:
        self.handle_call()

    def handle_call(self) -> None:
        self.left = int(self.headers.get("Content-Length") or 0)
        path = urlsplit(self.path).path
        self.fault = self.state.take_fault(self.command, path) or Fault("")
        if self.fault.status:
            self.answer(self.fault.status, {"message": "Injected.", "status": self.fault.status}, self.fault.headers)
            return
        try:
            status, content = self.dispatch(path)
        except RefusedError as error:
            self.answer(error.status, error.content)
        except ConnectionResetError:
            self.note(0)
        else:
            if self.fault.lose_answer:
                self.note(0)
                self.reset()
            else:
                self.answer(status, content)

    def dispatch(self, path: str) -> tuple[int, Any]:
        scopes = self.scopes()
        for method, pattern, scope, function in ROUTES:
            match = pattern.fullmatch(path)
            if match and method == self.command:
                if scope and scope not in scopes:
                    raise RefusedError(403, "Your token does not have the required scopes.")
                return function(self, **match.groupdict())
        raise RefusedError(404, "The requested URL was not found on the server.")

    def scopes(self) -> frozenset[str]:
        kind, _, token = self.headers.get("Authorization", "").partition(" ")
        expired = self.state.expire_after is not None and len(self.state.seen) >= self.state.expire_after
        if kind != "Bearer" or token not in self.state.tokens or expired:
            raise RefusedError(
                401,
                f"The server could not verify that you are authorized to access the URL requested with {token}.",
            )
        return self.state.tokens[token]

    def json_body(self) -> dict[str, Any]:
        if self.headers.get_content_type() != "application/json":
            raise RefusedError(415, "Unsupported media type.")
        content: dict[str, Any] = json.loads(b"".join(self.body()) or b"{}")
        unknown = sorted(content.keys() - {"metadata"})
        if unknown:
            raise RefusedError(400, "Validation error", [{"field": unknown[0], "message": "Unknown field name."}])
        return content.get("metadata", {})  # type: ignore[no-any-return]

    def body(self) -> Iterator[bytes]:
        """Yield the request's body; misbehave as the fault says."""
        done = 0
        while self.left:
            if self.fault.reset_after is not None and done >= self.fault.reset_after:
                self.reset()
                raise ConnectionResetError
            limit = CHUNK if self.fault.reset_after is None else min(CHUNK, self.fault.reset_after - done)
            chunk = self.rfile.read(min(limit, self.left))
            if not chunk:
                self.close_connection = True
                raise ConnectionResetError
            done += len(chunk)
            self.left -= len(chunk)
            time.sleep(self.fault.seconds_per_chunk)
            yield chunk

    def reset(self) -> None:
        """End the connection as a crashing machine does."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True

    def answer(self, status: int, content: Any, headers: dict[str, str] | None = None) -> None:
        self.note(status)
        data = b"" if status in (204, 500) else json.dumps(content).encode()  # 500 has no error response
        self.send_response(status)
        limits = {"X-RateLimit-Limit": "100", "X-RateLimit-Remaining": "99"}
        for name, value in {**limits, "Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        if self.left:
            self.send_header("Connection", "close")
            self.close_connection = True
        self.send_header("Content-Length", str(len(data)))
        with contextlib.suppress(ConnectionError):  # the client was killed
            self.end_headers()
            self.wfile.write(data)
            self.wfile.flush()
            if self.left:
                self.linger()

    def linger(self) -> None:
        """Let the answer arrive: closing with unread bytes would reset the connection."""
        self.connection.shutdown(socket.SHUT_WR)
        self.connection.settimeout(2)
        with contextlib.suppress(OSError):
            while self.connection.recv(CHUNK):
                pass

    def note(self, status: int) -> None:
        with self.state.lock:
            self.state.seen.append((self.command, self.path, status))

    def deposition(self, number: str, *, writable: bool = False) -> Deposition:
        found = self.state.depositions.get(int(number))
        if found is None:
            raise RefusedError(404, "Deposition not found")
        if writable and found.submitted:
            raise RefusedError(403, "The deposition is published.")
        return found

    def shown(self, deposition: Deposition) -> dict[str, Any]:
        """The representation of a deposition."""
        site, number = self.state.url, deposition.id
        here = f"{site}/api/deposit/depositions/{number}"
        doi = f"10.5072/zenodo.{number}"
        metadata = {**deposition.metadata, "prereserve_doi": {"doi": doi, "recid": number}}
        published = {"doi": doi, "record_url": f"{site}/records/{number}"} if deposition.submitted else {}
        return {
            "id": number,
            "record_id": number,
            "title": deposition.metadata.get("title", ""),
            "owner": 1,
            "metadata": metadata,
            "files": [self.shown_file(file) for file in deposition.files.values()],
            "state": "done" if deposition.submitted else "unsubmitted",
            "submitted": deposition.submitted,
            "links": {
                "self": here,
                "bucket": f"{self.state.bucket_site or site}/api/files/{deposition.bucket}",
                "files": f"{here}/files",
                "publish": f"{here}/actions/publish",
                "html": f"{site}/deposit/{number}",
            },
            **published,
        }

    @staticmethod
    def shown_file(file: StoredFile) -> dict[str, Any]:
        return {"id": file.id, "filename": file.name, "filesize": file.size, "checksum": file.md5}

    @route("GET", r"/api/deposit/depositions", "")
    def list_depositions(self) -> tuple[int, Any]:
        query = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
        newest = sorted(self.state.depositions.values(), key=lambda deposition: -deposition.id)
        drafts = [d for d in newest if query.get("status") != "draft" or not d.submitted]
        return 200, [self.shown(deposition) for deposition in drafts[: int(query.get("size", 10))]]

    @route("POST", r"/api/deposit/depositions", "deposit:write")
    def create(self) -> tuple[int, Any]:
        metadata = self.json_body()
        with self.state.lock:
            number = 100 + len(self.state.depositions)
            made = Deposition(number, f"b0b0b0b0-0000-4000-8000-{number:012}", metadata)
            self.state.depositions[number] = made
        return 201, self.shown(made)

    @route("GET", r"/api/deposit/depositions/(?P<number>\d+)", "")
    def retrieve(self, number: str) -> tuple[int, Any]:
        return 200, self.shown(self.deposition(number))

    @route("PUT", r"/api/deposit/depositions/(?P<number>\d+)", "deposit:write")
    def update(self, number: str) -> tuple[int, Any]:
        found, metadata = self.deposition(number, writable=True), self.json_body()
        if errors := metadata_errors(metadata):
            raise RefusedError(400, "Validation error", errors)
        found.metadata = metadata
        return 200, self.shown(found)

    @route("GET", r"/api/deposit/depositions/(?P<number>\d+)/files", "")
    def list_files(self, number: str) -> tuple[int, Any]:
        return 200, [self.shown_file(file) for file in self.deposition(number).files.values()]

    @route("DELETE", r"/api/deposit/depositions/(?P<number>\d+)/files/(?P<file_id>[\w-]+)", "deposit:write")
    def delete_file(self, number: str, file_id: str) -> tuple[int, Any]:
        files = self.deposition(number, writable=True).files
        name = next((name for name, file in files.items() if file.id == file_id), None)
        if name is None:
            raise RefusedError(404, "Deposition file does not exist")
        del files[name]
        return 204, None

    @route("PUT", r"/api/files/(?P<bucket>[\w-]+)/(?P<name>[^/]+)", "deposit:write")
    def put_file(self, bucket: str, name: str) -> tuple[int, Any]:
        owner = next((d for d in self.state.depositions.values() if d.bucket == bucket), None)
        if owner is None:
            raise RefusedError(404, "Bucket not found")
        self.deposition(str(owner.id), writable=True)
        name, size = unquote(name), self.left
        if "Transfer-Encoding" in self.headers:
            raise RefusedError(411, "Length required")
        others = [file for file in owner.files.values() if file.name != name]
        if sum(file.size for file in others) + size > self.state.quota_bytes:
            raise RefusedError(413, "Bucket quota exceeded.")
        if len(others) + 1 > self.state.most_files:
            raise RefusedError(400, "Uploading selected files will result in more files than the limit.")
        md5, arrived = hashlib.md5(usedforsecurity=False), 0
        try:
            for chunk in self.body():
                md5.update(chunk)
                arrived += len(chunk)
        finally:
            with self.state.lock:
                self.state.received.append((name, arrived))
        stored = "0" * 32 if self.fault.store_wrong else md5.hexdigest()
        with self.state.lock:
            owner.files[name] = StoredFile(f"f-{len(self.state.seen)}", name, size, stored)
        answer = {"key": name, "size": size, "checksum": f"md5:{self.fault.wrong_md5 or stored}", "is_head": True}
        return 201, answer

    @route("POST", r"/api/deposit/depositions/(?P<number>\d+)/actions/publish", "deposit:actions")
    def publish(self, number: str) -> tuple[int, Any]:
        found = self.state.depositions.get(int(number))
        if found is None or found.submitted:
            raise RefusedError(404, "The draft does not exist")
        errors = metadata_errors(found.metadata)
        if not found.files:
            errors.append({"field": "files", "message": "Minimum one file must be provided."})
        if errors:
            raise RefusedError(400, "Validation error", errors)
        found.submitted = True
        return 202, self.shown(found)


def metadata_errors(metadata: dict[str, Any]) -> list[dict[str, str]]:
    """What is wrong with the metadata of a deposition."""
    errors = [
        {"field": f"metadata.{name}", "message": "Field is required."} for name in REQUIRED if not metadata.get(name)
    ]
    for number, creator in enumerate(metadata.get("creators", [])):
        if not creator.get("name"):
            errors.append({"field": f"metadata.creators.{number}.name", "message": "Name is required."})
    if metadata.get("upload_type") not in ("dataset", "image", "software"):
        errors.append({"field": "metadata.upload_type", "message": "Not a valid choice"})
    if metadata.get("access_right", "open") not in ("open", "embargoed", "restricted", "closed"):
        errors.append({"field": "metadata.access_right", "message": "Not a valid choice"})
    if not re.fullmatch(r"\d{4}-\d\d-\d\d", metadata.get("publication_date", "2026-01-01")):
        errors.append({"field": "metadata.publication_date", "message": "Not a valid date."})
    if metadata.get("license", "cc-zero") not in ("cc-zero", "cc0-1.0", "cc-by-4.0", "cc-by-nc-4.0"):
        errors.append({"field": "metadata.license", "message": "Invalid license provided."})
    for number, related in enumerate(metadata.get("related_identifiers", [])):
        if related.get("relation") not in ("isPartOf", "hasPart"):
            errors.append({"field": f"metadata.related_identifiers.{number}.relation", "message": "Not a valid choice"})
    return errors


@contextlib.contextmanager
def serve() -> Iterator[Zenodo]:
    """Run a server on a free loopback port until the block ends."""
    state = Zenodo()
    with serving(QuietServer(("127.0.0.1", 0), type("BoundHandler", (Handler,), {"state": state}))) as state.url:
        yield state
