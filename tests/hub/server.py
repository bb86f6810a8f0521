"""A Hub on loopback that the real `huggingface_hub` and `datasets` clients talk to.

It follows what those clients send and expect (version 2.4 and 5.2): repositories, tree, paths-info, refs, preupload,
LFS batch with basic and multipart transfers, verify, commit, tags, and `resolve` with ranges and a redirect to a
second path for large objects, as the real Hub redirects to its CDN. Not served: Xet, pull requests, spaces, models.
"""

import contextlib
import hashlib
import json
import os
import re
import secrets
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.hub.repository import RefusedError, Repository
from tests.range_server import Fault, Seen

LARGE_FROM = 20_000
PAGE = 1000


@dataclass
class Hub:
    """Everything a running Hub knows, and the switches of a test.

    Attributes:
        tokens: token to role, "write" or "read"; others are refused with 401.
        part_bytes: objects above this size are uploaded in parts of this size.
        lying_sha256: report this SHA-256 for every large file in listings.
    """

    url: str = ""
    repositories: dict[str, Repository] = field(default_factory=dict)
    objects: dict[str, bytes] = field(default_factory=dict)
    parts: dict[str, dict[int, bytes]] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=lambda: {"hf_write": "write", "hf_read": "read"})
    part_bytes: int = 5 << 20
    lying_sha256: str | None = None
    latency_seconds: float = 0.0
    seen: list[Seen] = field(default_factory=list)
    received: list[tuple[str, int]] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    lock: threading.RLock = field(default_factory=threading.RLock)

    @property
    def received_bytes(self) -> int:
        """Bytes of all large-object bodies received so far, kept or not."""
        return sum(size for _, size in self.received)

    def repository(self, name: str) -> Repository:
        """The repository of that name."""
        if name not in self.repositories:
            raise RefusedError(404, "RepoNotFound", f"Repository {name} not found")
        return self.repositories[name]

    def take_fault(self, method: str, path: str) -> Fault | None:
        """Return the first fault that still applies, and count it down."""
        with self.lock:
            for fault in self.faults:
                if fault.times > 0 and re.search(fault.pattern, f"{method} {path}"):
                    fault.times -= 1
                    return fault
        return None


Route = Callable[..., None]
ROUTES: list[tuple[str, re.Pattern[str], Route]] = []
REPO = r"(?P<name>[\w.-]+/[\w.-]+)"


def route(method: str, pattern: str) -> Callable[[Route], Route]:
    """Register a handler method for requests whose whole path matches `pattern`."""

    def register(function: Route) -> Route:
        ROUTES.append((method, re.compile(pattern), function))
        return function

    return register


class Handler(BaseHTTPRequestHandler):
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
        self.sent = 0
        time.sleep(self.hub.latency_seconds)
        self.fault = self.hub.take_fault(self.command, self.raw_path)
        try:
            self.body = self.read_body()
            if self.fault and self.fault.status:
                raise RefusedError(self.fault.status, "", "injected fault")
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
        length = int(self.headers.get("Content-Length") or 0)
        if self.headers.get("Transfer-Encoding") == "chunked":
            return self.read_chunks()
        if self.fault and self.fault.cut_after is not None and self.command in ("PUT", "POST"):
            part = self.rfile.read(min(length, self.fault.cut_after))
            self.hub.received.append((self.raw_path, len(part)))
            time.sleep(self.fault.stall_seconds)
            self.close_connection = True
            self.connection.close()
            raise ConnectionAbortedError("injected fault")
        return self.rfile.read(length)

    def read_chunks(self) -> bytes:
        pieces = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            pieces.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(pieces)

    def answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for key, value in (headers or {}).items():
            self.send_header(key, value)
        if not headers or "Content-Length" not in headers:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.send(body)
        entry = Seen(self.command, self.raw_path, self.headers.get("Range"), status, self.sent)
        with self.hub.lock:
            self.hub.seen.append(entry)

    def send(self, body: bytes) -> None:
        part = body
        if self.fault and self.fault.cut_after is not None:
            part = body[: self.fault.cut_after]
            self.close_connection = True
        self.wfile.write(part)
        self.wfile.flush()
        self.sent = len(part)
        if self.fault:
            time.sleep(self.fault.stall_seconds)

    def answer_json(self, value: Any, status: int = 200, headers: dict[str, str] | None = None) -> None:
        self.answer(status, json.dumps(value).encode(), {"Content-Type": "application/json", **(headers or {})})

    def refuse(self, refusal: RefusedError) -> None:
        headers = {"X-Error-Message": refusal.message}
        if refusal.code:
            headers["X-Error-Code"] = refusal.code
        if self.fault and self.fault.retry_after is not None:
            headers["Retry-After"] = self.fault.retry_after
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

    @route("GET", r"/api/whoami-v2")
    def whoami(self) -> None:
        role = self.role()
        if not role:
            raise RefusedError(401, "", "Invalid username or password.")
        token = {"accessToken": {"role": role, "displayName": "test"}}
        self.answer_json({"type": "user", "name": "user", "fullname": "User", "orgs": [], "auth": token})

    @route("POST", r"/api/repos/create")
    def create(self) -> None:
        if self.role() != "write":
            raise RefusedError(403, "", "You don't have the rights to create a dataset.")
        wanted = json.loads(self.body)
        name = f"{wanted.get('organization') or 'user'}/{wanted['name']}"
        url = f"{self.hub.url}/datasets/{name}"
        with self.hub.lock:
            if name in self.hub.repositories:
                self.answer_json({"error": "You already created this dataset repo", "url": url}, 409)
                return
            private = wanted.get("private") or wanted.get("visibility") == "private"
            self.hub.repositories[name] = Repository(name, bool(private))
        self.answer_json({"url": url, "name": name})

    @route("POST", r"/api/validate-yaml")
    def validate_yaml(self) -> None:
        self.answer_json({"errors": [], "warnings": []})

    @route("GET", rf"/api/datasets/{REPO}(?:/revision/(?P<revision>[^/]+))?")
    def info(self, name: str, revision: str) -> None:
        self.answer_json(self.readable(name).info(revision or "main"))

    @route("GET", rf"/api/datasets/{REPO}/refs")
    def refs(self, name: str) -> None:
        repository = self.readable(name)

        def listed(kind: str, refs: dict[str, str]) -> list[dict[str, str]]:
            rows = sorted(refs.items())
            return [{"name": n, "ref": f"refs/{kind}/{n}", "targetCommit": oid} for n, oid in rows]

        branches, tags = listed("heads", repository.branches), listed("tags", repository.tags)
        self.answer_json({"branches": branches, "tags": tags, "converts": []})

    @route("GET", rf"/api/datasets/{REPO}/tree/(?P<revision>[^/]+)(?:/(?P<folder>.+))?")
    def tree(self, name: str, revision: str, folder: str) -> None:
        recursive = self.query.get("recursive", "").lower() in ("true", "1")
        entries = self.shown(self.readable(name).tree(revision, folder, recursive=recursive))
        start = int(self.query.get("cursor", 0))
        headers = {}
        if start + PAGE < len(entries):
            kept = "&".join(f"{key}={value}" for key, value in self.query.items() if key != "cursor")
            link = f"{self.hub.url}{self.raw_path}?{kept}&cursor={start + PAGE}"
            headers["Link"] = f'<{link}>; rel="next"'
        self.answer_json(entries[start : start + PAGE], headers=headers)

    def shown(self, entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
        for entry in entries:
            if self.hub.lying_sha256 and "lfs" in entry:
                entry["lfs"]["oid"] = self.hub.lying_sha256
        return entries

    @route("POST", rf"/api/datasets/{REPO}/paths-info/(?P<revision>[^/]+)")
    def paths_info(self, name: str, revision: str) -> None:
        repository = self.readable(name)
        form = "json" in self.headers.get("Content-Type", "")
        paths = json.loads(self.body)["paths"] if form else parse_qs(self.body.decode())["paths"]
        entries = repository.tree(revision, "", recursive=True)
        self.answer_json(self.shown([entry for entry in entries if entry["path"] in paths]))

    @route("POST", rf"/api/datasets/{REPO}/preupload/(?P<revision>[^/]+)")
    def preupload(self, name: str, revision: str) -> None:
        files = self.writable(name).at(revision).files
        answers = []
        for wanted in json.loads(self.body)["files"]:
            large = wanted["path"].endswith(".parquet") or wanted["size"] >= LARGE_FROM
            known = files.get(wanted["path"])
            answers.append(
                {
                    "path": wanted["path"],
                    "uploadMode": "lfs" if large else "regular",
                    "shouldIgnore": False,
                    "oid": (known.sha256 or known.oid) if known else None,
                }
            )
        self.answer_json({"files": answers})

    @route("POST", rf"/datasets/{REPO}\.git/info/lfs/objects/batch")
    def batch(self, name: str) -> None:
        self.writable(name)
        wanted = json.loads(self.body)
        multipart = "multipart" in wanted["transfers"]
        objects = [self.upload_actions(name, item["oid"], item["size"], multipart) for item in wanted["objects"]]
        self.answer_json({"transfer": "multipart" if multipart else "basic", "objects": objects})

    def upload_actions(self, name: str, oid: str, size: int, multipart: bool) -> dict[str, Any]:
        if oid in self.hub.objects:
            return {"oid": oid, "size": size}
        verify = {"href": f"{self.hub.url}/lfs/{name}/verify"}
        if not multipart or size <= self.hub.part_bytes:
            actions: dict[str, Any] = {"upload": {"href": f"{self.hub.url}/storage/{oid}"}, "verify": verify}
            return {"oid": oid, "size": size, "actions": actions}
        session = secrets.token_hex(8)
        count = -(-size // self.hub.part_bytes)
        header = {str(k): f"{self.hub.url}/storage/{oid}/{session}/{k}" for k in range(1, count + 1)}
        header["chunk_size"] = str(self.hub.part_bytes)
        complete = {"href": f"{self.hub.url}/complete/{oid}/{session}", "header": header}
        return {"oid": oid, "size": size, "actions": {"upload": complete, "verify": verify}}

    @route("PUT", r"/storage/(?P<oid>[0-9a-f]{64})")
    def put_object(self, oid: str) -> None:
        self.hub.received.append((self.raw_path, len(self.body)))
        self.keep(oid, self.body)
        self.answer(200, b"")

    @route("PUT", r"/storage/(?P<oid>[0-9a-f]{64})/(?P<session>\w+)/(?P<part>\d+)")
    def put_part(self, oid: str, session: str, part: str) -> None:
        self.hub.received.append((self.raw_path, len(self.body)))
        with self.hub.lock:
            self.hub.parts.setdefault(session, {})[int(part)] = self.body
        self.answer(200, b"", {"ETag": f'"{hashlib.md5(self.body).hexdigest()}"'})

    @route("POST", r"/complete/(?P<oid>[0-9a-f]{64})/(?P<session>\w+)")
    def complete(self, oid: str, session: str) -> None:
        parts = self.hub.parts.pop(session, {})
        wanted = json.loads(self.body)["parts"]
        for entry in wanted:
            etag = f'"{hashlib.md5(parts.get(entry["partNumber"], b"")).hexdigest()}"'
            if entry["etag"] != etag:
                raise RefusedError(400, "", f"Part {entry['partNumber']} does not match its ETag.")
        self.keep(oid, b"".join(parts[number] for number in sorted(parts)))
        self.answer_json({"success": True})

    def keep(self, oid: str, data: bytes) -> None:
        if hashlib.sha256(data).hexdigest() != oid:
            raise RefusedError(400, "", "The content does not match its SHA-256.")
        with self.hub.lock:
            self.hub.objects[oid] = data

    @route("POST", rf"/lfs/{REPO}/verify")
    def verify(self, name: str) -> None:
        self.writable(name)
        wanted = json.loads(self.body)
        if len(self.hub.objects.get(wanted["oid"], b"")) != wanted["size"]:
            raise RefusedError(404, "", f"Object {wanted['oid']} is not in the store.")
        self.answer_json({"success": True})

    @route("POST", rf"/api/datasets/{REPO}/commit/(?P<revision>[^/]+)")
    def commit(self, name: str, revision: str) -> None:
        repository = self.writable(name)
        lines = [json.loads(line) for line in self.body.splitlines() if line.strip()]
        with self.hub.lock:
            oid = repository.commit(revision, lines, self.hub.objects)
        url = f"{self.hub.url}/datasets/{name}/commit/{oid}"
        self.answer_json({"success": True, "commitOid": oid, "commitUrl": url, "hookOutput": ""})

    @route("POST", rf"/api/datasets/{REPO}/tag/(?P<revision>[^/]+)")
    def tag(self, name: str, revision: str) -> None:
        repository = self.writable(name)
        wanted = json.loads(self.body)["tag"]
        if wanted in repository.tags:
            raise RefusedError(409, "", f"Tag reference exists already: {wanted}")
        repository.tags[wanted] = repository.at(revision).oid
        self.answer_json({})

    @route("POST", rf"/api/datasets/{REPO}/branch/(?P<branch>[^/]+)")
    def branch(self, name: str, branch: str) -> None:
        repository = self.writable(name)
        start = json.loads(self.body or b"{}").get("startingPoint") or "main"
        if branch in repository.branches:
            raise RefusedError(409, "", f"Reference already exists: {branch}")
        repository.branches[branch] = repository.at(start).oid
        self.answer_json({})

    @route("GET", rf"/datasets/{REPO}/resolve/(?P<revision>[^/]+)/(?P<path>.+)")
    def resolve(self, name: str, revision: str, path: str) -> None:
        commit = self.readable(name).at(revision)
        if path not in commit.files:
            raise RefusedError(404, "EntryNotFound", f"Entry {path} not found")
        blob = commit.files[path]
        headers = {"X-Repo-Commit": commit.oid, "ETag": f'"{blob.sha256 or blob.oid}"'}
        if blob.sha256 is None:
            self.send_range(blob.content, headers)
            return
        headers |= {"X-Linked-Size": str(blob.size), "X-Linked-Etag": f'"{blob.sha256}"'}
        headers["Location"] = f"{self.hub.url}/cdn/{blob.sha256}"
        self.answer(302, b"", headers)

    @route("GET", r"/cdn/(?P<oid>[0-9a-f]{64})")
    def cdn(self, oid: str) -> None:
        self.send_range(self.hub.objects[oid], {"ETag": f'"{oid}"'})

    def send_range(self, data: bytes, headers: dict[str, str]) -> None:
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        headers |= {"Accept-Ranges": "bytes"}
        if wanted is None:
            length = {"Content-Length": str(len(data))}
            self.answer(200, data, headers | length)
            return
        first, last = int(wanted[1]), min(int(wanted[2] or len(data) - 1), len(data) - 1)
        if first >= len(data):
            raise RefusedError(416, "", "Requested Range Not Satisfiable")
        body = data[first : last + 1]
        headers |= {"Content-Range": f"bytes {first}-{last}/{len(data)}", "Content-Length": str(len(body))}
        self.answer(206, body, headers)


class QuietServer(ThreadingHTTPServer):
    """A server whose log is not filled by clients that hang up, which is what the fault tests are about."""

    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Report every error but a lost connection."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


@contextlib.contextmanager
def serve_hub() -> Iterator[Hub]:
    """Run a Hub on a free loopback port until the block ends; clients find it through HF_ENDPOINT."""
    hub = Hub()
    server = QuietServer(("127.0.0.1", 0), type("BoundHandler", (Handler,), {"hub": hub}))
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def client_environment(hub: Hub, home: str) -> dict[str, str]:
    """Environment of a client process that knows only this Hub, with caches below `home`."""
    settings = {
        "HF_ENDPOINT": hub.url,
        "HF_HOME": home,
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_UPDATE_DOWNLOAD_COUNTS": "0",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    }
    unset = {"HF_TOKEN", "HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "NUCLEUSNET_DATA", "NUCLEUSNET_REPO"}
    return {key: value for key, value in os.environ.items() if key not in unset} | settings
