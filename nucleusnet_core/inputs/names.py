"""What the name of a stitched image says: run, quarter, position, and columns of the dataset's own."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..contract import RESERVED_COLUMNS
from ..errors import UsageError
from ..stitched_names import DEFAULT_NAME_PATTERN, name_below
from ..terminal.wording import counted
from .sample_values import is_ours, is_plain_name

MAX_RUN = 2**31 - 1
RUN, QUARTER, POSITION, CHANNEL = "run", "quarter", "position", "channel"
"""Groups of a name pattern with a meaning of their own; every further one becomes a column of text."""
_OWN_GROUPS = (RUN, QUARTER, POSITION, CHANNEL)


@dataclass(frozen=True)
class NameFacts:
    """What a name says.

    Attributes:
        stem: of the image.
        matched: the pattern matches the name.
        run: number of the run, None where there is none or it is not an integer.
        run_name: text of the run, a number without zeros in front; the stem where the name has none.
        groups: text of every group of the pattern, None where it is empty; `run` as in `run_name`.
    """

    stem: str
    matched: bool
    run: int | None
    run_name: str
    groups: Mapping[str, str | None]


@dataclass(frozen=True)
class Names:
    """What the names of a folder say.

    Attributes:
        facts: by stem.
        groups: names of the groups of the pattern, in its order; none where the usual pattern matches no name.
    """

    facts: Mapping[str, NameFacts]
    groups: tuple[str, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """Groups that become columns of the dataset's own."""
        return tuple(name for name in self.groups if name not in _OWN_GROUPS)


def read_names(images: Mapping[str, Path], folder: Path, given: re.Pattern[str] | None) -> Names:
    """Read the names of images.

    Args:
        images: by stem.
        folder: that they lie in.
        given: pattern that matches the whole path below the folder, without the suffix of the image and with forward
            slashes; None for the published names, which are told by the file name alone.

    Raises:
        UsageError: the given pattern matches no image.
    """
    pattern = given or re.compile(DEFAULT_NAME_PATTERN)
    names = {stem: name_below(path, path.parent if given is None else folder) for stem, path in images.items()}
    facts = {stem: facts_of(stem, pattern.fullmatch(name)) for stem, name in names.items()}
    matching = any(fact.matched for fact in facts.values())
    if given is not None and names and not matching:
        raise UsageError(_no_match(given, list(names.values())))
    return Names(facts, tuple(pattern.groupindex) if matching else ())


def compile_name_pattern(name_pattern: str) -> re.Pattern[str]:
    """Compile a name pattern that was given.

    Raises:
        UsageError: it is not a regular expression, has no named group, or one that cannot become a column.
    """
    try:
        pattern = re.compile(name_pattern)
    except re.error as error:
        raise UsageError(
            f"--name-pattern {name_pattern!r} is not a regular expression ({error}); correct it."
        ) from error
    if not pattern.groupindex:
        raise UsageError(
            f"--name-pattern {name_pattern!r} has no named group, so it says nothing about an image; name a part of "
            "it, such as (?P<run>[0-9]+) or (?P<well>[A-H][0-9]+)."
        )
    for name in pattern.groupindex:
        if name not in _OWN_GROUPS:
            _check_group(name_pattern, name)
    return pattern


def _check_group(name_pattern: str, name: str) -> None:
    """Refuse a group whose name cannot be that of a column."""
    if name in RESERVED_COLUMNS or is_ours(name):
        other = RUN if name == "run_name" else f"name_{name}"
        raise UsageError(
            f"--name-pattern {name_pattern!r} has a group {name}, which is the name of a column of NucleusNet; call it "
            f"{other}, for example."
        )
    if not is_plain_name(name):
        raise UsageError(
            f"--name-pattern {name_pattern!r} has a group {name}; the name of a column has letters of English, digits "
            "and _: rename the group."
        )


def _no_match(pattern: re.Pattern[str], names: list[str]) -> str:
    """Return the message about a pattern that matches no name, with a name of which it matches a part."""
    fact = f"--name-pattern {pattern.pattern!r} matches none of {counted(len(names), 'name')}"
    for name in names:
        part = pattern.search(name)
        if part and part.group():
            return (
                f"{fact}: it must match the whole name, and of {name!r} it matches only {part.group()!r}; add .* where "
                "the name goes on."
            )
    return f"{fact}, such as {names[0]!r}; it must match the whole name, without the suffix of the file: correct it."


def facts_of(stem: str, match: re.Match[str] | None) -> NameFacts:
    """Return what a name says, by the match of the pattern."""
    groups = {name: text or None for name, text in match.groupdict().items()} if match else {}
    text = groups.get(RUN)
    if text is None:
        return NameFacts(stem, match is not None, None, stem, groups)
    run_name = run_text(text)
    number = run_name.isascii() and run_name.isdecimal() and int(run_name) <= MAX_RUN
    return NameFacts(stem, True, int(run_name) if number else None, run_name, groups | {RUN: run_name})


def run_text(text: str) -> str:
    """Return the text of a run; a number without zeros in front, so that Run02 and Run2 are one run.

    >>> run_text("02"), run_text("0"), run_text("B02")
    ('2', '0', 'B02')
    """
    return (text.lstrip("0") or "0") if text.isascii() and text.isdecimal() else text
