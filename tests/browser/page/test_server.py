"""The server sends what it lists, in the ranges asked for, to browsers of this machine, and nothing else."""

import http.client
import socket
from pathlib import Path
from urllib.parse import quote

import pytest

from browser.page.ranges import requested_range
from browser.page.server import Server, new_secret
from browser.page.site import Content, Site, make_site
from browser.page.sources import served_source
from browser.page.static_files import STATIC_DIR
from nucleusnet_core.dataset import open_dataset
from nucleusnet_core.errors import CorruptDataError, OutputError, UsageError
from tests.browser.conftest import Serve, running
from tests.dataset_folder import write_dataset_folder

SHARD = "data/train-00000-of-00005.parquet"


def answer(server: Server, path: str, *, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=10)
    try:
        connection.request(method, path, headers=headers)
        response = connection.getresponse()
        return response.status, dict(response.getheaders()), response.read()
    finally:
        connection.close()


def raw(server: Server, text: str) -> bytes:
    """Everything that comes back for bytes that no HTTP library would send."""
    with socket.create_connection(("127.0.0.1", server.server_port), timeout=10) as connection:
        connection.sendall(text.encode("latin-1"))
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def test_the_page_and_its_files_are_sent_with_a_policy_that_names_no_other_host(server: Server) -> None:
    status, headers, body = answer(server, "/")
    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert body == (STATIC_DIR / "index.html").read_bytes()
    assert headers["Content-Security-Policy"] == (
        "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert not [name for name in headers if name.startswith("Access-Control-")]
    assert answer(server, "/page.js")[1]["Content-Type"] == "text/javascript; charset=utf-8"
    assert answer(server, "/vendor/fzstd/index.js")[0] == 200


@pytest.mark.parametrize(
    ("wanted", "status", "start", "stop"),
    [
        ("bytes=0-99", 206, 0, 100),
        ("bytes=100-", 206, 100, None),
        ("bytes=-8", 206, -8, None),
        ("bytes=5-99999999999", 206, 5, None),
        ("rows=0-9", 200, 0, None),
    ],
)
def test_a_range_gives_exactly_its_bytes(  # noqa: PLR0917
    server: Server, folder: Path, wanted: str, status: int, start: int, stop: int | None
) -> None:
    whole = (folder / SHARD).read_bytes()
    found, headers, body = answer(server, f"/data/{SHARD}", Range=wanted)
    assert (found, body) == (status, whole[start:stop])
    if status == 206:
        first = start % len(whole)
        assert headers["Content-Range"] == f"bytes {first}-{first + len(body) - 1}/{len(whole)}"


def test_head_says_what_get_would_send(server: Server, folder: Path) -> None:
    status, headers, body = answer(server, f"/data/{SHARD}", method="HEAD")
    assert (status, headers["Content-Length"], body) == (200, str((folder / SHARD).stat().st_size), b"")


@pytest.mark.parametrize(
    "wanted", ["bytes=0-1,5-9", "bytes=-", "bytes=9-3", "bytes=a-b", "bytes=999999999-", "bytes=-0"]
)
def test_what_is_no_single_range_of_the_file_is_416(server: Server, folder: Path, wanted: str) -> None:
    status, headers, body = answer(server, f"/data/{SHARD}", Range=wanted)
    assert (status, headers["Content-Range"]) == (416, f"bytes */{(folder / SHARD).stat().st_size}")
    assert body.startswith(b"Range: 'bytes=")


def test_ranges_of_an_empty_file_are_refused() -> None:
    assert requested_range(None, 0) is None
    with pytest.raises(UsageError, match="Range"):
        requested_range("bytes=0-0", 0)


@pytest.mark.parametrize(
    "path",
    [
        "/data/../manifest.json",
        "/data/%2e%2e/%2e%2e/etc/passwd",
        "/../../../../etc/passwd",
        "//etc/passwd",
        "/data/..%5c..%5cmanifest.json",
        "/data/README.md",
        "/data/provenance.parquet",
        "/data/data/",
        "/data/data/train-00000-of-00005.parquet%00",
        "/vendor/../../server.py",
        "/package.json",
        "/%ff%fe",
    ],
)
def test_paths_that_are_not_listed_do_not_exist(server: Server, folder: Path, path: str) -> None:
    (folder / "README.md").write_text("not listed", "utf-8")
    assert answer(server, path)[0] == 404


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "localhost:1", "127.0.0.1:{port}.evil.example", ""])
def test_a_foreign_host_name_gets_nothing(server: Server, host: str) -> None:
    status, _, body = answer(server, "/data/manifest.json", Host=host.format(port=server.server_port))
    assert (status, body[:5]) == (403, b"Host:")


def test_no_host_or_two_of_them_get_nothing(server: Server) -> None:
    good = f"Host: 127.0.0.1:{server.server_port}\r\n"
    assert raw(server, f"GET / HTTP/1.1\r\n{good}\r\n").startswith(b"HTTP/1.1 200 ")
    assert raw(server, "GET / HTTP/1.1\r\n\r\n").startswith(b"HTTP/1.1 403 ")
    assert raw(server, f"GET / HTTP/1.1\r\n{good}{good}\r\n").startswith(b"HTTP/1.1 403 ")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "NONSENSE"])
def test_other_methods_are_refused(server: Server, method: str) -> None:
    said = raw(server, f"{method} / HTTP/1.1\r\nHost: 127.0.0.1:{server.server_port}\r\n\r\n")
    assert said.startswith(b"HTTP/1.1 405 ")
    assert b"\r\nAllow: GET, HEAD\r\n" in said


def test_a_body_is_never_taken_for_the_next_request(server: Server) -> None:
    host = f"Host: 127.0.0.1:{server.server_port}\r\n"
    inner = f"GET /data/manifest.json HTTP/1.1\r\n{host}\r\n"
    said = raw(server, f"GET /icon.svg HTTP/1.1\r\n{host}Content-Length: {len(inner)}\r\n\r\n{inner}")
    assert said.count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize(
    "text", ["\r\n\r\n", "GET\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", f"GET /{'a' * 70_000} HTTP/1.1\r\n\r\n"]
)
def test_nonsense_does_not_stop_the_server(server: Server, text: str) -> None:
    raw(server, text)
    assert answer(server, "/")[0] == 200


def test_a_browser_that_hangs_up_does_not_stop_the_server(server: Server, capfd: pytest.CaptureFixture[str]) -> None:
    for _ in range(3):
        with socket.create_connection(("127.0.0.1", server.server_port)) as connection:
            connection.sendall(f"GET /data/{SHARD} HTTP/1.1\r\nHost: 127.0.0.1:{server.server_port}\r\n\r\n".encode())
            connection.recv(100)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    assert answer(server, "/")[0] == 200
    assert capfd.readouterr().err == ""


def test_a_shard_that_is_gone_or_leads_out_of_the_folder_is_an_error_with_a_message(
    tmp_path: Path, serve: Serve
) -> None:
    folder = tmp_path / "nucleusnet"
    write_dataset_folder(folder, {"train": 20, "test": 20})
    (outside := tmp_path / "outside.parquet").write_bytes(b"secret" * 9)
    with serve(folder) as server:
        (folder / "data/test-00000-of-00001.parquet").unlink()
        status, _, body = answer(server, "/data/data/test-00000-of-00001.parquet", Range="bytes=0-9")
        assert (status, b"test-00000-of-00001.parquet does not exist; " in body) == (404, True)
        (folder / "data/train-00000-of-00001.parquet").unlink()
        (folder / "data/train-00000-of-00001.parquet").symlink_to(outside)
        status, _, body = answer(server, "/data/data/train-00000-of-00001.parquet", Range="bytes=0-9")
        assert (status, b"secret" in body, b"leads out of the dataset folder; " in body) == (500, False, True)


def test_a_shard_that_changed_under_the_server_is_an_error(tmp_path: Path, serve: Serve) -> None:
    folder = tmp_path / "nucleusnet"
    write_dataset_folder(folder, {"train": 20})
    shard = folder / "data/train-00000-of-00001.parquet"
    with serve(folder) as server:
        assert answer(server, "/data/data/train-00000-of-00001.parquet", Range="bytes=0-9")[0] == 206
        shard.write_bytes(shard.read_bytes() + b"more")
        assert answer(server, "/data/data/train-00000-of-00001.parquet", Range="bytes=0-9")[0] == 409


def test_a_file_that_ends_early_breaks_the_connection_instead_of_being_filled_up(server: Server) -> None:
    half = 4 << 20

    def read(start: int, stop: int) -> bytes:
        if start >= half:
            raise CorruptDataError("the file ends here")
        return b"x" * (stop - start)

    site = Site({"shard": Content(2 * half, "application/octet-stream", read)}, server.site.policy)
    with running(Server(site)) as broken:
        said = raw(broken, f"GET /shard HTTP/1.1\r\nHost: 127.0.0.1:{broken.server_port}\r\n\r\n")
        head, _, body = said.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 ")
        assert f"Content-Length: {2 * half}".encode() in head
        assert len(body) == half
        status, _, body = answer(broken, "/shard", Range=f"bytes={half}-")
        assert (status, body) == (500, b"the file ends here\n")


def test_only_this_machine_can_connect_and_a_taken_port_is_an_error(server: Server) -> None:
    assert server.server_address[0] == "127.0.0.1"
    with pytest.raises(OutputError, match=rf"port {server.server_port} cannot be used \(.*choose another --port"):
        Server(server.site, server.server_port)


def test_a_server_with_a_secret_sends_nothing_without_it(folder: Path) -> None:
    opened = open_dataset(folder)
    secret = new_secret()
    assert len(secret) >= 43
    assert secret != new_secret()
    with running(Server(make_site(served_source(opened.store.name), opened), secret=secret)) as server:
        assert server.url == f"http://127.0.0.1:{server.server_port}/{secret}/"
        assert answer(server, f"/{secret}/")[2] == (STATIC_DIR / "index.html").read_bytes()
        assert answer(server, f"/{secret}/data/{SHARD}", Range="bytes=0-3")[2] == b"PAR1"
        wrong = [
            "/",
            "/index.html",
            f"/data/{SHARD}",
            f"/{secret}",
            f"/{secret[:-1]}/",
            f"/{secret.swapcase()}/data/{SHARD}",
        ]
        wrong += [f"/?{secret}", f"/x/{secret}/", f"/{secret[:-1]}\u00e9/"]
        for path in wrong:
            for method in ("GET", "HEAD"):
                status, _, body = answer(server, quote(path, safe="/?"), method=method)
                assert status == 403, path
                assert secret.encode() not in body
        assert answer(server, f"/{secret}/../data/{SHARD}")[0] == 404
