"""What a published record says about itself: title, creators, description, license, keywords."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any, Self

from nucleusnet_core.contract import CARD_NAME
from nucleusnet_core.errors import UsageError
from nucleusnet_core.files.atomic import write_bytes_atomic
from nucleusnet_core.small_files import read_json

from ..card.study import ITEMS, read_study
from ..dataset_folder import read_manifest
from .sources import is_dataset

METADATA_NAME = "metadata.json"
UNKNOWN_LICENSE = "unknown"
_SPDX = (
    *("CC0-1.0", "CC-BY-4.0", "CC-BY-SA-4.0", "CC-BY-NC-4.0", "CC-BY-NC-SA-4.0", "CC-BY-ND-4.0", "CC-BY-NC-ND-4.0"),
    *("ODbL-1.0", "MIT", "Apache-2.0"),
)
_LICENSE = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+-]{0,60}")
_ORCID = re.compile(r"(?:https://orcid\.org/)?(\d{4}-\d{4}-\d{4}-\d{3}[\dX])")


@dataclass(frozen=True)
class Creator:
    """A person who made the data.

    Attributes:
        name: "Family name, Given names".
        affiliation: where they work, or "".
        orcid: 0000-0002-1825-0097, or "".
    """

    name: str
    affiliation: str = ""
    orcid: str = ""

    def __post_init__(self) -> None:
        """Refuse an ORCID iD whose check digit is wrong."""
        if not self.name.strip():
            raise UsageError("--creator has no name; begin with one such as 'Doe, Jane'.")
        if self.orcid and not is_orcid(self.orcid):
            raise UsageError(f"--creator: {self.orcid!r} is not an ORCID iD such as 0000-0002-1825-0097.")


@dataclass(frozen=True)
class RecordMetadata:
    """What a record says about itself, in the archive and in the repository.

    Attributes:
        title: of the whole archive; records of several add their number.
        description: plain text, paragraphs separated by empty lines.
        creators: may be empty in an archive; a repository wants at least one.
        license: SPDX identifier, or "unknown" as in the dataset card; a repository wants to know.
        keywords: free words.
        version: of the data, or "".
        published: date of publication, YYYY-MM-DD.
    """

    title: str
    description: str
    creators: tuple[Creator, ...]
    license: str
    keywords: tuple[str, ...]
    version: str
    published: str

    def __post_init__(self) -> None:
        """Refuse what no repository takes."""
        for name in ("title", "description"):
            if not getattr(self, name).strip():
                raise UsageError(f"--{name} is empty; give some text.")
        if not _LICENSE.fullmatch(self.license):
            raise UsageError(f"--license: {self.license!r} is not an SPDX identifier such as CC-BY-4.0.")
        try:
            date.fromisoformat(self.published)
        except ValueError as error:
            raise UsageError(f"--date: {self.published!r} is not a date such as 2026-11-25.") from error

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON has them."""
        return asdict(self)

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Self:
        """Read what `to_dict` returned.

        Raises:
            ValueError: a field is missing, unknown or has an impossible value.
        """
        if fields.keys() != cls.__dataclass_fields__.keys():
            raise ValueError(f"the metadata have other fields than {', '.join(cls.__dataclass_fields__)}")
        creators = tuple(Creator(**creator) for creator in fields["creators"])
        return cls(**{**fields, "creators": creators, "keywords": tuple(fields["keywords"])})


def is_orcid(text: str) -> bool:
    """Return whether a text is an ORCID iD.

    Source: ISO 7064 MOD 11-2, as https://support.orcid.org/hc/en-us/articles/360006897674 describes it.

    >>> is_orcid("0000-0002-1825-0097"), is_orcid("0000-0002-1825-0098")
    (True, False)
    """
    if not _ORCID.fullmatch(text):
        return False
    digits = text[-19:].replace("-", "")
    total = 0
    for digit in digits[:-1]:
        total = (total + int(digit)) * 2
    return "0123456789X"[(12 - total % 11) % 11] == digits[-1]


def parse_creator(text: str) -> Creator:
    """Read `Family, Given; affiliation; ORCID`, of which only the name is required.

    >>> parse_creator("Doe, Jane; Some Institute; 0000-0002-1825-0097")
    Creator(name='Doe, Jane', affiliation='Some Institute', orcid='0000-0002-1825-0097')

    Raises:
        UsageError: the name is missing, or the ORCID iD is wrong.
    """
    parts = [part.strip() for part in text.split(";")]
    orcid = parts.pop() if len(parts) > 1 and re.search(r"\d{4}-\d{4}", parts[-1]) else ""
    return Creator(parts[0], "; ".join(parts[1:]), orcid.removeprefix("https://orcid.org/"))


def spdx(license_id: str) -> str:
    """Return the SPDX spelling of a license.

    >>> spdx("cc-by-4.0")
    'CC-BY-4.0'
    """
    return next((known for known in _SPDX if known.lower() == license_id.lower()), license_id)


def default_metadata(source: Path) -> RecordMetadata:
    """Return what a folder says about itself: the card of a dataset folder, else only its name."""
    name = source.resolve().name
    metadata = RecordMetadata(
        title=f"Stitched microscope images and masks: {name}",
        description="Stitched microscope images and their segmentation masks.",
        creators=(),
        license=UNKNOWN_LICENSE,
        keywords=("microscopy", "cell nuclei", "segmentation masks"),
        version="",
        published=date.today().isoformat(),
    )
    return from_card(source, metadata) if is_dataset(source) else metadata


def from_card(folder: Path, metadata: RecordMetadata) -> RecordMetadata:
    """Return metadata with title, license, keywords and first paragraph of the card of a dataset folder."""
    from huggingface_hub import DatasetCard  # noqa: PLC0415 - only dataset folders have a card

    try:
        card = DatasetCard((folder / CARD_NAME).read_text("utf-8"), ignore_metadata_errors=True)
    except (OSError, ValueError):
        return replace(metadata, version=read_manifest(folder).version)
    head: dict[str, Any] = vars(card.data)
    paragraphs = [part.strip() for part in re.split(r"\n\s*\n", card.text) if part.strip()]
    texts = [" ".join(part.split()) for part in paragraphs if not part.startswith(("#", "|", "```", "<", "-"))]
    license_id = head.get("license")
    return replace(
        metadata,
        title=str(head.get("pretty_name") or metadata.title),
        description=texts[0] if texts else metadata.description,
        license=spdx(license_id) if isinstance(license_id, str) else metadata.license,
        keywords=tuple(map(str, head.get("tags") or metadata.keywords)),
        version=read_manifest(folder).version,
    )


def from_study(path: Path, source: Path, metadata: RecordMetadata) -> RecordMetadata:
    """Return metadata with title, authors, license and tags of a study file; the description tells its other facts.

    Args:
        path: the study file.
        source: what is archived; a dataset folder states the scale that the study must agree with.
        metadata: the rest.

    Raises:
        UsageError: the study cannot be used.
    """
    scale = read_manifest(source).parameters.get("pixels_per_um") if is_dataset(source) else None
    study = read_study(path, pixels_per_um=scale)
    facts = [
        f"{item.label}: {' '.join(fact) if isinstance(fact, list) else fact}"
        for section, items in ITEMS.items()
        if section != "dataset"
        for key, item in items.items()
        if (fact := study.get(section, key)) is not None
    ]
    paragraphs = [study.text("dataset", "description"), *(" ".join(fact.split()) for fact in facts)]
    return replace(
        metadata,
        title=study.text("dataset", "name"),
        description="\n\n".join(paragraphs),
        creators=tuple(Creator(name) for name in study.lines("dataset", "authors")),
        license=spdx(study.text("dataset", "license")),
        keywords=tuple(study.lines("dataset", "tags")) or metadata.keywords,
    )


def remember(out: Path, stem: str, metadata: RecordMetadata) -> None:
    """Keep metadata in an archive folder, so that the next call need not be given them again."""
    content = {"stem": stem, "metadata": metadata.to_dict()}
    write_bytes_atomic(out / METADATA_NAME, (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode())


def remembered(out: Path, stem: str) -> RecordMetadata | None:
    """Return the metadata of an earlier call for the same folder, or None if they cannot be read."""
    try:
        content = read_json(out / METADATA_NAME)
        return RecordMetadata.from_dict(content["metadata"]) if content["stem"] == stem else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def overridden(
    metadata: RecordMetadata, *, creators: Sequence[str] = (), keywords: Sequence[str] = (), **texts: str | None
) -> RecordMetadata:
    """Return metadata with what was given on the command line instead.

    Args:
        metadata: what holds otherwise.
        creators: as `parse_creator` reads them; replaces all.
        keywords: replaces all.
        texts: title, description, license, version, published; None leaves what is there.
    """
    given: dict[str, Any] = {name: text for name, text in texts.items() if text is not None}
    if "license" in given:
        given["license"] = spdx(given["license"])
    if creators:
        given["creators"] = tuple(map(parse_creator, creators))
    if keywords:
        given["keywords"] = tuple(keywords)
    return replace(metadata, **given)
