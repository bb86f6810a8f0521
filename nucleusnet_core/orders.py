"""Random orders that are the same everywhere: no library version, machine or process enters them.

Only two primitives are used, and both are fixed by definition: BLAKE2b for hashes of names, and the raw stream of the
Philox bit generator for numbers (numpy promises that bit generators' streams do not change; it does not promise that of
`Generator.permutation`).

Source: RFC 7693 (BLAKE2b with key and personalisation); NEP 19, "Random number generator policy" of numpy.
"""

import hashlib
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from .errors import UsageError

MAX_SEED = 2**64 - 1


def keyed_hash(text: str, *, seed: int, purpose: str) -> int:
    """Return the 64-bit hash of `text` under a seed; another purpose gives an unrelated hash.

    Args:
        text: what is hashed, as UTF-8.
        seed: 0 to 2**64 - 1, the key.
        purpose: at most 16 bytes of UTF-8, such as "row" or "run".
    """
    return int.from_bytes(_digest(text, seed, purpose), "big")


def keyed_hashes(texts: Iterable[str], *, seed: int, purpose: str) -> npt.NDArray[np.uint64]:
    """Return `keyed_hash` of every text as uint64 (n,)."""
    digests = b"".join([_digest(text, seed, purpose) for text in texts])
    return np.frombuffer(digests, ">u8").astype(np.uint64)


def _digest(text: str, seed: int, purpose: str) -> bytes:
    key = check_seed(seed).to_bytes(8, "little")
    return hashlib.blake2b(text.encode(), digest_size=8, key=key, person=purpose.encode()).digest()


def random_keys(n: int, *stream: int) -> npt.NDArray[np.uint64]:
    """Return n random 64-bit numbers of the stream that the given integers name.

    Args:
        n: how many.
        stream: any number of integers 0 to 2**64 - 1, say (seed, epoch, purpose); another tuple is another stream.
    """
    name = b"".join(check_seed(number).to_bytes(8, "little") for number in stream)
    key = int.from_bytes(hashlib.blake2b(name, digest_size=16, person=b"stream").digest(), "little")
    numbers: npt.NDArray[np.uint64] = np.random.Philox(key=key).random_raw(n)
    return numbers


def permutation(n: int, *stream: int) -> npt.NDArray[np.int64]:
    """Return a random order of 0 to n - 1, int64 (n,): the positions of the stream's keys sorted ascending."""
    return np.argsort(random_keys(n, *stream), kind="stable").astype(np.int64)


def check_seed(seed: int) -> int:
    """Return `seed` if it can be one.

    Raises:
        UsageError: it is no integer from 0 to 2**64 - 1.
    """
    if not isinstance(seed, int | np.integer) or isinstance(seed, bool) or not 0 <= seed <= MAX_SEED:
        raise UsageError(f"The seed is {seed!r}; it must be a whole number from 0 to 2**64 - 1.")
    return int(seed)
