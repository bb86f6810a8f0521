"""Small files of ours in JSON, TOML and YAML, as anybody may have changed them: read with limits, and one error."""

import json
import math
import re
import tomllib
from pathlib import Path
from typing import Any

from .errors import NucleusNetError

MOST_BYTES = 16 << 20
MOST_DEPTH = 64
_MOST_DIGITS = 40
_MOST_DOTTED_KEYS = 32
_KEY_AND_DOT = r"""(?:[\w-]+|"[^"\n]*"|'[^'\n]*')[ \t]*\.[ \t]*"""
_DOTTED_KEYS = re.compile(f"(?:{_KEY_AND_DOT}){{{_MOST_DOTTED_KEYS}}}")
_LONG_NUMBER = re.compile(rf"(?<![\w.\"'-])[+-]?[0-9][0-9_]{{{_MOST_DIGITS}}}")


class SmallFileError(NucleusNetError, ValueError):
    """The text of a small file is too large, too deep, or no JSON, TOML or YAML."""


def read_json(path: Path, *, max_bytes: int = MOST_BYTES) -> Any:
    """Return what a JSON file holds.

    Raises:
        SmallFileError: as `parse_json`.
        OSError: it cannot be read.
    """
    return parse_json(read_bytes(path, max_bytes=max_bytes))


def read_bytes(path: Path, *, max_bytes: int = MOST_BYTES) -> bytes:
    """Return the bytes of a small file.

    Raises:
        SmallFileError: it has more than `max_bytes`.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        data = file.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise SmallFileError(f"it has more than {max_bytes:,} bytes")
    return data


def parse_json(data: bytes) -> Any:
    """Return what JSON holds.

    Raises:
        SmallFileError: it is not JSON, lies deeper than `MOST_DEPTH`, or holds a number that no computer counts with.
    """
    try:
        value = json.loads(data, parse_int=_whole_number, parse_float=_number)
    except (ValueError, RecursionError) as error:
        raise SmallFileError(f"it is not JSON: {_said(error)}") from error
    _check_depth(value)
    return value


def parse_toml(data: bytes) -> dict[str, Any]:
    """Return what TOML holds.

    Raises:
        SmallFileError: it is not TOML, or lies deeper than `MOST_DEPTH`.
    """
    try:
        text = data.decode("utf-8-sig")
        if _DOTTED_KEYS.search(text):
            raise ValueError(f"more than {_MOST_DOTTED_KEYS} keys are joined by dots")
        if _LONG_NUMBER.search(text):
            raise ValueError(f"a number has more than {_MOST_DIGITS} digits")
        value = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise SmallFileError(f"it is not TOML: {_said(error)}") from error
    _check_depth(value)
    return value


def check_yaml(text: str) -> None:
    """Refuse YAML that takes more to read than its size suggests: it lies deep, or repeats parts by reference.

    Raises:
        SmallFileError: it does, or cannot be read.
    """
    import yaml  # noqa: PLC0415 - only dataset cards are YAML

    flow, block = ("FlowSequenceStart", "FlowMappingStart"), ("BlockSequenceStart", "BlockMappingStart")
    opening = tuple(getattr(yaml, f"{name}Token") for name in (*flow, *block))
    closing = (yaml.FlowSequenceEndToken, yaml.FlowMappingEndToken, yaml.BlockEndToken)
    depth = 0
    try:
        for token in yaml.scan(text, Loader=yaml.SafeLoader):
            depth += isinstance(token, opening) - isinstance(token, closing)
            if depth > MOST_DEPTH or isinstance(token, yaml.AliasToken):
                raise SmallFileError("its parts lie too deep in each other, or refer to each other")
            if isinstance(token, yaml.ScalarToken) and _LONG_NUMBER.match(token.value):
                raise SmallFileError(f"a number has more than {_MOST_DIGITS} digits")
    except (yaml.YAMLError, RecursionError) as error:
        raise SmallFileError(f"it is not YAML: {_said(error)}") from error


def _whole_number(text: str) -> int:
    if len(text) > _MOST_DIGITS:
        raise ValueError(f"a number has {len(text):,} digits")
    return int(text)


def _number(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError(f"the number {text[:_MOST_DIGITS]} is too large")
    return value


def _check_depth(value: Any) -> None:
    level = [value]
    for _ in range(MOST_DEPTH):
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return
    raise SmallFileError(f"its parts lie more than {MOST_DEPTH} deep in each other")


def _said(error: Exception) -> str:
    return "its parts lie too deep in each other" if isinstance(error, RecursionError) else str(error)
