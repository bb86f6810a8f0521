"""Measure what the shuffle costs at the size of the published dataset, with small cells, in a process of its own."""

import argparse
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.measuring import measured, peak_mb
from benchmarks.reference import IMAGES, ROWS
from builder.pieces.make import write_table
from builder.shards.write import gather

SHARDS = 54
"""As many as the published dataset has."""


def shuffle_cost(template: Path, folder: Path) -> dict[str, float]:
    """Write synthetic pieces like a real one, and measure how long it takes to gather all shards out of them."""
    folder.mkdir()
    with pa.OSFile(str(template)) as source, pa.ipc.open_file(source) as reader:
        rows = reader.read_all()
    rng = np.random.default_rng(0)
    for image in range(IMAGES):
        edges = [ROWS * number // IMAGES for number in (image, image + 1)]
        write_table(folder / f"{image}.rows.arrow", synthetic(rows, edges[1] - edges[0], rng))
    done = subprocess.run([sys.executable, __file__, str(folder)], capture_output=True, check=True)
    cost: dict[str, float] = json.loads(done.stdout)
    return cost


def synthetic(rows: pa.Table, count: int, rng: np.random.Generator) -> pa.Table:
    """Return `count` rows with random hashes and cells of 64 bytes."""
    made = rows.take(pa.array(rng.integers(0, rows.num_rows, count)))
    columns = {"row_hash": pa.array(np.sort(rng.integers(0, 2**64, count, np.uint64)))}
    columns |= {name: pa.array([bytes(64)] * count, pa.binary()) for name in ("image_zstd", "mask_zstd")}
    for name, values in columns.items():
        made = made.set_column(made.schema.get_field_index(name), name, values)
    return made


def main() -> None:
    """Gather all shards one after the other, and print the cost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="folder of the pieces that `shuffle_cost` wrote")
    pieces = sorted(parser.parse_args().folder.iterdir())
    edges = [2**64 * number // SHARDS for number in range(SHARDS + 1)]
    with measured() as cost:
        rows = sum(len(gather(pieces, edges[n], edges[n + 1] - 1)) for n in range(SHARDS))
    if rows != ROWS:
        sys.exit(f"{rows:,} rows were gathered, not {ROWS:,}.")
    print(json.dumps({"cpu_s": cost.cpu_s, "wall_s": cost.wall_s, "peak_mb": peak_mb()}))


if __name__ == "__main__":
    main()
