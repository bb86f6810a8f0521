"""Random orders are a contract: these numbers may never change, or published datasets could not be built again."""

import hashlib

import numpy as np
import pytest

from nucleusnet_core.errors import UsageError
from nucleusnet_core.orders import check_seed, keyed_hash, keyed_hashes, permutation, random_keys


@pytest.mark.parametrize(
    ("text", "seed", "purpose", "expected"),
    [
        ("Run72TR_bottom_left_ROI_399", 0, "row", 15007018098989374425),
        ("Run72TR_bottom_left_ROI_399", 1, "row", 9165470355647643857),
        ("Zoë", 2**64 - 1, "run", 17136961906300073427),
    ],
)
def test_the_hash_of_a_name_is_fixed(text: str, seed: int, purpose: str, expected: int) -> None:
    assert keyed_hash(text, seed=seed, purpose=purpose) == expected
    assert keyed_hashes(["other", text], seed=seed, purpose=purpose).tolist()[1] == expected


def test_the_hash_is_keyed_blake2b() -> None:
    digest = hashlib.blake2b("Zoë".encode(), digest_size=8, key=b"\xff" * 8, person=b"run").digest()
    assert keyed_hash("Zoë", seed=2**64 - 1, purpose="run") == int.from_bytes(digest, "big")


def test_random_numbers_and_permutations_are_fixed() -> None:
    assert random_keys(3, 0, 1).tolist() == [2246740426336339505, 4499693967357331815, 1076498355045147275]
    assert permutation(8, 5, 0).tolist() == [3, 5, 0, 1, 4, 2, 6, 7]
    assert permutation(8, 5, 1).tolist() == [2, 6, 1, 5, 0, 7, 3, 4]


def test_a_permutation_holds_every_number_once() -> None:
    assert np.array_equal(np.sort(permutation(1000, 3)), np.arange(1000))


@pytest.mark.parametrize("seed", [-1, 2**64, 1.0, True, "0"])
def test_what_is_no_seed_is_refused(seed: object) -> None:
    with pytest.raises(UsageError, match=r"The seed is .*; it must be a whole number from 0 to"):
        check_seed(seed)  # type: ignore[arg-type]
