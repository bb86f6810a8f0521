"""The server of the cell browser: for programs of this machine, read-only, with byte ranges."""

import hmac
import os
import secrets
import socketserver
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

from nucleusnet_core.errors import (
    DatasetNotFoundError,
    NucleusNetError,
    OutputError,
    SourceChangedError,
    TransferError,
    UsageError,
)

from .ranges import requested_range
from .site import INDEX, Content, Site

HOST = "127.0.0.1"
_PIECE_BYTES = 4 << 20
_STATUS: dict[type[NucleusNetError], int] = {
    DatasetNotFoundError: 404,
    SourceChangedError: 409,
    TransferError: 424,  # at 5xx the page would try again, and this was tried long enough
    UsageError: 416,
}


def new_secret() -> str:
    """Return a secret of 256 random bits that may stand in an address."""
    return secrets.token_urlsafe(32)


class Server(ThreadingHTTPServer):
    """Sends a site to browsers of this machine.

    Args:
        site: everything that it may send.
        port: 0 for any free one.
        secret: every path must begin with it, so that only those who know the address of the page can read what the
            server reads with a token; "" for none.

    Raises:
        OutputError: the port is taken or not allowed.
    """

    daemon_threads = True
    request_queue_size = 64
    allow_reuse_address = os.name != "nt"  # there it would let two servers share a port

    def __init__(self, site: Site, port: int = 0, *, secret: str = "") -> None:
        self.site = site
        self.root = f"/{secret}/" if secret else "/"
        try:
            super().__init__((HOST, port), Handler)
        except (OSError, OverflowError) as error:
            raise OutputError(
                f"port {port} cannot be used ({error}); choose another --port, or 0 for any free one."
            ) from error

    @property
    def url(self) -> str:
        """Address of the page."""
        return f"http://{HOST}:{self.server_port}{self.root}"

    @property
    def host_names(self) -> set[str]:
        """Names by which browsers may call this server; any other is that of a site which points to this machine."""
        return {f"{name}:{self.server_port}" for name in (HOST, "localhost")}

    def server_bind(self) -> None:
        """Bind without looking up the name of this machine, which takes seconds on some machines."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = HOST, int(self.server_address[1])

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Keep quiet about browsers that hang up."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    """GET and HEAD of what the site lists."""

    protocol_version = "HTTP/1.1"
    server_version = "nucleusnet"
    sys_version = ""
    timeout = 60
    server: Server

    def do_GET(self) -> None:
        """Send a file or a part of it."""
        self._answer()

    def do_HEAD(self) -> None:
        """Send the headers that GET would send, without the file."""
        self._answer()

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Send a message as plain text and hang up, as what may follow cannot be understood."""
        self.close_connection = True
        # An unknown method is one that this server does not allow.
        status = 405 if code == 501 else code
        self._refuse(status, message or explain or "refused", {"Allow": "GET, HEAD"} if status == 405 else {})

    def log_message(self, format: str, *arguments: object) -> None:
        """Keep the terminal clean."""

    def _answer(self) -> None:
        if self.headers.get("Content-Length", "0") != "0" or "Transfer-Encoding" in self.headers:
            self.close_connection = True  # the body is not read and must not be taken for the next request
        if self.headers.get_all("Host", []) not in [[name] for name in self.server.host_names]:
            self._refuse(403, f"Host: this server answers to {' and '.join(sorted(self.server.host_names))} only.")
            return
        try:
            path, root = urlsplit(self.path).path, self.server.root
        except ValueError:
            self._refuse(400, "This address cannot be understood.")
            return
        if not hmac.compare_digest(path[: len(root)].encode(), root.encode()):  # in the same time for any wrong one
            self._refuse(403, "The address lacks the secret of this server; open the one that the program printed.")
            return
        name = unquote(path[len(root) :]) or INDEX
        content = self.server.site.contents.get(name)
        if content is None:
            self._refuse(404, f"There is no file {name[:200]!r} here.")
            return
        try:
            self._send(content)
        except NucleusNetError as error:
            status = next((code for kind, code in _STATUS.items() if isinstance(error, kind)), 500)
            self._refuse(status, str(error), {"Content-Range": f"bytes */{content.size}"} if status == 416 else {})

    def _send(self, content: Content) -> None:
        wanted = requested_range(self.headers.get("Range"), content.size)
        start, stop = wanted or (0, content.size)
        pieces = iter(()) if self.command == "HEAD" else _pieces(content, start, stop)
        first = next(pieces, b"")  # fails before anything is sent
        headers = {"Content-Type": content.kind, "Content-Length": str(stop - start), "Accept-Ranges": "bytes"}
        if wanted:
            headers["Content-Range"] = f"bytes {start}-{stop - 1}/{content.size}"
        self._head(206 if wanted else 200, headers)
        self.wfile.write(first)
        try:
            for piece in pieces:
                self.wfile.write(piece)
        except NucleusNetError:
            self.close_connection = True  # the browser misses bytes, asks again, and then gets the message

    def _refuse(self, status: int, message: str, headers: dict[str, str] | None = None) -> None:
        body = message.encode() + b"\n"
        plain = {"Content-Type": "text/plain; charset=utf-8", "Content-Length": str(len(body))}
        self._head(status, plain | (headers or {}))
        if self.command != "HEAD":
            self.wfile.write(body)

    def _head(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        always = {
            "Content-Security-Policy": self.server.site.policy,
            "Cross-Origin-Resource-Policy": "same-origin",
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "no-store",
        }
        for name, value in (always | headers).items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()


def _pieces(content: Content, start: int, stop: int) -> Iterator[bytes]:
    """Yield a file's bytes in pieces that fit into memory, however large it is."""
    for at in range(start, stop, _PIECE_BYTES):
        yield content.read(at, min(at + _PIECE_BYTES, stop))
