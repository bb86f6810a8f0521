"""The order in which runs, and other groups of nuclei, are listed."""


def natural_order(name: str) -> tuple[bool, int, str]:
    """Return a key that sorts numbers by their value, and other texts after them."""
    number = name.isascii() and name.isdecimal()
    return not number, int(name) if number else 0, name
