"""Numbers in messages."""


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
