"""Measure what segmentation costs on the CPU, whole, in blocks and fast; write its table of benchmarks/README.md."""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import tifffile

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.measuring import measured, peak_mb, table, write_results
from benchmarks.reference import IMAGE_PX, NUCLEI_PER_MM2
from builder.segment.memory import BLOCK_PX, needed_memory
from builder.segment.network.weights import WeightsKind, read_weights_file
from builder.segment.options import SegmentOptions
from builder.segment.segment import segment_parameters
from builder.segment.segment_task import ComputePlace, SegmentTask, segment_image
from builder.simulate.simulate import simulate_image

MODEL = ROOT / "tests" / "builder" / "segment" / "simulated_nuclei.pth"
WAYS: dict[str, dict[str, Any]] = {
    "whole": {"block_px": 0},
    f"blocks of {BLOCK_PX:,} px": {"block_px": BLOCK_PX},
    "fast": {"fast": True},
}
ENOUGH = 1 << 50
"""Bytes of memory that no image needs, so that none is refused."""


def segmented(image: Path, way: str) -> dict[str, Any]:
    """Return what it costs to segment an image in this process, after a small one that loads everything."""
    warm = image.with_name("warm.tif")
    if not warm.exists():
        tifffile.imwrite(warm, simulate_image(0, size_px=600).pixels)
    segment_image(task(warm, way))
    before = peak_mb()
    with measured() as cost:
        receipt = segment_image(task(image, way))
    return asdict(cost) | {
        "before_mb": before,
        "peak_mb": peak_mb(),
        "sha256": receipt.mask_sha256,
        "rois": receipt.rois,
    }


def task(image: Path, way: str) -> SegmentTask:
    """Return the task of an image."""
    weights = read_weights_file(MODEL)
    options = SegmentOptions(image.parent, str(MODEL), **WAYS[way])
    place = ComputePlace("cpu", memory_bytes=ENOUGH)
    return SegmentTask(image.stem, image, image.parent, weights, segment_parameters(options, weights), place, 8)


def in_a_process(image: Path, way: str) -> dict[str, Any]:
    """Return what it costs to segment an image in a process of its own."""
    command = [sys.executable, __file__, "--one", str(image), way]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def rows_of(size_px: int, scratch: Path) -> list[list[str]]:
    """Return the lines of the table for one image, one for each way."""
    image = scratch / f"Run01TL_top_left_{size_px}.tif"
    tifffile.imwrite(image, simulate_image(5, size_px=size_px, nuclei_per_mm2=NUCLEI_PER_MM2).pixels)
    rows = []
    digests = {}
    for way, values in WAYS.items():
        found = in_a_process(image, way)
        digests[way] = found["sha256"]
        estimate = needed_memory(
            (size_px, size_px), values.get("block_px", 0), WeightsKind.cellpose_3, fast="fast" in values
        )
        same = "yes" if digests[way] == digests["whole"] else "no"
        rows.append(
            [
                f"{size_px:,}",
                way,
                str(found["rois"]),
                same,
                f"{found['cpu_s']:.1f}",
                f"{found['cpu_s'] / size_px**2 * 1e6:.2f}",
                f"{found['peak_mb']:,.0f}",
                f"{found['peak_mb'] - found['before_mb']:,.0f}",
                f"{estimate / (1 << 20):,.0f}",
            ]
        )
        print(*rows[-1], sep=" | ", file=sys.stderr)
    return rows


def parsed() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--sizes", type=int, nargs="*", default=[2000, 4000, IMAGE_PX], help="heights and widths of the images, px"
    )
    parser.add_argument("--one", nargs=2, metavar=("IMAGE", "WAY"), help="segment one image and print its cost")
    return parser.parse_args()


def main() -> None:
    """Run everything and write the table."""
    arguments = parsed()
    if arguments.one:
        print(json.dumps(segmented(Path(arguments.one[0]), arguments.one[1])))
        return
    with tempfile.TemporaryDirectory() as scratch:
        rows = [row for size_px in arguments.sizes for row in rows_of(size_px, Path(scratch))]
    head = [
        "height and width, px",
        "way",
        "nuclei",
        "same mask as whole",
        "CPU s",
        "CPU s per Mpx",
        "peak MB",
        "of which for the image",
        "estimated MB",
    ]
    versions = ", ".join(f"{name} {version(name)}" for name in ("cellpose", "torch"))
    about = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, {versions}\n\n"
    text = about + table("One simulated image, the model of the tests, published parameters", head, rows)
    write_results(ROOT / "benchmarks" / "README.md", "segment", text)
    print(text)


if __name__ == "__main__":
    main()
