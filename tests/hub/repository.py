"""What a Hub keeps: dataset repositories with commits, branches, tags, and one store of large objects."""

import base64
import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

START = "0" * 40


class RefusedError(Exception):
    """The Hub answers with this status, code and message."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


@dataclass(frozen=True)
class Blob:
    """One file of a commit; `sha256` is set for files in large-object storage, whose content lies there."""

    oid: str
    size: int
    sha256: str | None = None
    content: bytes = b""

    @classmethod
    def regular(cls, content: bytes) -> "Blob":
        """A file kept in git itself."""
        head = f"blob {len(content)}\0".encode()
        return cls(hashlib.sha1(head + content).hexdigest(), len(content), None, content)

    @classmethod
    def large(cls, sha256: str, size: int) -> "Blob":
        """A pointer to an object of the large-object store."""
        pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {size}\n"
        return cls(cls.regular(pointer.encode()).oid, size, sha256)

    def listed(self, path: str) -> dict[str, Any]:
        """The entry of a tree listing."""
        entry: dict[str, Any] = {"type": "file", "path": path, "size": self.size, "oid": self.oid}
        if self.sha256:
            entry["lfs"] = {"oid": self.sha256, "size": self.size, "pointerSize": 134}
        return entry


@dataclass(frozen=True)
class Commit:
    """A state of all files."""

    oid: str
    title: str
    files: dict[str, Blob]


@dataclass
class Repository:
    """One dataset repository."""

    name: str
    private: bool
    commits: dict[str, Commit] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """A new repository on the Hub has one commit with one file."""
        self.branches["main"] = START
        self.commits[START] = Commit(START, "", {})
        self.add_commit("main", "initial commit", {".gitattributes": Blob.regular(b"*.parquet filter=lfs\n")})

    def add_commit(self, branch: str, title: str, files: dict[str, Blob]) -> str:
        """Put a new state on top of `branch` and return its id."""
        listing = json.dumps({path: blob.oid for path, blob in sorted(files.items())})
        oid = hashlib.sha1(f"{self.branches[branch]} {title} {listing}".encode()).hexdigest()
        self.commits[oid] = Commit(oid, title, files)
        self.branches[branch] = oid
        return oid

    def at(self, revision: str) -> Commit:
        """The state that a branch, a tag or a commit id names."""
        oid = self.branches.get(revision) or self.tags.get(revision) or revision
        if oid not in self.commits:
            raise RefusedError(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        return self.commits[oid]

    def info(self, revision: str) -> dict[str, Any]:
        """What the API tells of one revision."""
        commit = self.at(revision)
        return {
            "id": self.name,
            "_id": hashlib.sha1(self.name.encode()).hexdigest()[:24],
            "sha": commit.oid,
            "private": self.private,
            "gated": False,
            "disabled": False,
            "downloads": 0,
            "likes": 0,
            "tags": [],
            "lastModified": "2026-01-01T00:00:00.000Z",
            "createdAt": "2026-01-01T00:00:00.000Z",
            "siblings": [{"rfilename": path} for path in sorted(commit.files)],
        }

    def tree(self, revision: str, folder: str, *, recursive: bool) -> list[dict[str, Any]]:
        """Entries below `folder` ("" is the root), folders first seen once."""
        prefix = f"{folder}/" if folder else ""
        entries: dict[str, dict[str, Any]] = {}
        for path, blob in sorted(self.at(revision).files.items()):
            if not path.startswith(prefix):
                continue
            parts = path[len(prefix) :].split("/")
            for depth in range(1, len(parts) if recursive else min(2, len(parts))):
                below = prefix + "/".join(parts[:depth])
                oid = hashlib.sha1(below.encode()).hexdigest()
                entries.setdefault(below, {"type": "directory", "path": below, "oid": oid, "size": 0})
            if recursive or len(parts) == 1:
                entries[path] = blob.listed(path)
        if folder and not entries:
            raise RefusedError(404, "EntryNotFound", f"{folder} does not exist on {revision!r}")
        return list(entries.values())

    def commit(self, branch: str, lines: list[dict[str, Any]], objects: dict[str, bytes]) -> str:
        """Apply the lines of a commit request, all or none of them."""
        if branch not in self.branches:
            raise RefusedError(404, "RevisionNotFound", f"Invalid rev id: {branch}")
        header = next(line["value"] for line in lines if line["key"] == "header")
        parent = header.get("parentCommit")
        if parent is not None and parent != self.branches[branch]:
            raise RefusedError(412, "", "A commit has happened since. Please refresh and try again.")
        files = dict(self.at(branch).files)
        for line in lines:
            apply(line["key"], line["value"], files, objects)
        return self.add_commit(branch, header["summary"], files)


def apply(key: str, value: dict[str, Any], files: dict[str, Blob], objects: dict[str, bytes]) -> None:
    """Apply one line of a commit request to `files`."""
    if key == "file":
        files[value["path"]] = Blob.regular(base64.b64decode(value["content"]))
    elif key == "lfsFile":
        if value["oid"] not in objects:
            raise RefusedError(400, "", f"Object {value['oid']} of {value['path']} was never uploaded.")
        files[value["path"]] = Blob.large(value["oid"], len(objects[value["oid"]]))
    elif key == "deletedFile":
        if files.pop(value["path"], None) is None:
            raise RefusedError(400, "", f"{value['path']} does not exist.")
    elif key == "deletedFolder":
        for path in [path for path in files if path.startswith(value["path"].rstrip("/") + "/")]:
            del files[path]
    elif key != "header":
        raise RefusedError(400, "", f"Unknown operation {key!r}.")
