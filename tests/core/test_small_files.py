"""Small files of ours that somebody changed: read with limits, and one error."""

from pathlib import Path

import pytest

from nucleusnet_core.small_files import SmallFileError, check_yaml, parse_json, parse_toml, read_json


@pytest.mark.parametrize(
    "data",
    [
        b"[" * 100_000,
        b"[" * 100 + b"]" * 100,
        b'{"a": ' + b"9" * 400 + b"}",
        b'{"a": 1e999}',
        b'{"a": "\xff"}',
        b"",
    ],
)
def test_json_that_is_deep_huge_or_none_is_one_error(data: bytes) -> None:
    with pytest.raises(SmallFileError):
        parse_json(data)


@pytest.mark.parametrize(
    "data",
    [
        b".".join([b"a"] * 100_000) + b" = 1",
        b"[" + b" . ".join([b'"a"'] * 100_000) + b"]",
        b"a = " + b"[" * 50_000,
        b"a = " + b"[" * 100 + b"]" * 100,
        b"a = " + b"9" * 400,
        b'a = "\xff"',
    ],
)
def test_toml_that_is_deep_huge_or_none_is_one_error(data: bytes) -> None:
    with pytest.raises(SmallFileError):
        parse_toml(data)


@pytest.mark.parametrize("text", ["a: " + "[" * 10_000, "a: &x [1]\nb: *x", "a: " + "9" * 400, "\x00"])
def test_yaml_that_is_deep_repeated_or_none_is_one_error(text: str) -> None:
    with pytest.raises(SmallFileError):
        check_yaml(text)


def test_what_people_write_is_read(tmp_path: Path) -> None:
    assert parse_json(b'{"a": [1, -2.5e3, "x", null, 18446744073709551615]}') == {
        "a": [1, -2500.0, "x", None, 2**64 - 1]
    }
    assert parse_toml(b'\xef\xbb\xbfa.b.c = "v. 1. 2. 3"\n[d]\ne = 1_000.5') == {
        "a": {"b": {"c": "v. 1. 2. 3"}},
        "d": {"e": 1000.5},
    }
    check_yaml("a: [1, 2]\nb:\n- c: {d: 1}\n")
    (tmp_path / "large.json").write_bytes(b"[1, 2, 3]")
    with pytest.raises(SmallFileError, match="more than 8 bytes"):
        read_json(tmp_path / "large.json", max_bytes=8)
