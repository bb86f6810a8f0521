"""How the test Hub talks HTTP: routes, bodies, answers, injected faults, and what a token allows."""

import json
import re
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.hub.repository import RefusedError, Repository
from tests.hub.state import Hub
from tests.range_server import Seen

LOADED_BYTES = 1 << 16

Route = Callable[..., None]
ROUTES: list[tuple[str, re.Pattern[str], Route]] = []
REPO = r"(?P<name>[\w.-]+/[\w.-]+)"


def route(method: str, pattern: str) -> Callable[[Route], Route]:
    """Register a handler method for requests whose whole path matches `pattern`."""

    def register(function: Route) -> Route:
        ROUTES.append((method, re.compile(pattern), function))
        return function

    return register


class HubHandler(BaseHTTPRequestHandler):
    """One connection; `hub` is bound by `serve_hub`."""

    protocol_version = "HTTP/1.1"
    hub: Hub

    def log_message(self, format: str, *arguments: object) -> None:
        """Keep the test output clean; `Hub.seen` is the log."""

    def do_GET(self) -> None:
        self.dispatch("GET")

    def do_HEAD(self) -> None:
        self.dispatch("GET")

    def do_POST(self) -> None:
        self.dispatch("POST")

    def do_PUT(self) -> None:
        self.dispatch("PUT")

    def do_DELETE(self) -> None:
        self.dispatch("DELETE")

    def dispatch(self, method: str) -> None:
        self.raw_path = urlsplit(self.path).path
        self.query = {key: values[-1] for key, values in parse_qs(urlsplit(self.path).query).items()}
        time.sleep(self.hub.latency_seconds)
        self.fault = self.hub.take_fault(self.command, self.raw_path)
        try:
            self.body = self.read_body()
            if self.fault and self.fault.status:
                raise RefusedError(self.fault.status, "", "injected fault")
            self.hub.ring(request=f"{self.command} {self.raw_path}")
            for verb, pattern, function in ROUTES:
                match = pattern.fullmatch(self.raw_path)
                if match and verb == method:
                    function(self, **{key: unquote(value or "") for key, value in match.groupdict().items()})
                    return
            raise RefusedError(404, "", f"no such endpoint: {method} {self.raw_path}")
        except RefusedError as refusal:
            self.refuse(refusal)
        except ConnectionError:
            self.close_connection = True

    def read_body(self) -> bytes:
        """Read the body, slowly if a test wants that, and count the bytes of large objects as they arrive."""
        fault = self.fault if self.command in ("PUT", "POST") else None
        cut_after = None if fault is None else fault.cut_after
        stored = self.raw_path.startswith("/storage/")
        body, whole = bytearray(), False
        try:
            for part in self.body_parts():
                body += part
                if stored:
                    self.note_arrival(len(part))
                if cut_after is not None and len(body) >= cut_after:
                    break
            else:
                whole = cut_after is None
        finally:
            if stored:
                with self.hub.lock:
                    self.hub.received.append((self.raw_path, len(body)))
        if not whole:
            time.sleep(fault.stall_seconds if fault else 0)
            self.close_connection = True
            self.connection.close()
            raise ConnectionAbortedError("injected fault")
        return bytes(body)

    def body_parts(self) -> Iterator[bytes]:
        """Read the body in small parts, whether its length is given or it comes in chunks."""
        if self.headers.get("Transfer-Encoding") != "chunked":
            yield from self.exactly(int(self.headers.get("Content-Length") or 0))
            return
        while size := int(self.rfile.readline().split(b";")[0] or b"0", 16):
            yield from self.exactly(size)
            self.rfile.readline()
        self.rfile.readline()

    def exactly(self, length: int) -> Iterator[bytes]:
        while length:
            part = self.rfile.read1(min(LOADED_BYTES, length))
            if not part:
                raise ConnectionAbortedError("the client is gone")
            length -= len(part)
            yield part

    def note_arrival(self, count: int) -> None:
        with self.hub.lock:
            self.hub.arrived_bytes += count
        self.hub.ring()
        if self.hub.bytes_per_second:
            time.sleep(count / self.hub.bytes_per_second)

    def answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.hub.ring(request=f"{self.command} {self.raw_path}", after=True)
        if self.fault and self.fault.lose_answer:
            self.close_connection = True
            self.connection.close()
            raise ConnectionAbortedError("injected fault")
        part = b"" if self.command == "HEAD" else body
        if self.fault and self.fault.cut_after is not None:
            part = part[: self.fault.cut_after]
            self.close_connection = True
        # Noted before it is sent: a client may be done before this thread goes on.
        token = self.headers.get("Authorization")
        entry = Seen(self.command, self.raw_path, self.headers.get("Range"), status, len(part), token)
        with self.hub.lock:
            self.hub.seen.append(entry)
        self.send_response(status)
        for key, value in (headers or {}).items():
            self.send_header(key, value)
        if not headers or "Content-Length" not in headers:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(part)
        self.wfile.flush()
        if self.fault and self.command != "HEAD":
            time.sleep(self.fault.stall_seconds)
            if self.fault.then is not None:
                self.fault.then()

    def answer_json(self, value: Any, status: int = 200, headers: dict[str, str] | None = None) -> None:
        self.answer(status, json.dumps(value).encode(), {"Content-Type": "application/json", **(headers or {})})

    def refuse(self, refusal: RefusedError) -> None:
        headers = {"X-Error-Message": refusal.message}
        if refusal.code:
            headers["X-Error-Code"] = refusal.code
        if self.fault and self.fault.retry_after is not None:
            headers["Retry-After"] = self.fault.retry_after
        headers |= self.fault.headers if self.fault else {}
        self.answer_json({"error": refusal.message}, refusal.status, headers)

    def role(self) -> str:
        """What the request's token allows; "" for none."""
        given = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if given and given not in self.hub.tokens:
            raise RefusedError(401, "", "Invalid username or password.")
        return self.hub.tokens.get(given, "")

    def readable(self, name: str) -> Repository:
        repository = self.hub.repository(name)
        if repository.private and not self.role():
            raise RefusedError(401, "RepoNotFound", "Invalid username or password.")
        return repository

    def writable(self, name: str) -> Repository:
        role = self.role()
        if not role:
            raise RefusedError(401, "", "Invalid username or password.")
        if role != "write":
            raise RefusedError(403, "", "You don't have the rights to write to this repository.")
        return self.hub.repository(name)
