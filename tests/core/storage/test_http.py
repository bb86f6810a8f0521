"""A dataset folder on a web server: exact ranges, and nothing believed that the server says."""

import multiprocessing
import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from nucleusnet_core.errors import (
    CorruptDataError,
    DatasetNotFoundError,
    SourceChangedError,
    TransferError,
)
from nucleusnet_core.location import locate
from nucleusnet_core.storage.http import HttpStore
from nucleusnet_core.storage.retries import RetryPolicy
from tests.range_server import Fault, RangeServer, serve
from tests.root import ROOT

CONTENT = bytes(range(256)) * 400
FAST = RetryPolicy(
    give_up_seconds=10.0, first_contact_seconds=0.3, first_delay_seconds=0.01, longest_delay_seconds=0.05
)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RangeServer]:
    (tmp_path / "set 1 µm" / "data").mkdir(parents=True)
    (tmp_path / "set 1 µm" / "data" / "a.bin").write_bytes(CONTENT)
    with serve(tmp_path) as running:
        yield running


def file_of(server: RangeServer) -> Path:
    return server.folder / "set 1 µm" / "data" / "a.bin"


@pytest.fixture
def store(server: RangeServer) -> HttpStore:
    return HttpStore(f"{server.url}/set%201%20%C2%B5m", FAST)


@pytest.mark.parametrize("url", ["{}/set 1 µm", "{}/set%201%20%C2%B5m/"])
def test_a_range_is_exactly_the_bytes_asked_for(server: RangeServer, url: str) -> None:
    store = locate(url.format(server.url))
    assert isinstance(store, HttpStore)
    assert store.read_range("data/a.bin", 300, 5) == CONTENT[300:305]
    assert store.read_range("data/a.bin", len(CONTENT) - 1, 1) == CONTENT[-1:]
    assert store.read_range("data/a.bin", 77, 0) == b""
    buffer = bytearray(b"abcdefgh")
    store.read_into("data/a.bin", 300, memoryview(buffer)[2:5])
    assert buffer == b"ab" + CONTENT[300:303] + b"fgh"
    assert store.read_file("data/a.bin", max_bytes=len(CONTENT)) == CONTENT
    assert [(seen.range, seen.sent) for seen in server.seen] == [
        ("bytes=300-304", 5),
        (f"bytes={len(CONTENT) - 1}-{len(CONTENT) - 1}", 1),
        ("bytes=300-302", 3),
        (None, len(CONTENT)),
    ]


def test_an_empty_file_is_read_as_one(server: RangeServer, store: HttpStore) -> None:
    file_of(server).write_bytes(b"")
    assert store.read_file("data/a.bin", max_bytes=10) == b""


def test_a_file_that_is_missing_or_too_short_or_too_large_is_named(store: HttpStore) -> None:
    with pytest.raises(DatasetNotFoundError, match=r"b\.bin is not there \(status 404\)"):
        store.read_range("data/b.bin", 0, 1)
    with pytest.raises(CorruptDataError, match=r"a\.bin has 102,400 bytes; at least 102,401 are needed: .* truncated"):
        store.read_range("data/a.bin", 102_000, 401)
    with pytest.raises(CorruptDataError, match=r"a\.bin has 102,400 bytes; at least 200,001 are needed"):
        store.read_range("data/a.bin", 200_000, 1)


def test_a_file_that_is_too_large_is_not_read(server: RangeServer, store: HttpStore) -> None:
    with pytest.raises(CorruptDataError, match=r"a\.bin has 102,400 bytes; at most 10 are allowed"):
        store.read_file("data/a.bin", max_bytes=10)
    assert server.seen[0].status == 200


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_file_is_not_tried_again(server: RangeServer, store: HttpStore, status: int) -> None:
    server.faults.append(Fault(status=status, times=9))
    with pytest.raises(DatasetNotFoundError, match=rf"may not be read \(status {status}\)"):
        store.read_range("data/a.bin", 0, 1)
    assert len(server.seen) == 1


def test_a_server_that_cannot_send_parts_is_an_error_unless_all_is_wanted(
    server: RangeServer, store: HttpStore
) -> None:
    server.sends_parts = False
    assert store.read_range("data/a.bin", 0, len(CONTENT)) == CONTENT
    assert store.read_file("data/a.bin", max_bytes=1 << 20) == CONTENT
    for start, length in ((0, 10), (5, 10), (5, len(CONTENT) - 5)):
        with pytest.raises(TransferError, match=r"It cannot send parts of files, as `python -m http"):
            store.read_range("data/a.bin", start, length)


@pytest.mark.parametrize(
    "told", ["bytes 1-10/102400", "bytes 0-10/102400", "bytes 5-4/102400", "items 0-9/102400", "x", "bytes 0-9/9e9"]
)
def test_an_answer_with_other_bytes_than_asked_for_is_refused(server: RangeServer, store: HttpStore, told: str) -> None:
    server.faults.append(Fault(content_range=told))
    with pytest.raises(TransferError, match=r"asked for bytes 0 to 10 and sent .*; it, or a proxy before it"):
        store.read_range("data/a.bin", 0, 10)


def test_a_part_of_the_answer_is_completed_and_more_than_it_says_is_refused(
    server: RangeServer, store: HttpStore
) -> None:
    server.faults.append(Fault(content_range="bytes 0-3/102400", cut_after=4))
    assert store.read_range("data/a.bin", 0, 10) == CONTENT[:10]
    server.faults.append(Fault(content_range="bytes 0-3/102400"))
    with pytest.raises(TransferError, match="asked for bytes 0 to 10 and sent more"):
        store.read_range("data/a.bin", 0, 10)


@pytest.mark.parametrize("etags", [True, False])
@pytest.mark.parametrize("copied", [False, True])
def test_a_file_that_changes_between_reads_is_an_error(server: RangeServer, etags: bool, copied: bool) -> None:
    server.sends_etags = etags
    store = HttpStore(f"{server.url}/set 1 µm", FAST)
    store.read_range("data/a.bin", 0, 1)
    if copied:
        store = pickle.loads(pickle.dumps(store))  # noqa: S301 - as a DataLoader sends it to its workers
    file_of(server).write_bytes(bytes(len(CONTENT)))
    os.utime(file_of(server), (1, 1))
    with pytest.raises(
        SourceChangedError, match=r"a\.bin: the file has changed since it was first read; open the dataset again"
    ):
        store.read_range("data/a.bin", 0, 1)
    assert HttpStore(f"{server.url}/set 1 µm").read_range("data/a.bin", 0, 1) == b"\0"


def test_a_redirect_is_followed_once_and_remembered(server: RangeServer, store: HttpStore) -> None:
    (server.folder / "moved.bin").write_bytes(CONTENT)
    server.redirect_to = lambda path: "/moved.bin" if path.endswith("a.bin") else None
    assert store.read_range("data/a.bin", 3, 2) == CONTENT[3:5]
    assert store.read_range("data/a.bin", 9, 2) == CONTENT[9:11]
    assert [(seen.path, seen.status) for seen in server.seen] == [
        ("set 1 µm/data/a.bin", 302),
        ("moved.bin", 206),
        ("moved.bin", 206),
    ]
    (server.folder / "again.bin").write_bytes(CONTENT)
    os.utime(server.folder / "again.bin", ns=(0, (server.folder / "moved.bin").stat().st_mtime_ns))
    (server.folder / "moved.bin").unlink()
    server.redirect_to = lambda path: "/again.bin" if path.endswith("a.bin") else None
    assert store.read_range("data/a.bin", 5, 2) == CONTENT[5:7]


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("/x", "redirects more than 5 times"),
        ("file:///etc/passwd", "http"),
        ("http://host:x", "URL"),
        ("http://[bad/x", "http"),
    ],
)
def test_redirects_that_lead_nowhere_end(server: RangeServer, store: HttpStore, target: str, expected: str) -> None:
    server.redirect_to = lambda _path: target
    with pytest.raises(TransferError, match=expected):
        store.read_range("data/a.bin", 0, 1)


def test_passwords_and_queries_are_sent_and_never_shown(server: RangeServer) -> None:
    host = server.url.removeprefix("http://")
    store = HttpStore(f"http://me:geheim@{host}/set 1 µm?signature=verborgen", FAST)
    assert store.read_range("data/a.bin", 0, 3) == CONTENT[:3]
    assert server.seen[0].authorization == "Basic bWU6Z2VoZWlt"
    assert store.name == f"{server.url}/set 1 µm"
    server.faults.append(Fault(status=404))
    with pytest.raises(DatasetNotFoundError) as caught:
        store.read_range("data/b.bin", 0, 1)
    assert not any(word in str(caught.value) + repr(store) for word in ("geheim", "verborgen"))


@pytest.mark.parametrize("url", ["http://", "http:///set", "http://me:geheim@[::x/set", "http://host:99999/set"])
def test_a_url_that_is_none_says_so(url: str) -> None:
    with pytest.raises(DatasetNotFoundError, match=r"is not the http\(s\) URL of a dataset folder") as caught:
        HttpStore(url)
    assert "geheim" not in str(caught.value)


def test_a_name_without_a_host_or_a_closed_port_gives_up_soon(server: RangeServer) -> None:
    with pytest.raises(TransferError, match=r"no connection \(.*refused.* x\); check the address and the connection"):
        HttpStore("http://127.0.0.1:9/set", FAST).read_range("a", 0, 1)
    with pytest.raises(TransferError, match="no connection"):
        HttpStore("http://host.invalid/set", FAST).read_range("a", 0, 1)


def test_many_threads_read_side_by_side(store: HttpStore) -> None:
    starts = list(range(0, 100_000, 997))
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda start: store.read_range("data/a.bin", start, 2000), starts))
    assert found == [CONTENT[start : start + 2000] for start in starts]


def _read_in_child(store: HttpStore, queue: "multiprocessing.SimpleQueue[bytes]") -> None:
    queue.put(store.read_range("data/a.bin", 7, 4))


@pytest.mark.parametrize("method", sorted({"fork", "spawn"} & set(multiprocessing.get_all_start_methods())))
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_processes_read_with_connections_of_their_own(store: HttpStore, method: str) -> None:
    assert store.read_range("data/a.bin", 0, 4) == CONTENT[:4]
    context: Any = multiprocessing.get_context(method)
    queue = context.SimpleQueue()
    children = [context.Process(target=_read_in_child, args=(store, queue)) for _ in range(2)]
    for child in children:
        child.start()
    assert [queue.get() for _ in children] == [CONTENT[7:11]] * 2
    for child in children:
        child.join(20)
    assert [child.exitcode for child in children] == [0, 0]
    assert store.read_range("data/a.bin", 0, 4) == CONTENT[:4]


FORKS = """
import os, threading, time
from nucleusnet_core.storage.http import HttpStore
store = HttpStore({url!r})
def read_on():
    while True:
        store.read_range("data/a.bin", 0, 5000)
for _ in range(4):
    threading.Thread(target=read_on, daemon=True).start()
time.sleep({nap})
for _ in range({forks}):
    child = os.fork()
    if not child:
        os._exit(len(store.read_range("data/a.bin", 7, 11)))
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.parametrize(("nap", "forks"), [(0.0, 1), (0.02, 1), (0.3, 10)])
def test_forks_while_threads_read_do_not_hang(server: RangeServer, nap: float, forks: int) -> None:
    code = FORKS.format(url=f"{server.url}/set 1 µm", nap=nap, forks=forks)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.split() == ["11"] * forks


def test_a_client_factory_of_the_program_is_used_from_then_on(server: RangeServer, store: HttpStore) -> None:
    import httpx2
    from huggingface_hub.utils._http import default_client_factory, set_client_factory

    store.read_range("data/a.bin", 0, 1)
    set_client_factory(lambda: httpx2.Client(auth=("me", "geheim")))
    try:
        store.read_range("data/a.bin", 0, 1)
    finally:
        set_client_factory(default_client_factory)
    store.read_range("data/a.bin", 0, 1)
    assert [seen.authorization for seen in server.seen] == [None, "Basic bWU6Z2VoZWlt", None]


def test_offline_mode_says_what_to_do(server: RangeServer) -> None:
    code = (
        "from nucleusnet_core.storage.http import HttpStore\n"
        f"HttpStore({server.url + '/set 1 µm'!r}).read_range('data/a.bin', 0, 1)"
    )
    environment = os.environ | {"HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "cannot be read: HF_HUB_OFFLINE=1 forbids the network; unset it, or give" in done.stderr
    assert server.seen == []
