"""What a batch holds."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch

from loaders import sample_loader, train_loader
from loaders.columns import numbers
from loaders.transforms import RandomFlips
from nucleusnet_core.errors import UsageError
from tests.dataset_folder import nucleus_mask, nucleus_pixels, write_dataset_folder

WORKERS = [0, 2] if sys.platform == "linux" else [0]


def first_batch(folder: Path, split: str = "train", **options: Any) -> dict[str, Any]:
    return next(iter(train_loader(str(folder), split, **{"batch_size": 16, **options})))


def numbers_of(batch: dict[str, Any]) -> list[int]:
    return [int(nucleus.rsplit("_", 1)[1]) for nucleus in batch["nucleus_id"]]


def test_images_are_raw_camera_values(folder: Path) -> None:
    batch = first_batch(folder, columns=("image", "nucleus_id"))
    assert list(batch) == ["image", "nucleus_id"]
    assert (batch["image"].dtype, batch["image"].shape) == (torch.uint8, (16, 1, 256, 256))
    expected = np.stack([nucleus_pixels(number) for number in numbers_of(batch)])
    np.testing.assert_array_equal(batch["image"][:, 0].numpy(), expected)


def test_masks_are_truth_values_of_the_same_frame(folder: Path) -> None:
    batch = first_batch(folder, columns=("nucleus_id", "mask"))
    assert (batch["mask"].dtype, batch["mask"].shape) == (torch.bool, (16, 1, 256, 256))
    expected = np.stack([nucleus_mask(number) for number in numbers_of(batch)])
    np.testing.assert_array_equal(batch["mask"][:, 0].numpy(), expected)


def test_ordinary_pngs_give_the_same_batches_as_stored_ones(ordinary_folder: Path) -> None:
    batch = first_batch(ordinary_folder, columns=("image", "mask", "nucleus_id"))
    shown = numbers_of(batch)
    expected = np.stack([nucleus_pixels(number) for number in shown])
    np.testing.assert_array_equal(batch["image"][:, 0].numpy(), expected)
    np.testing.assert_array_equal(batch["mask"][:, 0].numpy(), expected > 0)
    assert (batch["image"].dtype, batch["mask"].dtype) == (torch.uint8, torch.bool)


@pytest.mark.parametrize("stored", [True, False])
def test_16_bit_images_are_uint16(tmp_path: Path, stored: bool) -> None:
    write_dataset_folder(tmp_path, {"train": 16}, bit_depth=16, stored=stored)
    batch = first_batch(tmp_path, columns=("image", "mask", "nucleus_id"))
    assert batch["image"].dtype == torch.uint16
    expected = np.stack([nucleus_pixels(number, 16) for number in numbers_of(batch)])
    np.testing.assert_array_equal(batch["image"][:, 0].numpy(), expected)
    np.testing.assert_array_equal(batch["mask"][:, 0].numpy(), expected > 0)


def test_missing_small_numbers_become_minus_1() -> None:
    assert numbers(pa.chunked_array([pa.array([None, 255], pa.uint8())])).tolist() == [-1, 255]


def test_warnings_are_a_list_of_lists(folder: Path) -> None:
    batch = first_batch(folder, columns=("warnings", "nucleus_id"))
    assert batch["warnings"] == [["saturated", "dim"][number % 3 :] for number in numbers_of(batch)]
    loader = sample_loader(16, source=folder, columns=("warnings", "nucleus_id"), batch_size=16, seed=0)
    (drawn,) = list(loader)
    assert drawn["warnings"] == [["saturated", "dim"][number % 3 :] for number in numbers_of(drawn)]


def test_numbers_are_tensors_and_texts_lists(folder: Path) -> None:
    columns = (
        "run",
        "label",
        "eccentricity",
        "integrated_intensity",
        "max_intensity",
        "clipped",
        "quarter",
        "nucleus_id",
    )
    batch = first_batch(folder, columns=columns)
    numbers = numbers_of(batch)
    assert {name: batch[name].dtype for name in columns[:6]} == {
        "run": torch.int32,
        "label": torch.int64,
        "eccentricity": torch.float32,
        "integrated_intensity": torch.float64,
        "max_intensity": torch.int32,
        "clipped": torch.bool,
    }
    assert batch["label"].tolist() == numbers
    assert batch["eccentricity"].tolist() == [number / 1024 for number in numbers]
    assert batch["clipped"].tolist() == [number % 2 == 1 for number in numbers]
    assert batch["run"].tolist() == [number % 8 + 1 if number % 5 else -1 for number in numbers]
    assert batch["quarter"] == ["TL" if number % 7 else None for number in numbers]


@pytest.mark.parametrize(
    "options",
    [
        {"compression": "none", "compression_level": None},
        {"compression": "snappy", "compression_level": None},
        {"compression": "gzip"},
        {"compression": "lz4", "compression_level": None},
        {"data_page_version": "2.0"},
        {"use_dictionary": True},
        {"use_content_defined_chunking": False, "write_batch_size": 4, "data_page_size": 1 << 18},
    ],
    ids=lambda options: "-".join(map(str, options.values())),
)
def test_other_parquet_writers_make_no_difference(tmp_path: Path, options: dict[str, Any]) -> None:
    write_dataset_folder(tmp_path, {"train": 40}, group_rows=20, parquet_options=options)
    batch = first_batch(tmp_path, columns=("image", "mask", "label"), batch_size=40)
    expected = np.stack([nucleus_pixels(number) for number in batch["label"].tolist()])
    assert sorted(batch["label"].tolist()) == list(range(1, 41))
    np.testing.assert_array_equal(batch["image"][:, 0].numpy(), expected)
    np.testing.assert_array_equal(batch["mask"][:, 0].numpy(), expected > 0)


def test_a_system_that_takes_no_advice_makes_no_difference(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    columns = ("image", "nucleus_id")
    expected = list(train_loader(folder, batch_size=16, columns=columns))
    monkeypatch.setattr("loaders.row_group_reads.READS_AHEAD", False)
    found = list(train_loader(folder, batch_size=16, columns=columns))
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert one["nucleus_id"] == other["nucleus_id"]
        assert torch.equal(one["image"], other["image"])


def test_a_batch_keeps_its_values_when_the_next_is_made(folder: Path) -> None:
    loader = train_loader(str(folder), batch_size=16, columns=("image", "label"))
    batches = list(loader)
    for batch in batches:
        expected = np.stack([nucleus_pixels(number) for number in batch["label"].tolist()])
        np.testing.assert_array_equal(batch["image"][:, 0].numpy(), expected)


def test_a_transform_changes_the_batches(folder: Path) -> None:
    batch = first_batch(folder, columns=("label",), transform=lambda batch: {"double": 2 * batch["label"]})
    assert list(batch) == ["double"]


def changed_in_place(batch: dict[str, Any]) -> None:
    batch["image"].bitwise_not_()


@pytest.mark.parametrize("workers", WORKERS)
def test_a_transform_that_returns_nothing_is_an_error_and_no_end(folder: Path, workers: int) -> None:
    with pytest.raises(UsageError, match=r"The transform .*changed_in_place.* returned None instead of a batch"):
        first_batch(folder, transform=changed_in_place, num_workers=workers)
    with pytest.raises(UsageError, match="returned None instead of a batch"):
        next(iter(sample_loader(8, source=str(folder), transform=changed_in_place)))  # type: ignore[arg-type]


def drawn(batch: dict[str, Any]) -> dict[str, Any]:
    return {**batch, "drawn": torch.rand(2)}


@pytest.mark.skipif(sys.platform != "linux", reason="workers start slowly without fork")
def test_workers_draw_other_numbers_for_every_seed_epoch_and_rank(folder: Path) -> None:
    def first_drawn(seed: int, epoch: int, rank: int) -> tuple[float, ...]:
        loader = train_loader(
            folder,
            batch_size=100,
            seed=seed,
            columns=("label",),
            transform=drawn,
            num_workers=1,
            rank=rank,
            world_size=2,
        )
        loader.set_epoch(epoch)
        return tuple(next(iter(loader))["drawn"].tolist())

    assert first_drawn(0, 0, 0) == first_drawn(0, 0, 0)
    assert len({first_drawn(0, 0, 0), first_drawn(1, 0, 0), first_drawn(0, 1, 0), first_drawn(0, 0, 1)}) == 4


def noise(batch: dict[str, Any], generator: torch.Generator) -> dict[str, Any]:
    return {**batch, "noise": torch.rand(len(batch["label"]), generator=generator)}


def test_the_generator_of_a_transform_depends_on_seed_epoch_and_batch_alone(folder: Path) -> None:
    def noises(seed: int, epoch: int, **options: Any) -> list[tuple[float, ...]]:
        loader = train_loader(
            str(folder), "test", batch_size=10, columns=("label",), seed=seed, transform=noise, **options
        )
        loader.set_epoch(epoch)
        return [tuple(batch["noise"].tolist()) for batch in loader]

    alone = noises(0, 0)
    assert noises(0, 0) == alone
    assert noises(0, 0, rank=1, world_size=3) == alone[1:2]
    assert len({*alone, *noises(0, 1), *noises(1, 0)}) == 9


def test_reading_draws_nothing_from_the_global_generator(folder: Path) -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first_batch(folder, columns=("label",))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("workers", WORKERS)
def test_batches_are_made_on_the_cpu_whatever_the_default_device(folder: Path, workers: int) -> None:
    plain = first_batch(folder, columns=("image", "run"))
    with torch.device("meta"):  # a device without memory: what is made there cannot be read
        batch = first_batch(folder, columns=("image", "run"), num_workers=workers, transform=RandomFlips(0, 0))
    assert torch.equal(batch["image"], plain["image"])
    assert torch.equal(batch["run"], plain["run"])
