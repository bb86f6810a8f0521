"""The metadata of a deposition, as Zenodo's API wants them.

Source: https://developers.zenodo.org/#representation (deposit metadata).
"""

import hashlib
import html
import json
from collections.abc import Mapping, Sequence
from typing import Any

from ..archive.crate import part_title
from ..archive.metadata import RecordMetadata


def deposit_metadata(
    metadata: RecordMetadata, part: int, dois: Sequence[str], *, parts: int, mark: str
) -> dict[str, Any]:
    """Return the metadata of one record.

    Args:
        metadata: of the archive.
        part: number of the record, from 1.
        dois: of all records, in order, once they are reserved; empty before.
        parts: number of records.
        mark: tells this record of this archive from every other; a part of the notes.
    """
    content: dict[str, Any] = {
        "title": part_title(metadata, part, parts),
        "upload_type": "dataset",
        "description": paragraphs(metadata.description),
        "creators": [
            {"name": person.name}
            | ({"affiliation": person.affiliation} if person.affiliation else {})
            | ({"orcid": person.orcid} if person.orcid else {})
            for person in metadata.creators
        ],
        "access_right": "open",
        "license": metadata.license.lower(),
        "publication_date": metadata.published,
        "keywords": list(metadata.keywords),
        "notes": f"Part {part} of {parts}. {mark}",
        "prereserve_doi": True,
    }
    if metadata.version:
        content["version"] = metadata.version
    if related := related_identifiers(part, dois):
        content["related_identifiers"] = related
    return content


def related_identifiers(part: int, dois: Sequence[str]) -> list[dict[str, str]]:
    """Return the links of a record: the first has the others as parts, each of them is a part of the first.

    >>> related_identifiers(2, ["10.5281/zenodo.1", "10.5281/zenodo.2"])
    [{'relation': 'isPartOf', 'identifier': '10.5281/zenodo.1', 'resource_type': 'dataset'}]
    """
    relation, others = ("hasPart", dois[1:]) if part == 1 else ("isPartOf", dois[:1])
    return [{"relation": relation, "identifier": doi, "resource_type": "dataset"} for doi in others]


def paragraphs(text: str) -> str:
    r"""Return plain text as HTML.

    >>> paragraphs("a < b\n\nc")
    '<p>a &lt; b</p><p>c</p>'
    """
    parts = [" ".join(part.split()) for part in text.split("\n\n")]
    return "".join(f"<p>{html.escape(part, quote=False)}</p>" for part in parts if part)


def fingerprint(content: Mapping[str, Any]) -> str:
    """Return the SHA-256 of metadata, to know whether it has been sent."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
