"""Measure drawing a random 1,000 of a dataset on a server, in a process of its own; print one line of JSON.

Nothing but the imports is done before: manifest or list of files, footers and rows are all fetched.
"""

import argparse
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
    """Draw with this project's default method, and return the runs."""
    return our_sample(source, "blocks")


def rows(source: str) -> list[Any]:
    """Draw an exact simple random sample with this project, and return the runs."""
    return our_sample(source, "rows")


def our_sample(source: str, method: str) -> list[Any]:
    """Draw with this project, and return the runs."""
    from nucleusnet_dataset import sample

    runs: list[Any] = sample(ROWS, source=source, seed=0, method=method)["run"][:]
    return runs


def hf_shuffle(source: str) -> list[Any]:
    """Draw as users of `datasets` do, and return the runs."""
    import datasets

    stream = datasets.load_dataset(source, split="train", streaming=True)
    stream = stream.cast_column("image", datasets.Image(decode=False))
    if "mask" in stream.column_names:
        stream = stream.cast_column("mask", datasets.Image(decode=False))
    drawn = iter(stream.shuffle(seed=0, buffer_size=ROWS).take(ROWS))
    return [row["run"] for row in drawn]


def hf_shuffle_awake(source: str) -> list[Any]:
    """Draw in the same way, without the 5 s that `datasets` sleeps in the end, and return the runs."""
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
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("method", choices=list(METHODS), help="how to draw")
    parser.add_argument("source", help="the dataset: its URL, or owner/name on the Hub")
    arguments = parser.parse_args()
    import datasets

    import nucleusnet_dataset  # noqa: F401

    datasets.disable_progress_bars()
    with contextlib.redirect_stdout(sys.stderr), measured() as cost:
        runs = METHODS[arguments.method](arguments.source)
    if len(runs) != ROWS:
        sys.exit(f"{len(runs):,} rows were drawn, not {ROWS:,}.")
    print(json.dumps({"seconds": cost.wall_s, "cpu_s": cost.cpu_s, "runs": len(set(runs))}), flush=True)
    os._exit(0)


if __name__ == "__main__":
    main()
