"""`ro-crate-metadata.json` of a record: what it holds, and which part of which archive it is.

Written by hand, so that an archive needs no library for it; a test reads it with `rocrate`.

Source: https://www.researchobject.org/ro-crate/specification/1.2/root-data-entity.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from nucleusnet_core.files.hashing import Digest

from .metadata import UNKNOWN_LICENSE, Creator, RecordMetadata
from .plan import CRATE_NAME

_PROFILE = "https://w3id.org/ro/crate/1.2"
_TYPES = {".zip": "application/zip", ".csv": "text/csv", "SHA256SUMS": "text/plain"}
_WHOLE = "#archive"


def part_title(metadata: RecordMetadata, part: int, parts: int) -> str:
    """Return the title of one record; the only one has that of the archive.

    Args:
        metadata: of the archive.
        part: number of the record, from 1.
        parts: number of records.
    """
    return metadata.title if parts == 1 else f"{metadata.title} (part {part} of {parts})"


def crate_json(
    metadata: RecordMetadata, part: int, parts: int, files: Mapping[str, Digest], notes: Mapping[str, str]
) -> bytes:
    """Return the bytes of a record's crate.

    Args:
        metadata: of the archive.
        part: number of the record, from 1.
        parts: number of records.
        files: the other files of the record with their checksums.
        notes: what some of them hold, in words.
    """
    graph = [
        {
            "@id": CRATE_NAME,
            "@type": "CreativeWork",
            "about": {"@id": "./"},
            "conformsTo": {"@id": _PROFILE},
        },
        root(metadata, part, parts, list(files)),
        license_entity(metadata.license),
        *creators(metadata.creators),
        *siblings(metadata, part, parts),
        *(file_entity(name, digest, notes.get(name)) for name, digest in files.items()),
    ]
    return (
        json.dumps({"@context": f"{_PROFILE}/context", "@graph": graph}, indent=1, ensure_ascii=False) + "\n"
    ).encode()


def root(metadata: RecordMetadata, part: int, parts: int, names: Sequence[str]) -> dict[str, Any]:
    """Return the root data entity: the record."""
    entity: dict[str, Any] = {
        "@id": "./",
        "@type": "Dataset",
        "name": part_title(metadata, part, parts),
        "description": metadata.description,
        "datePublished": metadata.published,
        "license": {"@id": license_url(metadata.license)},
        "keywords": list(metadata.keywords),
        "hasPart": [{"@id": name} for name in names],
    }
    if metadata.creators:
        entity["author"] = [{"@id": creator_id(number, person)} for number, person in enumerate(metadata.creators, 1)]
    if metadata.version:
        entity["version"] = metadata.version
    if parts > 1:
        entity |= {"isPartOf": {"@id": _WHOLE}, "position": part}
    return entity


def siblings(metadata: RecordMetadata, part: int, parts: int) -> list[dict[str, Any]]:
    """Return the archive as a whole and its other records; nothing if there is one record."""
    if parts == 1:
        return []
    ids = ["./" if number == part else f"#record-{number}" for number in range(1, parts + 1)]
    whole = {
        "@id": _WHOLE,
        "@type": "Dataset",
        "name": metadata.title,
        "description": f"The whole archive: {parts} records, of which this is part {part}.",
        "hasPart": [{"@id": identifier} for identifier in ids],
    }
    others = [
        {
            "@id": f"#record-{number}",
            "@type": "Dataset",
            "name": part_title(metadata, number, parts),
            "isPartOf": {"@id": _WHOLE},
            "position": number,
        }
        for number in range(1, parts + 1)
        if number != part
    ]
    return [whole, *others]


def file_entity(name: str, digest: Digest, note: str | None) -> dict[str, Any]:
    """Return a file of the record."""
    kind = next(kind for suffix, kind in _TYPES.items() if name.endswith(suffix))
    entity = {
        "@id": name,
        "@type": "File",
        "name": name,
        "contentSize": str(digest.bytes),
        "encodingFormat": kind,
        "sha256": digest.sha256,
    }
    return entity | ({"description": note} if note else {})


def license_url(license_id: str) -> str:
    """Return the address of a license, or a name for an unknown one."""
    return "#license" if license_id == UNKNOWN_LICENSE else f"https://spdx.org/licenses/{license_id}"


def license_entity(license_id: str) -> dict[str, Any]:
    """Return the license."""
    return {
        "@id": license_url(license_id),
        "@type": "CreativeWork",
        "name": license_id,
        "description": (
            "The license is not stated: ask the creators."
            if license_id == UNKNOWN_LICENSE
            else f"The license with the SPDX identifier {license_id}."
        ),
    }


def creator_id(number: int, creator: Creator) -> str:
    """Return the identifier of a person."""
    return f"https://orcid.org/{creator.orcid}" if creator.orcid else f"#creator-{number}"


def creators(people: Sequence[Creator]) -> list[dict[str, Any]]:
    """Return the people and where they work."""
    places = list(dict.fromkeys(person.affiliation for person in people if person.affiliation))
    organisations = [
        {"@id": f"#organisation-{number}", "@type": "Organization", "name": name}
        for number, name in enumerate(places, 1)
    ]
    persons = []
    for number, person in enumerate(people, 1):
        entity: dict[str, Any] = {"@id": creator_id(number, person), "@type": "Person", "name": person.name}
        if person.affiliation:
            entity["affiliation"] = {"@id": f"#organisation-{places.index(person.affiliation) + 1}"}
        persons.append(entity)
    return [*persons, *organisations]
