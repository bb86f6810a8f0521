"""Numbers in messages, and texts that fit the terminal."""

import shutil
import textwrap
from collections.abc import Sequence


def counted(number: int, one: str, many: str | None = None) -> str:
    """Return a number with what it counts.

    Args:
        number: how many.
        one: the words behind 1.
        many: the words behind every other number; `one` with an s if left out.

    >>> counted(1, "image"), counted(0, "image"), counted(1234, "batch", "batches")
    ('1 image', '0 images', '1,234 batches')
    """
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"


def paragraphs(table: Sequence[tuple[str, str]]) -> str:
    """Return names with their explanations, these wrapped to the width of the terminal.

    Args:
        table: name and explanation of each line.
    """
    indent = 4 + max(len(name) for name, _ in table)
    width = max(indent + 20, min(100, shutil.get_terminal_size().columns))
    lines = []
    for name, text in table:
        wrapped = textwrap.wrap(text, width - indent) or [""]
        lines += [f"  {name:<{indent - 2}}{wrapped[0]}", *(" " * indent + line for line in wrapped[1:])]
    return "\n".join(line.rstrip() for line in lines)
