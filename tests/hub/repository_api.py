"""The API of the test Hub's repositories: whoami, create, list, commit, refs, and reading files."""

import json
import re
from typing import Any
from urllib.parse import parse_qs

from tests.hub.handler import REPO, HubHandler, route
from tests.hub.repository import RefusedError, Repository

PAGE = 1000


class RepositoryApi(HubHandler):
    """Requests about repositories."""

    @route("GET", r"/api/whoami-v2")
    def whoami(self) -> None:
        role = self.role()
        if not role:
            raise RefusedError(401, "", "Invalid username or password.")
        given = self.headers.get("Authorization", "").removeprefix("Bearer ")
        token = {"accessToken": {"role": role, "displayName": "test", **self.hub.token_facts.get(given, {})}}
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
        if self.hub.card_errors:
            self.answer_json({"errors": [{"message": text} for text in self.hub.card_errors], "warnings": []}, 400)
            return
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
        headers["Location"] = f"{self.hub.cdn_url or self.hub.url}/cdn/{blob.sha256}"
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
