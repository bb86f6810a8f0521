"""Measure what a build costs beside the published procedure and scPortrait; write tables of benchmarks/README.md."""

import argparse
import hashlib
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.measuring import Cost, command_cost, measured, peak_mb, table, write_results
from benchmarks.reference import IMAGE_PX, NUCLEI_PER_MM2, ROWS
from benchmarks.shuffle import shuffle_cost
from builder.build.options import BuildOptions
from builder.cutting.measure import sum_intensities
from builder.cutting.quality import quality_columns
from builder.pieces.make import cut_all, make_piece, piece_table, write_piece
from builder.pieces.receipt import Receipt, piece_path
from builder.pieces.task import PieceTask
from builder.shards.row_groups import Cells
from builder.shards.write import shard_tasks, write_shard
from builder.simulate.simulate import simulate
from builder.workers.engine import local_workers, run_tasks
from nucleusnet_core.contract import CROP_PX, DEFAULT, KEPT, PUBLISHED_PIXELS_PER_UM
from nucleusnet_core.inputs.images import decode_image, read_file
from nucleusnet_core.inputs.masks import read_label_runs
from nucleusnet_core.inputs.pairs import find_sources
from nucleusnet_core.inputs.regions import regions_from_runs, shape_measurements

PUBLISHED_SAMPLE = 20
REPEATS = 3
FACTS = ("height", "width", "bit_depth", "mean_intensity", "std_intensity")
FACTS += ("image_sha256", "mask_sha256", "fingerprint", "cells_bytes")


def piece_tasks(stitched: Path, pieces: Path) -> list[PieceTask]:
    """Return the tasks of a build."""
    import nucleusnet_dataset

    pieces.mkdir(exist_ok=True)
    options = BuildOptions(stitched, pieces / "out")
    columns = nucleusnet_dataset.features(DEFAULT).arrow_schema
    sources = find_sources(stitched).sources
    return [PieceTask(source, options.piece_parameters(), columns, pieces) for source in sources]


def one_image(task: PieceTask, scratch: Path) -> tuple[Cost, Receipt]:
    """Measure everything that one image costs once the program has started: its piece, and its share of a shard."""
    make_piece(task)  # loads the machine code

    def whole() -> Receipt:
        receipt = make_piece(task)
        write_shards({"train": [receipt]}, task, scratch / "one")
        return receipt

    return least(whole)


def least(call: Callable[[], Any]) -> tuple[Cost, Any]:
    """Run something three times, and return the smallest cost and the last result."""
    costs = []
    for _ in range(REPEATS):
        with measured() as cost:
            result = call()
        costs.append(cost)
    return min(costs, key=lambda one: one.cpu_s), result


def write_shards(receipts: dict[str, list[Receipt]], task: PieceTask, folder: Path) -> None:
    """Write the shards of some pieces."""
    parts = folder / "parts"
    for shard in shard_tasks(
        receipts, task.pieces_dir, folder=folder, parts=parts, schema=task.columns, cells=Cells(8, CROP_PX)
    ):
        write_shard(shard)


def stages(task: PieceTask, receipt: Receipt, scratch: Path) -> list[tuple[str, Cost]]:
    """Measure the stages of one image, one after the other, as `make_piece` and `write_shard` do them."""
    spent: list[tuple[str, Cost]] = []

    def step(name: str, call: Callable[[], Any]) -> Any:
        cost, result = least(call)
        spent.append((name, cost))
        return result

    data = step("read mask", task.source.mask_path.read_bytes)
    runs = step("mask to runs", lambda: read_label_runs(data, "mask"))
    pixels = step("read image", lambda: read_file(task.source.image_path))
    step("SHA-256 of image and mask", lambda: [hashlib.sha256(each).hexdigest() for each in (pixels, data)])
    image, _ = step("find the pixels", lambda: decode_image(pixels, "image"))
    regions = step("runs to regions", lambda: regions_from_runs(runs))
    sums = step("add up intensities", lambda: sum_intensities(image, regions))
    quality = step("quality of the nuclei", lambda: quality_columns(image, regions, sums, PUBLISHED_PIXELS_PER_UM))
    crops, outcomes = step("cut and encode", lambda: cut_all(image, regions, task.parameters, PUBLISHED_PIXELS_PER_UM))
    kept = np.array([index for index, outcome in enumerate(outcomes) if outcome == KEPT])
    measured_columns = step("measure", lambda: shape_measurements(regions, PUBLISHED_PIXELS_PER_UM) | sums.columns())
    measured_columns |= quality
    rows = step("rows of the piece", lambda: piece_table(task, regions, kept, crops, measured_columns))
    facts = {name: getattr(receipt, name) for name in FACTS}
    step("write the piece, SHA-256", lambda: write_piece(task, rows, regions.label, outcomes, facts))
    step("its share of a shard", lambda: write_shards({"train": [receipt]}, task, scratch / "stages"))
    return spent


def published(task: PieceTask, sample: int) -> tuple[Cost, int]:
    """Measure the published procedure on some nuclei; return the cost, extrapolated to all, and the number of all."""
    import imagecodecs
    import tifffile

    from tests.builder.cutting.published_procedure import publish

    with measured() as reading:
        image = tifffile.imread(task.source.image_path)
        labels = imagecodecs.imread(task.source.mask_path)
        present = np.unique(labels)[1:]
    chosen = present[:: max(1, len(present) // sample)]
    with measured() as cutting:
        for label in chosen.tolist():
            publish(image, (labels == label).astype(np.uint8))
    share = len(present) / len(chosen)
    return Cost(reading.cpu_s + cutting.cpu_s * share, reading.wall_s + cutting.wall_s * share), len(present)


def scportrait(python: str, task: PieceTask, scratch: Path) -> dict[str, Any] | None:
    """Return what scPortrait's extraction costs, run with its own Python; None where it is not installed."""
    script = Path(__file__).with_name("scportrait_extract.py")
    command = [python, script, task.source.image_path, task.source.mask_path, scratch / "scportrait"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = "".join(done.stderr.strip().splitlines()[-1:])
        print(f"scPortrait is left out, as it does not run with {python}: {reason}", file=sys.stderr)
        return None
    result: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return result


def seconds_an_image(task: PieceTask, workers: int, images: int = 40) -> tuple[float, float]:
    """Return the wall time an image with some workers, start-up left out, and the peak memory of a worker, MB."""
    crew, before = local_workers(workers), 4 * workers
    ends = run_tasks(peak_after, [task] * (before + images), make_executor=crew.make_executor, workers=workers)
    for _ in range(before):
        next(ends)
    with measured() as cost:
        peaks = [end.result or 0.0 for end in ends]
    return cost.wall_s / len(peaks), max(peaks)


def peak_after(task: PieceTask) -> float:
    """Make a piece and return the peak memory of this worker, MB."""
    make_piece(task)
    return peak_mb()


def many_images(stitched: Path, scratch: Path, images: int) -> Cost:
    """Return what a build of many images costs, which are links to a few."""
    folder = scratch / f"many-{images}"
    folder.mkdir()
    sources = find_sources(stitched).sources
    for number in range(images):
        source = sources[number % len(sources)]
        (folder / f"Run{number // 16 + 1}TL_top_left_{number}.tif").symlink_to(source.image_path)
        (folder / f"Run{number // 16 + 1}TL_top_left_{number}_cp_masks.png").symlink_to(source.mask_path)
    tasks = piece_tasks(folder, scratch / f"many-{images}-pieces")
    with measured() as cost:
        receipts = [make_piece(task) for task in tasks]
        write_shards({"train": receipts}, tasks[0], scratch / f"many-{images}-out")
    return cost


def parsed() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=IMAGE_PX, help="height and width of the image, px")
    parser.add_argument("--many", type=int, nargs="*", default=[10, 100, 1000], help="numbers of small images")
    parser.add_argument("--scportrait", default=sys.executable, help="Python that has scPortrait")
    parser.add_argument("--all", action="store_true", help="run the published procedure on every nucleus (5 minutes)")
    return parser.parse_args()


def peers(task: PieceTask, ours: Cost, arguments: argparse.Namespace, scratch: Path) -> list[list[str]]:
    """Return the rows of the comparison."""
    slow, nuclei = published(task, 10**9 if arguments.all else PUBLISHED_SAMPLE)
    named = "published procedure" if arguments.all else f"published procedure, from {PUBLISHED_SAMPLE} nuclei"
    rows = [("this build, everything", ours.cpu_s), (named, slow.cpu_s)]
    peer = scportrait(arguments.scportrait, task, scratch)
    if peer is not None:
        rows += [(f"scPortrait {peer['version']}, extract()", peer["extract"]), ("with loading", peer["all"])]
    return [[name, f"{cpu:.2f}", f"{cpu / ours.cpu_s:.0f}", f"{nuclei / cpu:,.0f}"] for name, cpu in rows]


def main() -> None:
    """Run everything and write the tables."""
    arguments = parsed()
    with tempfile.TemporaryDirectory() as temporary:
        scratch = Path(temporary)
        simulate(scratch / "large", images=1, size_px=arguments.size, nuclei_per_mm2=NUCLEI_PER_MM2)
        (task,) = piece_tasks(scratch / "large", scratch / "pieces")
        ours, receipt = one_image(task, scratch)
        tables = [
            table(
                f"One image of {arguments.size:,} px, {receipt.num_rois} nuclei, {receipt.kept} kept",
                ["", "CPU s", "times this build", "nuclei per CPU s"],
                peers(task, ours, arguments, scratch),
            ),
            stages_table(stages(task, receipt, scratch)),
            command_table(scratch),
            workers_table(task),
            many_table(arguments.many, scratch),
            shuffle_table(task, scratch),
        ]
    text = f"{platform.machine()}, Python {platform.python_version()}\n\n" + "\n".join(tables)
    write_results(ROOT / "benchmarks" / "README.md", "build", text)
    print(text)


def stages_table(spent: list[tuple[str, Cost]]) -> str:
    """Return the table of the stages, with their sum."""
    rows = [[name, f"{cost.cpu_s:.3f}"] for name, cost in spent]
    rows.append(["sum", f"{sum(cost.cpu_s for _, cost in spent):.3f}"])
    return table("Its stages, each the least of three runs", ["stage", "CPU s"], rows)


def command_table(scratch: Path) -> str:
    """Return the table of `nucleusnet build` of this image, first on a machine that has compiled nothing."""
    rows = []
    for name in ("the first ever, compiling", "any later one"):
        out = scratch / f"command {len(rows)}"
        command = [
            sys.executable,
            "-m",
            "nucleusnet_core.terminal.program",
            "build",
            str(scratch / "large"),
            "--out",
            str(out),
        ]
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "NUMBA_CACHE_DIR": str(scratch / "compiled")}
        cost = command_cost([*command, "--quiet", "--splits", "train=1"], environment)
        rows.append([name, f"{cost['cpu_s']:.1f}", f"{cost['wall_s']:.1f}", f"{cost['peak_mb']:.0f}"])
    return table("The whole command for this image", ["", "CPU s", "wall s", "peak MB of a process"], rows)


def workers_table(task: PieceTask) -> str:
    """Return the table of one worker and two."""
    one, peak = seconds_an_image(task, 1)
    two, _ = seconds_an_image(task, 2)
    rows = [["1", f"{one:.3f}", "1.00", f"{peak:.0f}"], ["2", f"{two:.3f}", f"{one / two:.2f}", f"{peak:.0f}"]]
    return table("40 such images", ["workers", "wall s an image", "speed-up", "peak MB of a worker"], rows)


def many_table(numbers: list[int], scratch: Path) -> str:
    """Return the table of builds of few and many small images."""
    simulate(scratch / "small", images=12, size_px=1000)
    costs = [(number, many_images(scratch / "small", scratch, number)) for number in numbers]
    rows = [[f"{number:,}", f"{1000 * cost.cpu_s / number:.1f}"] for number, cost in costs]
    return table("Many images of 1,000 px", ["images", "CPU ms an image, with shards"], rows)


def shuffle_table(task: PieceTask, scratch: Path) -> str:
    """Return the table of a shuffle of as many rows as the published dataset has."""
    cost = shuffle_cost(piece_path(task.pieces_dir, task.source.stem), scratch / "synthetic")
    row = [f"{ROWS:,}", f"{cost['cpu_s']:.1f}", f"{cost['peak_mb']:.0f}"]
    return table("The shuffle alone, cells of 64 bytes", ["rows", "CPU s", "peak MB"], [row])


if __name__ == "__main__":
    main()
