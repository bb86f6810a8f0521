"""Where the network runs; a device that is asked for and not there is an error, never another one."""

import re
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from nucleusnet_core.errors import SegmentationError, UsageError
from nucleusnet_core.terminal.options import available_cores
from nucleusnet_core.terminal.wording import counted

_held: dict[Path, tuple[int, FileLock]] = {}


def choose_device(wanted: str) -> str:
    """Return the device to use: "cpu", "cuda", "cuda:1", "mps".

    Args:
        wanted: one of these, or "auto" for the best that is there.

    Raises:
        UsageError: it is not there.
    """
    import torch  # noqa: PLC0415 - heavy

    if not re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", wanted):
        raise UsageError(f"--device {wanted!r} is unknown; choose auto, cpu, cuda, cuda:NUMBER or mps.")
    gpus, has_mps = torch.cuda.device_count(), torch.backends.mps.is_available()
    if wanted == "auto":
        return "cuda" if gpus else "mps" if has_mps else "cpu"
    number = int(wanted.partition(":")[2] or 0)
    if wanted.startswith("cuda") and number >= gpus:
        build = "" if torch.version.cuda else " (its torch was built without CUDA)"
        raise UsageError(
            f"--device {wanted} is not there: this machine has {counted(gpus, 'CUDA GPU')}{build}; try --device auto."
        )
    if wanted == "mps" and not has_mps:
        raise UsageError("--device mps needs a Mac with Metal, which this machine is not; try --device auto.")
    return wanted


def gpu_count(device: str) -> int:
    """Return how many GPUs "cuda" stands for; 1 for every other device."""
    import torch  # noqa: PLC0415 - heavy

    return torch.cuda.device_count() if device == "cuda" else 1


def used_gpus(device: str, workers: int, gpus: int) -> list[int]:
    """Return the numbers of the GPUs that the processes of a run use, as `device_of_slot` deals them out."""
    if device == "cuda":
        return list(range(min(workers, gpus)))
    return [int(device.partition(":")[2])] if device.startswith("cuda") else []


def device_in_words(device: str, workers: int) -> str:
    """Return what is used, for people."""
    import torch  # noqa: PLC0415 - heavy

    processes = counted(workers, "process", "processes")
    used = Counter(torch.cuda.get_device_name(number) for number in used_gpus(device, workers, gpu_count(device)))
    names = ", ".join(f"{count} x {name}" if count > 1 else name for name, count in sorted(used.items()))
    return f"{device} ({names}), {processes}" if names else f"{device}, {processes}"


def new_slots() -> Path:
    """Make a folder in which the processes of one run take turns in `claim_slot`."""
    return Path(tempfile.mkdtemp(prefix="nucleusnet-segment-"))


def claim_slot(folder: Path, count: int) -> int:
    """Give this process a number below `count` that no other living process of the run has; it keeps it.

    Raises:
        SegmentationError: all are taken.
    """
    if folder not in _held:
        for number in range(count):
            lock = FileLock(folder / f"{number}.lock")
            try:
                lock.acquire(timeout=0)
            except Timeout:
                continue
            _held[folder] = (number, lock)
            break
        else:
            raise SegmentationError(f"more than the {count} processes of this run use {folder}; call again.")
    return _held[folder][0]


def device_of_slot(device: str, slot: int, gpus: int) -> Any:
    """Return the torch device of one of several processes; those of "cuda" share the GPUs evenly."""
    import torch  # noqa: PLC0415 - heavy

    return torch.device(f"cuda:{slot % gpus}" if device == "cuda" else device)


def share_cores(workers: int) -> None:
    """Let torch use this process' share of the cores."""
    import torch  # noqa: PLC0415 - heavy

    torch.set_num_threads(max(1, available_cores() // workers))
