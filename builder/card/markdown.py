"""Texts from outside that must stay plain text in Markdown."""

import re
from xml.sax.saxutils import escape


def plain_markdown(text: str) -> str:
    """Return Markdown that shows a text as it is, on one line."""
    marked = re.sub(r"([\\`*_{}\[\]()#+!|~])", r"\\\1", escape(" ".join(text.split())))
    return re.sub(r"^(\d*)([-=.)])", r"\1\\\2", marked)  # of a list, or the line below a heading


def plain_paragraphs(text: str) -> str:
    """Return Markdown that shows a text as it is, in its own paragraphs."""
    return "\n\n".join(plain_markdown(paragraph) for paragraph in re.split(r"\n\s*\n", text.strip()))
