"""What the tests of publishing share: new versions of a folder, uploads in this process and in others."""

import dataclasses
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from builder.upload.upload import UploadOptions, UploadResult, upload
from nucleusnet_core.manifest import Manifest
from nucleusnet_core.storage.retries import RetryPolicy
from nucleusnet_core.terminal.progress import NoProgress, Progress
from tests.hub.server import Hub, client_environment
from tests.hub.storage_api import is_large
from tests.root import ROOT

REPO = "user/nucleusnet"
IMPATIENT = RetryPolicy(
    give_up_seconds=30, most_attempts=1000, first_delay_seconds=0.05, longest_delay_seconds=0.2, stall_seconds=10
)
UPLOAD = """
import sys
from pathlib import Path
from builder.upload.upload import UploadOptions, upload
from nucleusnet_core.storage.retries import RetryPolicy
policy = RetryPolicy(give_up_seconds=30, most_attempts=1000, first_delay_seconds=0.05, longest_delay_seconds=0.2)
upload(UploadOptions(Path(sys.argv[1]), "user/nucleusnet", tag="v1.0.0"), policy=policy)
"""


class Heard(NoProgress):
    """What an upload tells of itself."""

    def __init__(self) -> None:
        self.stages: list[tuple[str, str]] = []
        self.said: list[str] = []

    def begin(self, what: str, total: int | None, *, unit: str = "image") -> None:
        self.stages.append((what, unit))

    def say(self, text: str) -> None:
        self.said.append(text)

    @property
    def verified(self) -> bool:
        """Whether the folder was checked, and not only sent."""
        return any(unit != "B" for _, unit in self.stages)


def publish(
    folder: Path,
    hub: Hub,
    *,
    policy: RetryPolicy = IMPATIENT,
    progress: Progress | None = None,
    token: str = "hf_write",
    **options: object,
) -> UploadResult:
    """Upload in this process."""
    wanted = UploadOptions(folder, REPO, endpoint=hub.url, token=token, **options)  # type: ignore[arg-type]
    return upload(wanted, policy=policy, progress=progress)


def command_environment(hub: Hub, home: Path, token: str | None = "hf_write") -> dict[str, str]:
    """The environment of a process that publishes; Xet is not switched off: it has to find out."""
    environment = client_environment(hub, str(home)) | {"PYTHONPATH": str(ROOT), "PYTHONUTF8": "1"}
    del environment["HF_HUB_DISABLE_XET"]
    return environment | ({"HF_TOKEN": token} if token else {})


def start_upload(folder: Path, hub: Hub, home: Path) -> subprocess.Popen[str]:
    """Start an upload in a process of its own, in a group of its own, as from a terminal."""
    return subprocess.Popen(
        [sys.executable, "-c", UPLOAD, str(folder)],
        env=command_environment(hub, home),
        cwd=home,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )


def visible(hub: Hub, revision: str = "main") -> dict[str, str]:
    """Hashes of what readers of the repository see, by path, without what the Hub itself puts there."""
    files = hub.repositories[REPO].at(revision).files
    return {path: blob.sha256 or blob.oid for path, blob in files.items() if path != ".gitattributes"}


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def published_as(folder: Path) -> dict[str, str]:
    """What `visible` has to show of a folder."""
    found = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        data, name = path.read_bytes(), path.relative_to(folder).as_posix()
        large = is_large(name, len(data))
        git = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
        found[name] = hashlib.sha256(data).hexdigest() if large else git
    return found


def large_bytes(folder: Path) -> int:
    """Bytes that have to be sent to the storage of large objects."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return sum(path.stat().st_size for path in files if is_large(path.name, path.stat().st_size))


def write_sums(folder: Path) -> None:
    """Write SHA256SUMS anew."""
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    listed = [name for name in names if name not in ("README.md", "SHA256SUMS")]
    (folder / "SHA256SUMS").write_text("".join(f"{sha256(folder / name)}  {name}\n" for name in listed))


def reseal(folder: Path, **changes: Any) -> None:
    """Make manifest and SHA256SUMS fit the files again, as they would be of a dataset made that way.

    Args:
        folder: the dataset folder.
        changes: other fields of the manifest.
    """
    manifest = Manifest.from_json((folder / "manifest.json").read_bytes())
    shards = []
    for shard in changes.pop("shards", manifest.shards):
        data = (folder / shard.path).read_bytes()
        facts = {
            "bytes": len(data),
            "footer_bytes": int.from_bytes(data[-8:-4], "little") + 8,
            "sha256": hashlib.sha256(data).hexdigest(),
        }
        shards.append(dataclasses.replace(shard, **facts))
    content = json.loads(dataclasses.replace(manifest, shards=shards).to_json())
    (folder / "manifest.json").write_text(json.dumps(content | changes))
    write_sums(folder)


def make_new_version(folder: Path) -> None:
    """Turn a dataset folder into another version: shards of other bytes, and no config 10k."""
    manifest = Manifest.from_json((folder / "manifest.json").read_bytes())
    shutil.rmtree(folder / "10k")
    for shard in manifest.shards:
        if shard.config == "default":
            path = folder / shard.path
            pq.write_table(pq.read_table(path), path, row_group_size=64, compression="zstd")
    reseal(folder, shards=[shard for shard in manifest.shards if shard.config != "10k"])


def kill(process: "subprocess.Popen[str]", signal_number: int) -> None:
    """Send a signal, from the server's thread."""
    os.kill(process.pid, signal_number)
