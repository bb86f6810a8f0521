"""`nucleusnet browse` as people run it."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.core.published import publish
from tests.hub.server import client_environment, serve_hub
from tests.root import ROOT

COMMAND = (sys.executable, "-m", "nucleusnet_core.terminal.program", "browse")


def environment(**extra: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1", **extra}


def browse(*arguments: str | Path, cwd: Path, **extra: str) -> subprocess.CompletedProcess[str]:
    command = [*COMMAND, *map(str, arguments)]
    return subprocess.run(
        command, cwd=cwd, env=environment(**extra), capture_output=True, encoding="utf-8", check=False, timeout=60
    )


@pytest.fixture
def started(folder: Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [*COMMAND, str(folder), "--no-open"],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    yield process
    process.kill()
    process.communicate()


def test_the_command_prints_the_address_serves_the_page_and_ends_with_ctrl_c(
    started: subprocess.Popen[str], folder: Path
) -> None:
    assert started.stdout
    url = started.stdout.readline().strip()
    with urllib.request.urlopen(f"{url}data/manifest.json") as answer:
        assert answer.read() == (folder / "manifest.json").read_bytes()
    started.send_signal(signal.SIGINT)
    out, err = started.communicate(timeout=20)
    assert (started.returncode, out) == (0, "")
    assert "Stopped." in err
    assert "Traceback" not in err


def test_json_is_the_address_alone_and_quiet_says_nothing_more(folder: Path, tmp_path: Path) -> None:
    command = [*COMMAND, "--no-open", "--json", "--quiet"]
    settings = environment(NUCLEUSNET_DATA=str(folder))
    with subprocess.Popen(
        command, cwd=tmp_path, env=settings, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8"
    ) as process:
        assert process.stdout
        said = json.loads(process.stdout.readline())
        assert list(said) == ["url"]
        with urllib.request.urlopen(f"{said['url']}source.json") as answer:
            assert json.load(answer)["name"] == folder.name
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=20) == ("", "")
    assert process.returncode == 0


def test_a_taken_port_exits_1_and_names_the_option(folder: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = browse(folder, "--no-open", "--port", str(taken.getsockname()[1]), cwd=tmp_path)
    assert done.returncode == 1
    assert "choose another --port" in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(("source", "code"), [("nowhere", 2), ("http://127.0.0.1:9/nucleusnet", 1), (".", 2)])
def test_no_dataset_there_is_one_message(tmp_path: Path, source: str, code: int) -> None:
    done = browse(source, "--no-open", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.startswith("nucleusnet: ")
    assert "Traceback" not in done.stderr


def test_a_private_repository_is_relayed_with_the_token_of_this_machine(folder: Path, tmp_path: Path) -> None:
    with serve_hub() as hub:
        publish(hub, folder, "lab/set", private=True)
        settings = client_environment(hub, str(tmp_path / "home"))
        refused = subprocess.run(
            [*COMMAND, "lab/set", "--no-open"],
            env=settings,
            capture_output=True,
            encoding="utf-8",
            check=False,
            timeout=60,
        )
        assert (refused.returncode, refused.stdout) == (2, "")
        command = [*COMMAND, "lab/set", "--relay", "--no-open"]
        environment_with_token = settings | {"HF_TOKEN": "hf_read"}
        with subprocess.Popen(
            command, env=environment_with_token, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8"
        ) as process:
            assert process.stdout
            url = process.stdout.readline().strip()
            address = re.fullmatch(r"(http://127\.0\.0\.1:\d+/)([\w-]{43})/", url)
            assert address
            plain, secret = address.groups()
            for without in (plain, f"{plain}source.json", f"{plain}{secret[:-1]}/source.json"):
                with pytest.raises(urllib.error.HTTPError, match="403"):
                    urllib.request.urlopen(without)
            with urllib.request.urlopen(f"{url}source.json") as answer:
                assert json.load(answer)["base"] == "data/"
            shard = "data/test-00000-of-00001.parquet"
            wanted = urllib.request.Request(f"{url}data/{shard}", headers={"Range": "bytes=100-199"})
            with urllib.request.urlopen(wanted) as answer:
                assert answer.read() == (folder / shard).read_bytes()[100:200]
                assert "connect-src 'self';" in answer.headers["Content-Security-Policy"]
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=20)
        assert "hf_read" not in said


def test_export_writes_a_site_and_wants_a_repository(tmp_path: Path) -> None:
    done = browse("lab/nucleusnet", "--export", "space", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "space/index.html").is_file()
    assert "space: " in done.stdout
    again = browse("lab/nucleusnet", "--export", "space", cwd=tmp_path)
    assert again.returncode == 2
    assert "pass --overwrite to replace it." in again.stderr
    wrong = browse(".", "--export", "other", cwd=tmp_path)
    assert wrong.returncode == 2
    assert "owner/name" in wrong.stderr
    described = browse("lab/nucleusnet", "--export", "third", "--json", cwd=tmp_path)
    assert (described.returncode, described.stderr) == (0, "")
    files = sum(path.is_file() for path in (tmp_path / "third").rglob("*"))
    assert json.loads(described.stdout) == {"out": "third", "files": files}
    assert not (tmp_path / "other").exists()


def test_help_is_quick_and_imports_nothing_heavy(tmp_path: Path) -> None:
    code = "import sys, browser.cli; print(sorted({'pyarrow', 'datasets', 'numpy', 'torch'} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment(), capture_output=True, encoding="utf-8", check=True
    )
    assert done.stdout.strip() == "[]"
