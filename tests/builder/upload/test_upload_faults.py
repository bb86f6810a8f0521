"""`nucleusnet upload` when everything goes wrong: kills, storms, lies, other people, a full Hub."""

import json
import os
import shutil
import signal
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable
from dataclasses import replace
from email.utils import formatdate
from pathlib import Path

import pytest

from builder.upload.files import FILES_AT_A_TIME
from builder.upload.retries import is_passing, persistently
from nucleusnet_core.errors import OutputError, SourceChangedError, TransferError, UploadError
from nucleusnet_core.storage.retries import RetryPolicy
from tests.builder.commands import COMMAND
from tests.builder.published import (
    IMPATIENT,
    REPO,
    Heard,
    command_environment,
    kill,
    large_bytes,
    make_new_version,
    publish,
    published_as,
    start_upload,
    visible,
)
from tests.hub.repository import Blob
from tests.hub.server import Alarm, Hub
from tests.range_server import Fault

KILLED_AT: list[float | str] = [
    "POST /api/repos/create",
    "POST .*/objects/batch",
    0.001,
    0.1,
    0.3,
    0.5,
    0.7,
    "POST /api/validate-yaml",
    "POST .*/commit/main",
    "POST .*/tag/",
]
"""When a client is killed: at this share of the bytes that are still missing, or at such a request."""


def test_kills_at_ten_points_cost_at_most_the_files_in_flight(hub: Hub, folder: Path, tmp_path: Path) -> None:
    needed, wanted = large_bytes(folder), published_as(folder)
    in_flight = sum(sorted((path.stat().st_size for path in folder.rglob("*")), reverse=True)[:FILES_AT_A_TIME])
    hub.part_bytes = 20_000
    for point in KILLED_AT:
        arrived, stored = hub.arrived_bytes, sum(map(len, hub.objects.values()))
        process = start_upload(folder, hub, tmp_path)
        hub.alarms.append(killing(process, point, arrived, needed - stored))
        assert process.wait(60) == -signal.SIGKILL, (point, process.communicate())
        assert visible_or_none(hub) in ({}, wanted)
        now_stored = sum(map(len, hub.objects.values()))
        assert (hub.arrived_bytes - arrived) - (now_stored - stored) <= in_flight
    process = start_upload(folder, hub, tmp_path)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert visible(hub) == visible(hub, "v1.0.0") == wanted
    assert len(hub.requests("/commit/main 200")) <= 1 == len(hub.repositories[REPO].commits) - 2
    print(f"bytes sent / bytes needed over ten kills: {hub.arrived_bytes / needed:.2f}")


def killing(process: "subprocess.Popen[str]", point: float | str, arrived: int, missing: int) -> Alarm:
    """Kill a client at a point; its own bytes count from `arrived` on."""

    def ring() -> None:
        kill(process, signal.SIGKILL)
        process.wait()

    if isinstance(point, str):
        return Alarm(ring, pattern=point)
    return Alarm(ring, after_bytes=arrived + max(1, int(point * missing)))


def visible_or_none(hub: Hub) -> dict[str, str]:
    return visible(hub) if REPO in hub.repositories else {}


def test_a_reader_sees_the_old_version_or_the_new_one_and_nothing_else(hub: Hub, folder: Path) -> None:
    publish(folder, hub)
    old = listed(hub)
    make_new_version(folder)
    seen: list[dict[str, str]] = []
    done = threading.Event()

    def poll() -> None:
        while not done.is_set():
            seen.append(listed(hub))

    hub.faults.append(Fault(pattern=r"PUT /storage/.*/2$", cut_after=1000))
    reader = threading.Thread(target=poll)
    reader.start()
    try:
        publish(folder, hub)
    finally:
        done.set()
        reader.join()
    new = listed(hub)
    assert new == published_as(folder) != old
    assert len(seen) > 20
    assert seen[0] == old
    assert all(state in (old, new) for state in seen)


def listed(hub: Hub) -> dict[str, str]:
    """What a reader of the main branch gets in one answer: hashes by path."""
    url = f"{hub.url}/api/datasets/{REPO}/tree/main?recursive=true"
    with urllib.request.urlopen(urllib.request.Request(url, headers={"Authorization": "Bearer hf_read"})) as answer:
        entries = [entry for entry in json.load(answer) if entry["type"] == "file"]
    hashes = {entry["path"]: entry["lfs"]["oid"] if "lfs" in entry else entry["oid"] for entry in entries}
    del hashes[".gitattributes"]
    return hashes


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504, 522])
def test_a_storm_longer_than_the_patience_of_the_client_is_waited_out(hub: Hub, folder: Path, status: int) -> None:
    # Retry-After 0 makes the client's own six tries take five seconds; requests other than PUT it tries once.
    pattern = {429: "GET .*/refs", 500: "POST .*/commit/main", 502: "GET .*/tree/", 504: "POST .*/validate-yaml"}
    hub.faults.append(
        Fault(
            pattern=pattern.get(status, r"PUT /storage/.*/3$"),
            times=13 if status == 503 else 7,
            status=status,
            retry_after="0",
        )
    )
    publish(folder, hub)
    assert visible(hub) == published_as(folder)
    assert hub.faults[0].times == 0
    assert len(hub.requests("/commit/main 200")) == 1


@pytest.mark.parametrize(
    "headers",
    [
        lambda: {"Retry-After": formatdate(time.time() + 3, usegmt=True)},
        lambda: {"ratelimit": '"api";r=0;t=2', "ratelimit-policy": '"fixed window";"api";q=500;w=300'},
        lambda: {"Retry-After": "2"},
    ],
    ids=["date", "ratelimit", "seconds"],
)
def test_the_wait_that_the_hub_asks_for_is_kept(hub: Hub, folder: Path, headers: Callable[[], dict[str, str]]) -> None:
    hub.faults.append(Fault(pattern="GET .*/whoami", status=429, headers=headers()))
    heard, began = Heard(), time.monotonic()
    publish(folder, hub, dry_run=True, progress=heard)
    assert 2 <= time.monotonic() - began < 15
    assert hub.requests("whoami") == ["GET /api/whoami-v2 429", "GET /api/whoami-v2 200"]
    assert len([text for text in heard.said if "status 429" in text]) == 1


def test_a_connection_that_breaks_at_any_byte_is_made_again(hub: Hub, folder: Path) -> None:
    hub.faults += [Fault(pattern="PUT /storage/", cut_after=count) for count in (0, 1, 70_000)]
    publish(folder, hub)
    assert visible(hub) == published_as(folder)


def test_a_server_that_says_nothing_is_given_up_and_asked_again(hub: Hub, folder: Path) -> None:
    hub.faults.append(Fault(pattern="POST .*/commit/main", cut_after=0, stall_seconds=2))
    began = time.monotonic()
    publish(folder, hub, policy=replace(IMPATIENT, stall_seconds=0.5))
    assert visible(hub) == published_as(folder)
    assert time.monotonic() - began < 30


def test_an_outage_longer_than_the_patience_ends_with_what_to_do(hub: Hub, folder: Path) -> None:
    hub.faults.append(Fault(pattern="GET .*/refs", times=1000, status=503))
    with pytest.raises(TransferError, match=r"status 503.*run the upload again"):
        publish(folder, hub, policy=replace(IMPATIENT, give_up_seconds=0.3))


def test_a_commit_whose_answer_is_lost_is_not_made_twice(hub: Hub, folder: Path) -> None:
    hub.faults.append(Fault(pattern="POST .*/commit/main", lose_answer=True))
    publish(folder, hub)
    assert visible(hub) == published_as(folder)
    assert len(hub.repositories[REPO].commits) == 3


def test_a_commit_of_somebody_else_in_between_is_an_error_that_says_so(hub: Hub, folder: Path) -> None:
    def other() -> None:
        repository = hub.repositories[REPO]
        repository.add_commit("main", "other", repository.at("main").files | {"note.txt": Blob.regular(b"hello")})

    hub.alarms.append(Alarm(other, pattern="POST .*/commit/main"))
    with pytest.raises(UploadError, match="somebody else has committed meanwhile"):
        publish(folder, hub)
    assert set(visible(hub)) == {"note.txt"}


@pytest.mark.parametrize("keep_time", [False, True])
def test_a_file_changed_under_our_feet_is_refused(hub: Hub, folder: Path, keep_time: bool) -> None:
    shard = min((folder / "data").iterdir(), key=lambda path: path.stat().st_size)

    def change() -> None:
        before = shard.stat()
        data = bytearray(shard.read_bytes())
        data[len(data) // 2] ^= 1
        shard.write_bytes(data)
        if keep_time:
            os.utime(shard, ns=(before.st_atime_ns, before.st_mtime_ns))

    hub.alarms.append(Alarm(change, pattern="POST .*/preupload/"))
    with pytest.raises(UploadError if keep_time else SourceChangedError) as refusal:
        publish(folder, hub)
    assert f"data/{shard.name}" in str(refusal.value)
    assert visible(hub) == {}


def test_a_hub_that_holds_other_content_in_the_end_is_an_error(hub: Hub, folder: Path) -> None:
    hub.lying_sha256 = "0" * 64
    with pytest.raises(UploadError, match=r"data/\S+ has the hash 0{16} instead of [0-9a-f]{16}"):
        publish(folder, hub, tag="v1.0.0")
    assert hub.repositories[REPO].tags == {}


@pytest.mark.parametrize(
    ("pattern", "status", "message"),
    [
        ("PUT /storage/", 507, "status 507.*no space is left there"),
        ("POST .*/commit/main", 413, "status 413.*takes no more"),
        ("POST .*/objects/batch", 403, "status 403.*has no right to write there"),
    ],
)
def test_no_space_and_no_right_end_at_once_and_leave_nothing(
    hub: Hub, folder: Path, pattern: str, status: int, message: str
) -> None:
    hub.faults.append(Fault(pattern=pattern, times=1000, status=status))
    with pytest.raises(UploadError, match=message):
        publish(folder, hub)
    assert visible(hub) == {}


def test_a_token_that_expires_meanwhile_is_an_error_that_says_so(hub: Hub, folder: Path) -> None:
    hub.alarms.append(Alarm(hub.tokens.clear, after_bytes=50_000))
    with pytest.raises(UploadError, match=r"status 401.*expired"):
        publish(folder, hub)
    assert visible(hub) == {}


def test_a_second_upload_of_the_same_folder_is_refused_while_one_is_running(hub: Hub, folder: Path) -> None:
    second: list[str] = []

    def again() -> None:
        with pytest.raises(OutputError, match="another upload of it is running") as refusal:
            publish(folder, hub)
        second.append(str(refusal.value))

    hub.alarms.append(Alarm(in_thread(again), pattern="POST .*/preupload/"))
    publish(folder, hub)
    assert len(second) == 1
    assert visible(hub) == published_as(folder)


def in_thread(function: Callable[[], object]) -> Callable[[], None]:
    """Run a function beside the server's threads, which may have to answer it, and wait for it."""

    def run() -> None:
        thread = threading.Thread(target=function)
        thread.start()
        thread.join()

    return run


def test_two_uploads_of_two_folders_at_once_leave_one_version_whole(hub: Hub, folder: Path, tmp_path: Path) -> None:
    publish(folder, hub)
    other = tmp_path / "other"
    shutil.copytree(folder, other)
    make_new_version(other)
    card = folder / "README.md"
    card.write_text(card.read_text("utf-8") + "\nedited\n", "utf-8")
    hub.alarms.append(Alarm(in_thread(lambda: publish(other, hub)), pattern="POST .*/commit/main"))
    with pytest.raises(UploadError, match="somebody else has committed meanwhile"):
        publish(folder, hub)
    assert visible(hub) == published_as(other)


def test_ctrl_c_ends_an_upload_soon_and_it_can_be_called_again(hub: Hub, folder: Path, tmp_path: Path) -> None:
    hub.bytes_per_second = 50_000
    process = subprocess.Popen(
        [*COMMAND, "upload", str(folder), "--repo", REPO],
        env=command_environment(hub, tmp_path),
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    rung: list[float] = []

    def interrupt() -> None:
        rung.append(time.monotonic())
        kill(process, signal.SIGINT)

    hub.alarms.append(Alarm(interrupt, after_bytes=20_000))
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted" in errors
    assert "Traceback" not in errors
    assert time.monotonic() - rung[0] < 5
    assert visible(hub) == {}
    hub.bytes_per_second = None
    publish(folder, hub)
    assert visible(hub) == published_as(folder)


def test_a_page_of_a_proxy_instead_of_the_answer_passes() -> None:
    with pytest.raises(json.JSONDecodeError) as failure:
        json.loads("<html>Bad gateway</html>")
    assert is_passing(failure.value)
    assert not is_passing(ValueError("Malformed response from server"))


def test_a_failure_after_a_long_try_is_not_the_end_of_patience() -> None:
    tries: list[float] = []

    def slow_at_first() -> int:
        tries.append(time.monotonic())
        if len(tries) == 1:
            time.sleep(0.3)
            raise ConnectionError("lost http://storage/x?signature=secret")
        return len(tries)

    said: list[str] = []
    policy = RetryPolicy(first_delay_seconds=0.01, give_up_seconds=0.2)
    assert persistently(slow_at_first, "shard", policy, say=said.append, stop=threading.Event()) == 2
    assert said == ["shard: ConnectionError: lost http://storage/x?...; trying again in 0 s."]
