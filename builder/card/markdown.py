"""Texts from outside that must stay plain text in Markdown."""

import re
from xml.sax.saxutils import escape


def plain_markdown(text: str) -> str:
    """Return Markdown that shows a text as it is, on one line."""
    return re.sub(r"([\\`*_{}\[\]()#+!|~])", r"\\\1", escape(" ".join(text.split())))
