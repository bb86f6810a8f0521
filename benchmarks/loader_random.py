"""A random 1,000 of a dataset on a server, in a process of its own; prints one line of JSON.

    python loader_random.py METHOD SOURCE

Everything is cold but the imports: the manifest or file list, the footers and the rows are fetched.
"""

import contextlib
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.measuring import measured

ROWS = 1000


def blocks(source: str) -> list[Any]:
    """Draw with this project's default method; returns the runs."""
    return our_sample(source, "blocks")


def rows(source: str) -> list[Any]:
    """Draw an exact simple random sample with this project; returns the runs."""
    return our_sample(source, "rows")


def our_sample(source: str, method: str) -> list[Any]:
    """Draw with this project."""
    from nucleusnet_dataset import sample

    runs: list[Any] = sample(ROWS, source=source, seed=0, method=method)["run"][:]
    return runs


def hf_shuffle(source: str) -> list[Any]:
    """Draw as users of `datasets` do; returns the runs."""
    import datasets

    stream = datasets.load_dataset(source, split="train", streaming=True)
    stream = stream.cast_column("image", datasets.Image(decode=False))
    if "mask" in stream.column_names:
        stream = stream.cast_column("mask", datasets.Image(decode=False))
    drawn = iter(stream.shuffle(seed=0, buffer_size=ROWS).take(ROWS))
    return [row["run"] for row in drawn]


def hf_shuffle_awake(source: str) -> list[Any]:
    """The same without the 5 s that `datasets` sleeps in the end."""
    from benchmarks.loader_peers import leave_out_sleep

    leave_out_sleep()
    return hf_shuffle(source)


METHODS: dict[str, Callable[[str], list[Any]]] = {
    "blocks": blocks,
    "rows": rows,
    "hf-shuffle": hf_shuffle,
    "hf-shuffle-awake": hf_shuffle_awake,
}


def main() -> None:
    """Draw, print, and leave without waiting for whatever threads a library still has."""
    method, source = sys.argv[1:3]
    import datasets

    import nucleusnet_dataset  # noqa: F401

    datasets.disable_progress_bars()
    with contextlib.redirect_stdout(sys.stderr), measured() as cost:
        runs = METHODS[method](source)
    if len(runs) != ROWS:
        sys.exit(f"{ROWS} rows expected, {len(runs)} found")
    print(json.dumps({"seconds": cost.wall_s, "cpu_s": cost.cpu_s, "runs": len(set(runs))}), flush=True)
    os._exit(0)


if __name__ == "__main__":
    main()
