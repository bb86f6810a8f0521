"""A real HTTP server on loopback for tests: serves a folder with ranges, counts, and misbehaves on demand."""

import contextlib
import re
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit


@dataclass(frozen=True)
class Seen:
    """One request as the server saw it, noted before it is answered; `sent` counts bytes of the body."""

    method: str
    path: str
    range: str | None
    status: int
    sent: int
    authorization: str | None = None


@dataclass
class Fault:
    """What to do instead of a plain answer, to the next `times` requests whose path matches `pattern`.

    Attributes:
        status: answer with this status and no content (0: answer normally).
        retry_after: value of the Retry-After header, seconds as text.
        headers: of the answer with `status` (the test Hub only).
        cut_after: close the connection after so many bytes of the body.
        stall_seconds: wait so long after `cut_after` bytes (or before any).
        then: called after `cut_after` bytes, before the connection is closed.
        reset: close it with a reset, as a crashed or overloaded server does.
        lose_answer: do what is asked, then close the connection (the test Hub only).
        content_range: send this header instead of the true one.
        drip_seconds: send the body a byte at a time, with so long between two.
    """

    pattern: str = "."
    times: int = 1
    status: int = 0
    retry_after: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    cut_after: int | None = None
    stall_seconds: float = 0.0
    then: Callable[[], object] | None = None
    reset: bool = False
    content_range: str | None = None
    lose_answer: bool = False
    drip_seconds: float = 0.0


@dataclass
class RangeServer:
    """Address, request log and switches of a running server.

    Attributes:
        sends_parts: whether ranges are honoured; `python -m http.server` does not.
        sends_etags: whether files have entity tags; otherwise they have a time of modification.
    """

    folder: Path
    url: str = ""
    latency_seconds: float = 0.0
    sends_parts: bool = True
    sends_etags: bool = True
    seen: list[Seen] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)
    redirect_to: Callable[[str], str | None] = lambda _path: None

    @property
    def sent_bytes(self) -> int:
        """Bytes of all bodies sent so far."""
        return sum(request.sent for request in self.seen)

    def take_fault(self, path: str) -> Fault | None:
        """Return the first fault that still applies to `path`, and count it down."""
        with self.lock:
            for fault in self.faults:
                if fault.times > 0 and re.search(fault.pattern, path):
                    fault.times -= 1
                    return fault
        return None


class Handler(BaseHTTPRequestHandler):
    """GET and HEAD with one byte range."""

    protocol_version = "HTTP/1.1"
    state: RangeServer

    def do_GET(self) -> None:
        self.answer(with_body=True)

    def do_HEAD(self) -> None:
        self.answer(with_body=False)

    def log_message(self, format: str, *arguments: object) -> None:
        """Keep the test output clean; `RangeServer.seen` is the log."""

    def end_headers(self) -> None:
        """Add what the test wants on every answer."""
        for name, value in self.state.headers.items():
            self.send_header(name, value)
        super().end_headers()

    def answer(self, *, with_body: bool) -> None:
        path = unquote(urlsplit(self.path).path).lstrip("/")
        time.sleep(self.state.latency_seconds)
        fault = self.state.take_fault(path)
        if fault and fault.status:
            self.refuse(path, fault.status, fault.retry_after)
            return
        target = self.state.redirect_to(path)
        if target is not None:
            self.note(path, 302, 0)
            self.send_response(302)
            self.send_header("Location", target)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        file = (self.state.folder / path).resolve()
        if not file.is_relative_to(self.state.folder.resolve()) or not file.is_file():
            self.refuse(path, 404, None)
            return
        self.send_file(path, file, fault, with_body=with_body)

    def send_file(self, path: str, file: Path, fault: Fault | None, *, with_body: bool) -> None:
        facts = file.stat()
        wanted = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range", "")) if self.state.sends_parts else None
        first, last = 0, facts.st_size - 1
        if wanted and wanted[1]:
            first, last = int(wanted[1]), min(int(wanted[2] or last), last)
        elif wanted and wanted[2]:
            first = max(0, facts.st_size - int(wanted[2]))
        if wanted and first > last:
            self.refuse(path, 416, None, size=facts.st_size)
            return
        with file.open("rb") as stream:
            stream.seek(first)
            body = stream.read(last + 1 - first)
        part = body if with_body else b""
        if fault and fault.cut_after is not None:
            part = part[: fault.cut_after]
        self.note(path, 206 if wanted else 200, len(part))
        self.send_response(206 if wanted else 200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Accept-Ranges", "bytes")
        if self.state.sends_etags:
            self.send_header("ETag", f'"{facts.st_size:x}-{facts.st_mtime_ns:x}"')
        else:
            self.send_header("Last-Modified", self.date_time_string(int(facts.st_mtime)))
        if wanted:
            told = fault.content_range if fault else None
            self.send_header("Content-Range", told or f"bytes {first}-{last}/{facts.st_size}")
        self.end_headers()
        if fault and fault.drip_seconds:
            self.drip(part, fault.drip_seconds)
        else:
            self.wfile.write(part)
        self.wfile.flush()
        if fault:
            self.misbehave(fault)

    def drip(self, part: bytes, seconds: float) -> None:
        for byte in part:
            self.wfile.write(bytes([byte]))
            self.wfile.flush()
            time.sleep(seconds)

    def misbehave(self, fault: Fault) -> None:
        time.sleep(fault.stall_seconds)
        if fault.then:
            fault.then()
        if fault.reset:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True

    def refuse(self, path: str, status: int, retry_after: str | None, *, size: int | None = None) -> None:
        self.note(path, status, 0)
        self.send_response(status)
        if size is not None:
            self.send_header("Content-Range", f"bytes */{size}")
        if retry_after is not None:
            self.send_header("Retry-After", retry_after)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def note(self, path: str, status: int, sent: int) -> None:
        entry = Seen(self.command, path, self.headers.get("Range"), status, sent, self.headers.get("Authorization"))
        with self.state.lock:
            self.state.seen.append(entry)


class QuietServer(ThreadingHTTPServer):
    """A server whose log is not filled by clients that hang up, which is what the fault tests are about."""

    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Report every error but a lost connection."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


@contextlib.contextmanager
def serving(server: QuietServer) -> Iterator[str]:
    """Run a server in a thread until the block ends; gives its address."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextlib.contextmanager
def serve(folder: Path) -> Iterator[RangeServer]:
    """Serve `folder` on a free loopback port until the block ends."""
    state = RangeServer(folder)
    with serving(QuietServer(("127.0.0.1", 0), type("BoundHandler", (Handler,), {"state": state}))) as state.url:
        yield state
