"""A real HTTP server on loopback for tests: serves a folder with ranges, counts, and misbehaves on demand."""

import contextlib
import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit


@dataclass(frozen=True)
class Seen:
    """One request as the server saw it; `sent` counts bytes of the body, `status` is what was answered."""

    method: str
    path: str
    range: str | None
    status: int
    sent: int


@dataclass
class Fault:
    """What to do instead of a plain answer, to the next `times` requests whose path matches `pattern`.

    Attributes:
        status: answer with this status and no content (0: answer normally).
        retry_after: value of the Retry-After header, seconds as text.
        cut_after: close the connection after so many bytes of the body.
        stall_seconds: wait so long after `cut_after` bytes (or before any).
    """

    pattern: str = "."
    times: int = 1
    status: int = 0
    retry_after: str | None = None
    cut_after: int | None = None
    stall_seconds: float = 0.0


@dataclass
class RangeServer:
    """Address, request log and switches of a running server."""

    folder: Path
    url: str = ""
    latency_seconds: float = 0.0
    seen: list[Seen] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
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

    def answer(self, *, with_body: bool) -> None:
        path = unquote(urlsplit(self.path).path).lstrip("/")
        time.sleep(self.state.latency_seconds)
        fault = self.state.take_fault(path)
        if fault and fault.status:
            self.refuse(path, fault.status, fault.retry_after)
            return
        target = self.state.redirect_to(path)
        if target is not None:
            self.send_response(302)
            self.send_header("Location", target)
            self.send_header("Content-Length", "0")
            self.end_headers()
            self.note(path, 302, 0)
            return
        file = (self.state.folder / path).resolve()
        if not file.is_relative_to(self.state.folder.resolve()) or not file.is_file():
            self.refuse(path, 404, None)
            return
        self.send_file(path, file, fault, with_body=with_body)

    def send_file(self, path: str, file: Path, fault: Fault | None, *, with_body: bool) -> None:
        facts = file.stat()
        wanted = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range", ""))
        first, last = 0, facts.st_size - 1
        if wanted and wanted[1]:
            first, last = int(wanted[1]), min(int(wanted[2] or last), last)
        elif wanted and wanted[2]:
            first = max(0, facts.st_size - int(wanted[2]))
        if wanted and first > last:
            self.refuse(path, 416, None)
            return
        with file.open("rb") as stream:
            stream.seek(first)
            body = stream.read(last + 1 - first)
        self.send_response(206 if wanted else 200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("ETag", f'"{facts.st_size:x}-{facts.st_mtime_ns:x}"')
        if wanted:
            self.send_header("Content-Range", f"bytes {first}-{last}/{facts.st_size}")
        self.end_headers()
        sent = self.send_body(body, fault) if with_body else 0
        self.note(path, 206 if wanted else 200, sent)

    def send_body(self, body: bytes, fault: Fault | None) -> int:
        if fault is None:
            self.wfile.write(body)
            return len(body)
        part = body if fault.cut_after is None else body[: fault.cut_after]
        self.wfile.write(part)
        self.wfile.flush()
        time.sleep(fault.stall_seconds)
        self.close_connection = True
        return len(part)

    def refuse(self, path: str, status: int, retry_after: str | None) -> None:
        self.send_response(status)
        if retry_after is not None:
            self.send_header("Retry-After", retry_after)
        self.send_header("Content-Length", "0")
        self.end_headers()
        self.note(path, status, 0)

    def note(self, path: str, status: int, sent: int) -> None:
        entry = Seen(self.command, path, self.headers.get("Range"), status, sent)
        with self.state.lock:
            self.state.seen.append(entry)


@contextlib.contextmanager
def serve(folder: Path) -> Iterator[RangeServer]:
    """Serve `folder` on a free loopback port until the block ends."""
    state = RangeServer(folder)
    handler = type("BoundHandler", (Handler,), {"state": state})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
