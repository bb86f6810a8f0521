"""A dataset folder put into a repository of the test Hub, without a client's upload."""

import hashlib
from pathlib import Path

from tests.hub.repository import Blob, Repository
from tests.hub.server import Hub


def publish(hub: Hub, folder: Path, repo_id: str, *, private: bool = False) -> str:
    """Commit all files of a folder to the main branch of a repository, which is made if need be; return the commit."""
    repository = hub.repositories.setdefault(repo_id, Repository(repo_id, private))
    files: dict[str, Blob] = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        name, data = path.relative_to(folder).as_posix(), path.read_bytes()
        if path.suffix != ".parquet":
            files[name] = Blob.regular(data)
            continue
        sha256 = hashlib.sha256(data).hexdigest()
        hub.objects[sha256] = data
        files[name] = Blob.large(sha256, len(data))
    return repository.add_commit("main", f"version {len(repository.commits)}", files)
