"""Tables that people open in spreadsheets, which take a text that begins like a formula for one and calculate it."""

import re
from collections.abc import Iterable

_FORMULA = re.compile(r"'*[=+\-@\t\r]")
_SPECIAL = re.compile(r'[",\r\n]')
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def csv_table(rows: Iterable[Iterable[object]]) -> str:
    """Return rows as CSV; a text that a spreadsheet would calculate gets an apostrophe in front, numbers stay numbers.

    Source: OWASP, CSV injection.
    """
    return "".join(",".join(_cell(str(quoted_text(value))) for value in row) + "\n" for row in rows)


def _cell(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if _SPECIAL.search(text) else text


def quoted_text(value: object) -> object:
    """Return a value as `csv_table` writes it.

    >>> [quoted_text(value) for value in ("=1+1", "-2.5", -2.5, "-a", "'=1", "it's")]
    ["'=1+1", '-2.5', -2.5, "'-a", "''=1", "it's"]
    """
    is_formula = isinstance(value, str) and _FORMULA.match(value) and not _NUMBER.fullmatch(value)
    return f"'{value}" if is_formula else value


def unquoted_text(text: str) -> str:
    """Return the text of which `quoted_text` made another.

    >>> [unquoted_text(text) for text in ("'=1+1", "-2.5", "'-a", "''=1", "it's", "'a'")]
    ['=1+1', '-2.5', '-a', "'=1", "it's", "'a'"]
    """
    return text[1:] if text.startswith("'") and _FORMULA.match(text) else text
