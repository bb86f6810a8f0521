"""Measure one epoch of one loader, in a process of its own; print one line of JSON.

The clocks start when the first batch is there, so that imports, opening and the start of worker processes are left out;
but not for a loader that unpacks everything before.
"""

import argparse
import contextlib
import json
import os
import sys
import time
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import numpy as np
import psutil
import torch

from benchmarks.loader_peers import BATCH, CHECKSUMS, LOADERS
from benchmarks.measuring import cpu_seconds, peak_mb
from nucleusnet_core.contract import CROP_PX


def image_batch(batch: Any) -> torch.Tensor:
    """Return the images of a batch, which is what a training loop would use of it."""
    images = batch["image"] if isinstance(batch, Mapping) else batch
    return torch.as_tensor(images)


def check(images: torch.Tensor, folder: Path) -> None:
    """Refuse a loader whose first batch is not one of crops, pixel by pixel."""
    if images.dtype != torch.uint8 or images.shape[1:] != (1, CROP_PX, CROP_PX):
        sys.exit(f"The images are {images.dtype} {tuple(images.shape)}, not uint8 (B, 1, {CROP_PX}, {CROP_PX}).")
    known = np.load(folder / CHECKSUMS)
    found = [zlib.crc32(np.ascontiguousarray(image)) for image in images.numpy()]
    if len(set(found) & set(known.tolist())) != len(images):
        sys.exit("The images of the first batch are not different crops of the dataset.")


def all_cpu_seconds(*, has_workers: bool) -> float:
    """Return user and system time of this process and of its children, those that still run included."""
    spent = cpu_seconds()
    for child in psutil.Process().children(recursive=True) if has_workers else ():  # listing them takes some 20 ms
        with contextlib.suppress(psutil.Error):
            times = child.cpu_times()
            spent += times.user + times.system
    return spent


def workers_mb() -> float:
    """Return the memory of all children, MB; on Linux, a page that n processes share counts as an n-th of one."""
    sizes = 0
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            memory = child.memory_full_info()
            sizes += getattr(memory, "pss", memory.rss)
    return sizes / (1 << 20)


def measure(loader: Iterable[Any], folder: Path, *, with_start: bool, has_workers: bool) -> dict[str, float]:
    """Return what one epoch costs; what comes before the second batch counts only `with_start`."""
    begun, cpu_s = time.perf_counter(), all_cpu_seconds(has_workers=has_workers)
    batches = iter(loader)
    first = image_batch(next(batches))
    first_s = time.perf_counter() - begun
    check(first, folder)
    images, workers = len(first), 0.0
    before = 0 if with_start else images
    if not with_start:
        begun, cpu_s = time.perf_counter(), all_cpu_seconds(has_workers=has_workers)
    for number, batch in enumerate(batches):
        images += len(image_batch(batch))
        if has_workers and number % 32 == 24:
            workers = max(workers, workers_mb())
    wall_s, cpu_s = time.perf_counter() - begun, all_cpu_seconds(has_workers=has_workers) - cpu_s
    expected = len(np.load(folder / CHECKSUMS))
    if not expected - 2 * BATCH < images < expected + BATCH:
        sys.exit(f"The epoch has {images:,} images; the dataset has {expected:,}.")
    return {
        "cpu_ms": 1000 * cpu_s / (images - before),
        "images_s": (images - before) / wall_s,
        "peak_mb": peak_mb(),
        "workers_mb": workers,
        "first_s": first_s,
    }


def main() -> None:
    """Measure, print, and leave without waiting for whatever threads a library still has."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="folder of the crops in all formats")
    parser.add_argument("loader", choices=list(LOADERS), help="the loader")
    parser.add_argument("workers", type=int, help="number of worker processes")
    arguments = parser.parse_args()
    folder, name, workers = arguments.folder, arguments.loader, arguments.workers
    torch.set_num_threads(1)
    with contextlib.redirect_stdout(sys.stderr):
        begun = time.perf_counter()
        loader = LOADERS[name].open(folder, workers)
        open_s = time.perf_counter() - begun
        result = measure(loader, folder, with_start=LOADERS[name].with_start, has_workers=workers > 0)
    print(json.dumps(result | {"open_s": open_s}), flush=True)
    os._exit(0)


if __name__ == "__main__":
    main()
