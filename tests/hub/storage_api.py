"""The API of the test Hub's storage of large objects: preupload, LFS batch, transfers, and no Xet."""

import hashlib
import json
import secrets
from typing import Any

from tests.hub.handler import REPO, HubHandler, route
from tests.hub.repository import RefusedError

LARGE_FROM = 20_000
LARGE_CARD_FROM = 10_000_000


def is_large(path: str, size: int) -> bool:
    """Whether a file goes to the storage of large objects; a card stays a file that git shows, as on the real Hub."""
    return path.endswith(".parquet") or size >= (LARGE_CARD_FROM if path.endswith(".md") else LARGE_FROM)


class StorageApi(HubHandler):
    """Requests about large objects."""

    @route("POST", rf"/api/datasets/{REPO}/preupload/(?P<revision>[^/]+)")
    def preupload(self, name: str, revision: str) -> None:
        files = self.writable(name).at(revision).files
        answers = []
        for wanted in json.loads(self.body)["files"]:
            large = is_large(wanted["path"], wanted["size"])
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
        self.keep(oid, self.body)
        self.answer(200, b"")

    @route("PUT", r"/storage/(?P<oid>[0-9a-f]{64})/(?P<session>\w+)/(?P<part>\d+)")
    def put_part(self, oid: str, session: str, part: str) -> None:
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

    @route("GET", rf"/api/datasets/{REPO}/xet-write-token/(?P<revision>[^/]+)")
    def xet_token(self, name: str, revision: str) -> None:
        self.writable(name).at(revision)
        if not self.hub.offers_xet:
            raise RefusedError(404, "", "Not Found")
        self.answer_json({"accessToken": "xet", "exp": 4_000_000_000, "casUrl": f"{self.hub.url}/cas"})
