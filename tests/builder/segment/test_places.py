"""Devices, memory and files: what is not there is said before work begins."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from builder.cutting.masks import read_label_runs
from builder.segment.device import choose_device, claim_slot, device_of_slot
from builder.segment.mask_file import mask_bytes, mask_name
from builder.segment.memory import available_memory, block_size, needed_memory
from builder.segment.receipts import SegmentReceipt, read_receipt
from builder.segment.weights import WeightsKind
from nucleusnet_source.errors import SegmentationError, UsageError
from tests.builder.commands import ROOT, environment

GB = 10**9


def test_a_device_that_is_not_there_is_never_another() -> None:
    beyond = torch.cuda.device_count()
    with pytest.raises(UsageError, match=rf"--device cuda:{beyond}: {beyond + 1} CUDA GPUs expected, {beyond} found"):
        choose_device(f"cuda:{beyond}")
    with pytest.raises(UsageError, match="auto, cpu, cuda, cuda:NUMBER or mps expected, 'gpu' found"):
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
        SegmentationError, match=r"3\.0 GB of memory expected for 12500 x 12500 px at once, 2\.8 GB found"
    ):
        block_size(published, 0, 2_800_000_000, kind)
    with pytest.raises(SegmentationError, match="in blocks of 4096 px"):
        block_size(published, None, 2 * GB, kind)
    with pytest.raises(SegmentationError, match="at the network's scale"):
        block_size(published, None, GB, kind, fast=True)
    with pytest.raises(SegmentationError, match=r"4\.8 GB of memory expected"):
        block_size(published, 0, 3 * GB, WeightsKind.cellpose_sam)


def test_the_memory_of_this_machine_is_known() -> None:
    assert 10**8 < available_memory() < 10**14


@pytest.mark.parametrize(("labels", "name"), [(65_534, "x_cp_masks.png"), (65_535, "x_cp_masks.tif")])
def test_masks_are_pngs_until_16_bits_do_not_hold_the_labels(labels: int, name: str) -> None:
    mask = np.zeros((300, 300), np.uint32)
    mask.ravel()[:labels] = np.arange(1, labels + 1)
    assert mask_name("x", mask) == name
    runs = read_label_runs(mask_bytes(mask), name)
    assert runs.shape == (300, 300)
    assert int(runs.label.max()) == labels == runs.label.size


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
