"""Zenodo's REST API: drafts, their files, publishing.

Source: https://developers.zenodo.org, and the legacy API of https://github.com/zenodo/zenodo-rdm where that is silent.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from nucleusnet_core.files.hashing import Digest

from .api import Api, Call, FileBody, odd_answer

_DEPOSITIONS = "/deposit/depositions"
_DOI = re.compile(r"10\.\d{4,9}/[A-Za-z0-9._/-]+")
_LISTED = 100


@dataclass(frozen=True)
class Draft:
    """A deposition as the site describes it; its DOI is reserved, and registered when it is published."""

    id: int
    doi: str
    published: bool
    bucket: str
    notes: str


@dataclass(frozen=True)
class DraftFile:
    """A file of a deposition."""

    id: str
    name: str
    bytes: int
    md5: str

    def is_copy(self, digest: Digest) -> bool:
        """Return whether it has this size and MD5."""
        return (self.bytes, self.md5) == (digest.bytes, digest.md5)


@dataclass(frozen=True)
class Zenodo:
    """What can be done at one site."""

    api: Api

    def check_token(self) -> None:
        """Ask for something that needs a valid token, before anything is sent."""
        self.api.send(Call("GET", f"{_DEPOSITIONS}?size=1"))

    def create(self, metadata: Mapping[str, Any], adopt: Callable[[], Draft | None]) -> Draft:
        """Make a draft and return it; before the request is sent again, `adopt` looks for one whose answer was lost."""
        answer = self.api.send(Call("POST", _DEPOSITIONS, {"metadata": dict(metadata)}, recover=adopt))
        return answer if isinstance(answer, Draft) else self._draft(answer)

    def draft(self, draft_id: int) -> Draft | None:
        """Return a deposition, published or not, or None if no deposition has that number."""
        answer = self.api.send(Call("GET", f"{_DEPOSITIONS}/{draft_id}", missing_is_none=True))
        return None if answer is None else self._draft(answer)

    def find_draft(self, mark: str) -> Draft | None:
        """Return the newest unpublished draft whose notes hold a mark."""
        listed = self._list(Call("GET", f"{_DEPOSITIONS}?status=draft&sort=mostrecent&size={_LISTED}"))
        drafts = [self._draft(entry) for entry in listed if mark in str(entry)]
        return next((draft for draft in drafts if mark in draft.notes and not draft.published), None)

    def set_metadata(self, draft: Draft, metadata: Mapping[str, Any]) -> None:
        """Replace the metadata of a draft."""
        self.api.send(Call("PUT", f"{_DEPOSITIONS}/{draft.id}", {"metadata": dict(metadata)}))

    def files(self, draft: Draft) -> dict[str, DraftFile]:
        """Return the files of a deposition by name."""
        files = map(self._file, self._list(Call("GET", f"{_DEPOSITIONS}/{draft.id}/files")))
        return {file.name: file for file in files}

    def delete(self, draft: Draft, file: DraftFile) -> None:
        """Delete a file of a draft; one that is gone already is fine."""
        path = f"{_DEPOSITIONS}/{draft.id}/files/{quote(file.id, safe='')}"
        self.api.send(Call("DELETE", path, missing_is_none=True))

    def upload(self, draft: Draft, path: Path, digest: Digest, on_bytes: Callable[[int], None]) -> None:
        """Send a file until the site states its MD5.

        Raises:
            SourceChangedError: the file is not the one that was archived.
            DepositError: the site refuses it.
            TransferError: it failed too often.
        """

        def refusal(answer: Any) -> str | None:
            fields = answer if isinstance(answer, dict) else {}
            stated = str(fields.get("checksum", "")).removeprefix("md5:"), fields.get("size")
            if stated == (digest.md5, digest.bytes):
                return None
            return f"MD5 {stated[0][:40]!r} and {stated[1]!r} bytes instead of {digest.md5!r} and {digest.bytes}"

        url = f"{draft.bucket}/{quote(path.name, safe='')}"
        self.api.send(Call("PUT", url, upload=FileBody(path, digest, on_bytes), refusal=refusal))

    def publish(self, draft: Draft) -> None:
        """Publish a draft, once: if the answer is lost, its state says whether it was."""

        def published() -> Draft | None:
            now = self.draft(draft.id)
            return now if now is not None and now.published else None

        self.api.send(Call("POST", f"{_DEPOSITIONS}/{draft.id}/actions/publish", recover=published))

    def _draft(self, entry: Any) -> Draft:
        """Check a deposition; its bucket must lie on the same site, because the token goes there."""
        site = self.api.site
        try:
            metadata, bucket = entry["metadata"], str(entry.get("links", {}).get("bucket", ""))
            doi, notes = metadata["prereserve_doi"]["doi"], str(metadata.get("notes", ""))
            draft = Draft(int(entry["id"]), str(doi), bool(entry["submitted"]), bucket, notes)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise odd_answer(site, "a deposition") from error
        safe = draft.published or re.fullmatch(re.escape(site.url) + r"/api/files/[A-Za-z0-9-]+", bucket)
        if not safe or not _DOI.fullmatch(draft.doi):
            raise odd_answer(site, "a deposition with a DOI, and with a bucket on the same site")
        return draft

    def _file(self, entry: Any) -> DraftFile:
        try:
            size, checksum = int(entry["filesize"]), str(entry["checksum"]).removeprefix("md5:")
            return DraftFile(str(entry["id"]), str(entry["filename"]), size, checksum)
        except (KeyError, TypeError, ValueError) as error:
            raise odd_answer(self.api.site, "a file of a deposition") from error

    def _list(self, call: Call) -> list[Any]:
        answer = self.api.send(call)
        if not isinstance(answer, list):
            raise odd_answer(self.api.site, "a list")
        return answer
