"""Damage that files suffer: bytes changed, zeroed, cut off, moved, repeated."""

from collections.abc import Callable
from random import Random

INTERESTING = (0, 1, 2, 7, 8, 16, 255, 256, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF)
"""Numbers at which formats and programs have their borders."""


def change_bytes(data: bytearray, random: Random) -> None:
    """Give a few bytes other values."""
    for _ in range(random.randint(1, 4)):
        data[random.randrange(len(data))] = random.randrange(256)


def flip_bit(data: bytearray, random: Random) -> None:
    """Turn one bit over."""
    data[random.randrange(len(data))] ^= 1 << random.randrange(8)


def zero_range(data: bytearray, random: Random) -> None:
    """Zero a range, as a page that never reached the disk."""
    start = random.randrange(len(data))
    stop = min(len(data), start + random.choice([4, 16, 100, 512, 4096]))
    data[start:stop] = bytes(stop - start)


def cut_off(data: bytearray, random: Random) -> None:
    """Leave out the end."""
    del data[random.randrange(len(data)) :]


def take_out(data: bytearray, random: Random) -> None:
    """Leave out a part, so that all behind it moves."""
    start = random.randrange(len(data))
    del data[start : start + random.randint(1, 40)]


def put_in(data: bytearray, random: Random) -> None:
    """Repeat a part where it stands."""
    start = random.randrange(len(data))
    data[start:start] = data[start : start + random.randint(1, 40)]


def set_number(data: bytearray, random: Random) -> None:
    """Write a number that is often mistaken, in either byte order."""
    size = random.choice([1, 2, 4, 8])
    number = random.choice(INTERESTING) + random.choice([-1, 0, 0, 1])
    at = random.randrange(len(data))
    room = min(size, len(data) - at)
    data[at : at + room] = (number % 256**size).to_bytes(size, random.choice(["little", "big"]))[:room]


MUTATIONS: tuple[Callable[[bytearray, Random], None], ...] = (
    change_bytes, flip_bit, zero_range, cut_off, take_out, put_in, set_number
)  # fmt: skip


def mutated(data: bytes, random: Random) -> bytes:
    """Return a file with one to three kinds of damage."""
    damaged = bytearray(data)
    for _ in range(random.choice([1, 1, 1, 2, 3])):
        if damaged:
            random.choice(MUTATIONS)(damaged, random)
    return bytes(damaged)
