"""Devices, memory and files: what is not there is said before work begins."""

import errno
import hashlib
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from builder.segment.device import choose_device, claim_slot, device_in_words, device_of_slot, used_gpus
from builder.segment.memory import available_memory, block_size, is_out_of_memory, needed_memory
from builder.segment.network.weights import WeightsKind
from builder.segment.receipts import SegmentReceipt, read_receipt
from nucleusnet_core.errors import SegmentationError, UsageError
from nucleusnet_core.inputs.mask_file import mask_bytes, mask_name
from nucleusnet_core.inputs.masks import read_label_runs
from tests.builder.commands import environment
from tests.root import ROOT

GB = 10**9


def test_a_device_that_is_not_there_is_never_another() -> None:
    beyond = torch.cuda.device_count()
    with pytest.raises(
        UsageError, match=rf"--device cuda:{beyond} is not there: this machine has {beyond} CUDA GPUs?\b"
    ):
        choose_device(f"cuda:{beyond}")
    with pytest.raises(UsageError, match="--device 'gpu' is unknown; choose auto, cpu, cuda, cuda:NUMBER or mps"):
        choose_device("gpu")
    assert choose_device("cpu") == "cpu"
    assert choose_device("auto") in ("cpu", "cuda", "mps")


def test_processes_of_a_run_take_different_slots_and_free_them_when_they_end(tmp_path: Path) -> None:
    code = "import sys, pathlib, builder.segment.device as d; print(d.claim_slot(pathlib.Path(sys.argv[1]), 2))"
    assert claim_slot(tmp_path, 2) == 0
    assert claim_slot(tmp_path, 2) == 0
    for _ in range(2):
        command = [sys.executable, "-c", code, str(tmp_path)]
        done = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True, check=True)
        assert done.stdout == "1\n"


def test_slots_share_the_gpus_evenly() -> None:
    assert [str(device_of_slot("cuda", slot, 2)) for slot in range(4)] == ["cuda:0", "cuda:1", "cuda:0", "cuda:1"]
    assert str(device_of_slot("cuda:3", 1, 1)) == "cuda:3"
    assert str(device_of_slot("cpu", 5, 1)) == "cpu"


def test_the_gpus_that_are_used_are_named_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["A100", "H100", "H100"]
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)
    monkeypatch.setattr(torch.cuda, "get_device_name", names.__getitem__)
    assert device_in_words("cuda:1", 2) == "cuda:1 (H100), 2 processes"
    assert device_in_words("cuda", 1) == "cuda (A100), 1 process"
    assert device_in_words("cuda", 5) == "cuda (A100, 2 x H100), 5 processes"
    assert device_in_words("cpu", 1) == "cpu, 1 process"
    assert device_in_words("mps", 1) == "mps, 1 process"


@pytest.mark.parametrize(("device", "workers"), [("cuda", 1), ("cuda", 2), ("cuda", 5), ("cuda:2", 4), ("cpu", 2)])
def test_the_gpus_that_are_used_are_those_of_the_slots(device: str, workers: int) -> None:
    slots = {device_of_slot(device, slot, 3) for slot in range(workers)}
    assert used_gpus(device, workers, 3) == sorted(slot.index for slot in slots if slot.type == "cuda")


def test_large_images_are_cut_in_blocks_only_where_memory_asks() -> None:
    published, kind = (12_500, 12_500), WeightsKind.cellpose_3
    assert needed_memory(published, 0, kind) == 3_031_250_000  # 1 GB + 13 B/px
    assert needed_memory(published, 4096, kind) == 2_612_831_648  # 1 GB + 10 B/px + 3 B/px of the block
    assert needed_memory(published, 0, kind, fast=True) == 1_937_500_000
    assert needed_memory((100, 50), 4096, kind) == needed_memory((100, 50), 0, kind)
    assert block_size(published, None, 4 * GB, kind) == 0
    assert block_size(published, None, 3 * GB, kind) == 4096
    assert block_size(published, None, 3 * GB, kind, fast=True) == 0
    assert block_size(published, 2000, 100 * GB, kind) == 2000
    with pytest.raises(
        SegmentationError, match=r"12500 x 12500 px at once takes about 3\.0 GB of memory, but only 2\.8 GB is free"
    ):
        block_size(published, 0, 2_800_000_000, kind)
    with pytest.raises(SegmentationError, match="in blocks of 4096 px"):
        block_size(published, None, 2 * GB, kind)
    with pytest.raises(SegmentationError, match="at the network's scale"):
        block_size(published, None, GB, kind, fast=True)
    with pytest.raises(SegmentationError, match=r"takes about 4\.8 GB of memory"):
        block_size(published, 0, 3 * GB, WeightsKind.cellpose_sam)


def test_the_memory_of_this_machine_is_known() -> None:
    assert 10**8 < available_memory() < 10**14


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OSError(errno.ENOMEM, "Cannot allocate memory", "a.tif"),
        OSError("libx.so: failed to map segment from shared object"),
        ImportError("libx.so: cannot create shared object descriptor: Cannot allocate memory"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."),
        RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 4000000000 bytes."),
        RuntimeError("could not create a memory object"),
        RuntimeError("could not create a primitive"),
        RuntimeError("std::bad_alloc"),
        RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB."),
        RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
        RuntimeError("MPS backend out of memory (MPS allocated: 7.64 GiB)."),
        RuntimeError("Invalid buffer size: 33.92 GiB"),
        RuntimeError("can't start new thread"),
        cv2.error("OpenCV(4.12.0) alloc.cpp:73: error: (-4:Insufficient memory) Failed to allocate 900000000 bytes"),
    ],
    ids=str,
)
def test_what_libraries_say_when_memory_is_out_is_known(error: Exception) -> None:
    assert is_out_of_memory(error)


@pytest.mark.parametrize(
    "error",
    [
        FileNotFoundError(errno.ENOENT, "No such file or directory", "/data/memory_T_cells/a.tif"),
        PermissionError(errno.EACCES, "Permission denied", "/data/out of memory/a.tif"),
        ValueError("/data/memory_T_cells/a.tif: 3 channels"),
        RuntimeError("could not get a memory descriptor from a memory object"),
        RuntimeError("could not create a primitive descriptor for the matmul primitive. Run workload with"),
        RuntimeError("CUDA error: an illegal memory access was encountered"),
    ],
    ids=str,
)
def test_an_error_that_only_speaks_of_memory_is_another(error: Exception) -> None:
    assert not is_out_of_memory(error)


@pytest.mark.parametrize(("labels", "name"), [(65_534, "x_cp_masks.png"), (65_535, "x_cp_masks.tif")])
def test_masks_are_pngs_until_16_bits_do_not_hold_the_labels(labels: int, name: str) -> None:
    mask = np.zeros((300, 300), np.uint32)
    mask.ravel()[:labels] = np.arange(1, labels + 1)
    assert mask_name("x", mask) == name
    runs = read_label_runs(mask_bytes(mask), name)
    assert runs.shape == (300, 300)
    assert int(runs.label.max()) == labels == runs.label.size


STARVED = """
import hashlib
import resource
import sys
import numpy as np
import psutil
from nucleusnet_core.inputs.mask_file import mask_bytes

# Noise, whose PNG is too large for what memory is free within the process.
labels = np.random.default_rng(0).integers(0, 1000, (3000, 3000), np.uint16)
mask_bytes(labels[:8])  # which imports what it needs
for more_mb in (0, 1, 2, 4):
    allowed = psutil.Process().memory_info().vms + (more_mb << 20)
    resource.setrlimit(resource.RLIMIT_AS, (allowed, resource.RLIM_INFINITY))
    try:
        made = mask_bytes(labels)
    except MemoryError:
        made = None
    resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    print("none" if made is None else "whole" if hashlib.sha256(made).hexdigest() == sys.argv[1] else "cut short")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits of address space")
def test_a_mask_that_memory_does_not_suffice_to_encode_is_an_error_and_never_cut_short() -> None:
    labels = np.random.default_rng(0).integers(0, 1000, (3000, 3000), np.uint16)
    # Made here, since memory that the other process had used before would do for it again.
    whole = hashlib.sha256(mask_bytes(labels)).hexdigest()
    command = [sys.executable, "-c", STARVED, whole]
    done = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True, check=True)
    ends = done.stdout.split("\n")[:-1]
    assert len(ends) == 4
    assert set(ends) <= {"none", "whole"}
    assert "none" in ends


def test_a_receipt_is_read_as_written_and_damage_counts_as_none(tmp_path: Path) -> None:
    receipt = SegmentReceipt(1, "é.tif", "a", [1, 2], "m", "b", 3, 4, 5, {}, {}, "k", "whole image", "cpu", 0.5)
    path = tmp_path / "x_segment.json"
    path.write_bytes(receipt.to_json())
    assert read_receipt(tmp_path, "x") == receipt
    path.write_bytes(receipt.to_json()[:-30])
    assert read_receipt(tmp_path, "x") is None
    path.write_text("{}", "utf-8")
    assert read_receipt(tmp_path, "x") is None


def test_the_help_needs_neither_torch_nor_cellpose() -> None:
    code = "import sys, builder.segment.cli, builder.segment.segment; print(*{'torch', 'cellpose'} & {*sys.modules})"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True, check=True)
    assert done.stdout == "\n"
