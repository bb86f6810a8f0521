"""The random sample in batches."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import nucleusnet_dataset
from loaders import sample_loader
from nucleusnet_core.errors import CorruptDataError, SelectionError, UsageError
from tests.dataset_folder import nucleus_mask, nucleus_pixels, write_dataset_folder
from tests.loaders.damage import replace_cell


def noise(batch: dict[str, Any], generator: torch.Generator) -> dict[str, Any]:
    return {"noise": torch.rand(3, generator=generator).tolist()}


def test_batches_hold_the_rows_of_the_random_sample(folder: Path) -> None:
    columns = ("nucleus_id", "image", "mask", "label", "quarter")
    loader = sample_loader(100, source=str(folder), seed=5, columns=columns)
    batches = list(loader)
    assert len(loader) == 4
    assert [len(batch["nucleus_id"]) for batch in batches] == [32, 32, 32, 4]
    assert [list(batch) for batch in batches] == [list(columns)] * 4
    labels = torch.cat([batch["label"] for batch in batches]).tolist()
    drawn = nucleusnet_dataset.sample(100, source=folder, seed=5, columns=["label", "quarter"])
    assert labels == drawn["label"][:]
    assert [quarter for batch in batches for quarter in batch["quarter"]] == drawn["quarter"][:]
    images = torch.cat([batch["image"] for batch in batches])
    masks = torch.cat([batch["mask"] for batch in batches])
    assert (images.dtype, images.shape, masks.dtype) == (torch.uint8, (100, 1, 256, 256), torch.bool)
    np.testing.assert_array_equal(images[:, 0].numpy(), np.stack([nucleus_pixels(label) for label in labels]))
    np.testing.assert_array_equal(masks[:, 0].numpy(), np.stack([nucleus_mask(label) for label in labels]))


def test_by_default_it_draws_another_sample_each_time_and_says_its_seed(folder: Path) -> None:
    def labels(seed: int | None) -> tuple[int, list[int]]:
        loader = sample_loader(20, source=folder, seed=seed, columns=["label"], batch_size=20)
        return loader.seed, next(iter(loader))["label"].tolist()

    seed, first = labels(None)
    assert first != labels(None)[1]
    assert labels(seed) == (seed, first)


def test_a_sample_says_what_it_is(folder: Path) -> None:
    loader = sample_loader(20, source=folder, split="train+test", columns=["label", "run"], batch_size=8, seed=3)
    list(loader)
    assert repr(loader) == (
        f"SampleLoader(source={str(folder)!r}, split='train+test', columns=['label', 'run'], rows=20, batch_size=8, "
        "batches=3, seed=3, epoch=1)"
    )


def test_iterating_again_gives_the_same_sample(folder: Path) -> None:
    loader = sample_loader(20, source=folder, columns=["label"], batch_size=8)
    first, second = ([batch["label"].tolist() for batch in loader] for _ in range(2))
    assert first == second


def test_a_transform_draws_anew_in_every_iteration_and_the_same_for_a_seed(folder: Path) -> None:
    def noises(loader: Any) -> list[list[float]]:
        return [batch["noise"] for batch in loader]

    loader, other = (
        sample_loader(20, source=folder, seed=1, columns=["label"], batch_size=10, transform=noise) for _ in range(2)
    )
    first, second = noises(loader), noises(loader)
    assert len({*map(tuple, first), *map(tuple, second)}) == 4
    other.set_epoch(1)
    assert noises(other) == second


def test_drop_last_leaves_a_shorter_batch_out(folder: Path) -> None:
    loader = sample_loader(20, source=folder, columns=["label"], batch_size=8, drop_last=True)
    assert [len(batch["label"]) for batch in loader] == [8, 8]
    assert len(loader) == 2


def test_several_splits_are_drawn_from_as_one(folder: Path) -> None:
    loader = sample_loader(530, source=folder, split="train+test", columns=["label"], batch_size=530)
    assert sorted(next(iter(loader))["label"].tolist()) == list(range(1, 531))


@pytest.mark.parametrize("stored", [True, False])
def test_16_bit_images_are_uint16(tmp_path: Path, stored: bool) -> None:
    write_dataset_folder(tmp_path, {"train": 16}, bit_depth=16, stored=stored)
    (batch,) = sample_loader(16, source=tmp_path, columns=("image", "label"))
    expected = np.stack([nucleus_pixels(label, 16) for label in batch["label"].tolist()])
    assert batch["image"].dtype == torch.uint16
    np.testing.assert_array_equal(batch["image"][:, 0].numpy(), expected)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"n": 501}, SelectionError, r"split train: 501 nuclei cannot be drawn of 500; ask for 1 to 500\."),
        ({"n": 0}, UsageError, r"n is 0; it must be a whole number of at least 1\.$"),
        ({"n": 10, "drop_last": True}, UsageError, r"n is 10; it must be a whole number of at least 32\.$"),
        ({"batch_size": 0}, UsageError, r"batch_size is 0; it must be a whole number of at least 1\.$"),
        ({"split": "dev"}, SelectionError, "has no split 'dev'; its splits are train, test"),
        (
            {"columns": ("image", "size")},
            SelectionError,
            "there is no column 'size'; give a list of different columns out of image, mask",
        ),
        ({"method": "all"}, UsageError, "There is no method 'all'; choose blocks or rows"),
        ({"seed": -1}, UsageError, "The seed is -1; it must be a whole number from 0 to"),
    ],
)
def test_bad_input_is_one_clear_error(
    folder: Path, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    settings: dict[str, Any] = {"n": 20, "source": folder} | options
    with pytest.raises(error, match=message):
        sample_loader(**settings)


@pytest.mark.parametrize("cell", [b"\x89PNG?", None])
def test_a_corrupt_cell_names_its_file_and_row(tmp_path: Path, cell: bytes | None) -> None:
    manifest = write_dataset_folder(tmp_path, {"train": 40}, shard_rows=20, group_rows=20)
    second = manifest.shards_of("default", "train")[1]
    replace_cell(tmp_path, second.path, 13, cell)
    with pytest.raises(
        CorruptDataError, match=rf"{second.path}, row 13: the cell cannot be read as a PNG .* {len(cell or b'')} bytes"
    ):
        list(sample_loader(40, source=tmp_path))
