"""`study.toml`: facts about a study that images cannot tell, for the dataset card and croissant.json."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nucleusnet_core.errors import UsageError
from nucleusnet_core.small_files import SmallFileError, parse_toml, read_bytes

from .shipped import shipped

NOT_STATED = "not stated"
EXAMPLE = "study.toml"
MAX_STUDY_BYTES = 1 << 20

_TEXT, _LIST = "a text that is not empty", "a list of texts, none of them empty"
_INTEGER, _NUMBER = "a whole number", "a number"


@dataclass(frozen=True)
class Item:
    """One fact that a study may state.

    Attributes:
        label: its name in the card.
        kind: what its value must be.
        needed: whether a study must state it.
    """

    label: str
    kind: str = _TEXT
    needed: bool = False


ITEMS: Mapping[str, Mapping[str, Item]] = {
    "dataset": {
        "name": Item("Name", needed=True),
        "description": Item("Description", needed=True),
        "license": Item("Licence", needed=True),
        "authors": Item("Authors", _LIST, needed=True),
        "year": Item("Year", _INTEGER, needed=True),
        "tags": Item("Tags", _LIST),
        "homepage": Item("Homepage"),
        "doi": Item("DOI"),
    },
    "biosample": {
        "organism": Item("Organism", needed=True),
        "cell_line": Item("Cell line", needed=True),
        "tissue": Item("Tissue"),
        "conditions": Item("Conditions"),
    },
    "specimen": {
        "stain": Item("Stain", needed=True),
        "target": Item("Target"),
        "preparation": Item("Preparation"),
    },
    "acquisition": {
        "microscope": Item("Microscope", needed=True),
        "objective": Item("Objective", needed=True),
        "pixels_per_um": Item("Scale, px/µm", _NUMBER),
        "fields": Item("Fields"),
        "stitching": Item("Stitching"),
    },
    "segmentation": {
        "model": Item("Segmentation model", needed=True),
        "parameters": Item("Segmentation parameters", needed=True),
        "criteria": Item("What counts as one nucleus", _LIST),
    },
    "quality": {
        "known_errors": Item("Known errors", _LIST, needed=True),
        "biases": Item("Biases", _LIST, needed=True),
    },
}
"""Every section and key of a study, in the order of the card. Source: REMBI, doi:10.1038/s41592-021-01166-8; MIFA."""


@dataclass(frozen=True)
class Study:
    """What a study states.

    Attributes:
        facts: values by section and key; empty where nothing is known.
    """

    facts: Mapping[str, Mapping[str, Any]]

    def get(self, section: str, key: str) -> Any:
        """Return a fact as it was stated, or None."""
        return self.facts.get(section, {}).get(key)

    def text(self, section: str, key: str) -> str:
        """Return a fact on one line, or `NOT_STATED`."""
        value = self.get(section, key)
        return NOT_STATED if value is None else " ".join(str(value).split())

    def lines(self, section: str, key: str) -> list[str]:
        """Return the texts of a fact, each on one line; an empty list if it is not stated."""
        return [" ".join(line.split()) for line in self.get(section, key) or []]


NO_STUDY = Study({})
"""For a dataset of which nothing is known besides its images."""


def read_study(path: Path, *, pixels_per_um: float | None) -> Study:
    """Return what a study file states, checked.

    Args:
        path: the file.
        pixels_per_um: scale of the images; None where it is not known, or where they have several.

    Raises:
        UsageError: the file cannot be read, lacks a needed item, or has an unknown one, one of another type, or
            another scale.
    """
    try:
        if path.stat().st_size > MAX_STUDY_BYTES:
            raise UsageError(
                f"{path} has {path.stat().st_size:,} bytes; a study file has at most {MAX_STUDY_BYTES:,}: name another."
            )
        facts = parse_toml(read_bytes(path, max_bytes=MAX_STUDY_BYTES))
    except (OSError, SmallFileError) as error:
        raise UsageError(
            f"{path} is not a study file in TOML, or cannot be read ({error}); an example is {shipped(EXAMPLE)}."
        ) from error
    problems = [*unknown_items(facts), *wrong_items(facts), *missing_items(facts)]
    if problems:
        lines = [f"{path} is not a complete study file:", *(f"  {line}" for line in problems)]
        raise UsageError("\n".join([*lines, f"An example that explains every item is {shipped(EXAMPLE)}."]))
    study = Study(facts)
    check_scale(study, pixels_per_um)
    return study


def check_scale(study: Study, pixels_per_um: float | None) -> None:
    """Refuse a study that states another scale than that of the images.

    Args:
        study: what is stated.
        pixels_per_um: of the images; None where it is not known, or where they have several.

    Raises:
        UsageError: the scales differ by more than one part in a thousand.
    """
    stated = study.get("acquisition", "pixels_per_um")
    if stated is None or pixels_per_um is None or math.isclose(stated, pixels_per_um, rel_tol=1e-3):
        return
    raise UsageError(
        f"the study file says acquisition.pixels_per_um = {stated:g}, but the scale of the images is "
        f"{pixels_per_um:g}; correct one of them."
    )


def unknown_items(facts: Mapping[str, Any]) -> list[str]:
    """Return a line for each section and key that is not known."""
    lines = []
    for section, values in facts.items():
        if section not in ITEMS or not isinstance(values, dict):
            lines.append(f"[{section}] is not a section of a study; these are: {', '.join(ITEMS)}.")
        else:
            known = ", ".join(ITEMS[section])
            unknown = [key for key in values if key not in ITEMS[section]]
            lines += [f"{section}.{key} is not known; the items of this section are: {known}." for key in unknown]
    return lines


def wrong_items(facts: Mapping[str, Any]) -> list[str]:
    """Return a line for each fact of another type than it must have."""
    lines = []
    for section, items in ITEMS.items():
        values = facts.get(section, {})
        for key, item in items.items() if isinstance(values, dict) else []:
            if key in values and not fits(values[key], item.kind):
                lines.append(f"{section}.{key} is {values[key]!r}; it must be {item.kind}.")
    return lines


def fits(value: Any, kind: str) -> bool:
    """Return whether a value is of a kind and not empty."""
    if kind == _LIST:
        return isinstance(value, list) and bool(value) and all(isinstance(v, str) and v.strip() for v in value)
    if kind == _TEXT:
        return isinstance(value, str) and bool(value.strip())
    kinds = (int,) if kind == _INTEGER else (int, float)
    return isinstance(value, kinds) and not isinstance(value, bool)


def missing_items(facts: Mapping[str, Any]) -> list[str]:
    """Return a line for each needed fact that is not there."""
    lines = []
    for section, items in ITEMS.items():
        values = facts.get(section, {})
        if isinstance(values, dict):
            missing = (key for key, item in items.items() if item.needed and key not in values)
            lines += [f"{section}.{key} is missing ({items[key].label})." for key in missing]
    return lines


def citation(study: Study, default: str) -> str:
    """Return the BibTeX entry of a study, or `default` where nothing is stated."""
    if not study.facts:
        return default
    authors = " and ".join(f"{{{balanced(name)}}}" for name in study.lines("dataset", "authors"))
    extra = {name: study.text("dataset", key) for name, key in (("doi", "doi"), ("url", "homepage"))}
    key = "".join(letter for letter in study.text("dataset", "name").lower() if letter.isalnum()) or "dataset"
    lines = [
        f"@misc{{{key},",
        f"  title = {{{balanced(study.text('dataset', 'name'))}}},",
        f"  author = {{{authors}}},",
        f"  year = {{{study.get('dataset', 'year')}}},",
        *(f"  {name} = {{{balanced(value)}}}," for name, value in extra.items() if value != NOT_STATED),
        "}",
    ]
    return "\n".join(lines)


def balanced(text: str) -> str:
    """Return a text for between braces in BibTeX; its own go where they do not fit each other, and would end it.

    >>> balanced("{DAPI} nuclei"), balanced("} of {")
    ('{DAPI} nuclei', ' of ')
    """
    depth = 0
    for letter in text:
        depth += (letter == "{") - (letter == "}")
        if depth < 0:
            break
    return text if depth == 0 else text.replace("{", "").replace("}", "")
