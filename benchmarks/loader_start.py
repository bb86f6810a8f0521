"""Measure what importing costs and how long the first batch takes, each in fresh processes."""

import json
import subprocess
import sys
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[1]
_IMPORT = """
import json, time
wall_s, cpu_s = time.perf_counter(), time.process_time()
import {module}
print(json.dumps([time.perf_counter() - wall_s, time.process_time() - cpu_s]))
"""
_FIRST_BATCH = """
import json, os, time
from loaders import train_loader
wall_s, cpu_s = time.perf_counter(), time.process_time()
loader = train_loader({folder!r}, "train", batch_size=256)
assert len(next(iter(loader))["image"]) == 256
print(json.dumps([time.perf_counter() - wall_s, time.process_time() - cpu_s]), flush=True)
os._exit(0)
"""


def start_costs(folder: Path, repeat: int) -> dict[str, tuple[float, float]]:
    """Return the medians of wall and CPU seconds of each step by its name, measured in turns."""
    steps = {
        "import datasets": _IMPORT.format(module="datasets"),
        "import nucleusnet_dataset": _IMPORT.format(module="nucleusnet_dataset"),
        "open and first batch, loaders imported": _FIRST_BATCH.format(folder=str(folder)),
    }
    found: dict[str, list[list[float]]] = {name: [] for name in steps}
    for _ in range(repeat):
        for name, code in steps.items():
            done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
            found[name].append(json.loads(done.stdout))
    return {name: (median(wall for wall, _ in pairs), median(cpu for _, cpu in pairs)) for name, pairs in found.items()}
