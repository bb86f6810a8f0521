"""Reads shards with damaged footers in a process of its own, and tells how each reading ended.

Arguments: folder of a dataset, seed, number of cases, and whether the manifest states the footer's hash.
"""

import dataclasses
import hashlib
import random
import sys
from collections import Counter
from pathlib import Path

import numpy as np

from nucleusnet_core.dataset import open_dataset
from nucleusnet_core.errors import CorruptDataError
from nucleusnet_core.shards.rows import Picks, fetch_rows

CONFIG = "metadata"


def damaged(footer: bytes, rng: random.Random) -> bytes:
    """Return a footer with some bytes of its metadata changed; its length stays."""
    data = bytearray(footer)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        place = rng.randrange(len(data) - 8)
        match rng.randrange(3):
            case 0:
                data[place] ^= 1 << rng.randrange(8)
            case 1:
                data[place] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))
            case _:
                size = rng.randrange(1, 9)
                other = rng.randrange(len(data) - 8 - size)
                data[place : place + size] = data[other : other + len(data[place : min(place + size, len(data) - 8)])]
                data = bytearray(data[: len(footer)])
    return bytes(data[: len(footer) - 8]) + footer[-8:]


def main(folder: Path, seed: int, count: int, *, stated: bool) -> Counter[str]:
    """Try the cases, and return how many ended in which way."""
    opened = open_dataset(folder)
    entry = opened.shards(CONFIG, "train")[0]
    footer = opened.footer_bytes(entry)
    hash_of_footer = hashlib.sha256(footer).hexdigest() if stated else None
    entry = dataclasses.replace(entry, footer_sha256=hash_of_footer)
    columns = ["nucleus_id", "label", "area_um2", "warnings"]
    rows = np.arange(entry.rows)[::-1].copy()
    true = fetch_rows(opened, Picks((entry,), rows), columns)[0]
    rng, ends = random.Random(seed), Counter[str]()
    for _ in range(count):
        case = damaged(footer, rng)
        if case == footer:
            continue
        opened.forget_footer(entry)
        opened._footers[entry.path] = case
        try:
            opened.schema([entry])
            table = fetch_rows(opened, Picks((entry,), rows), columns)[0]
            ends["true" if table.equals(true) else "wrong"] += 1
        except CorruptDataError:
            ends["refused"] += 1
        except Exception as error:  # anything else is not promised: it is what the test is about
            ends[f"{type(error).__name__}: {error}"] += 1
    return ends


if __name__ == "__main__":
    print(dict(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), stated=sys.argv[4] == "stated")))
