"""Datasets of several channels: every channel is a column of its own, and costs only its own bytes."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from loaders import sample_loader, train_loader
from loaders.transforms import (
    Compose,
    ContrastJitter,
    RandomFlips,
    RandomHalfTurn,
    StackChannels,
    StandardizeDataset,
    StandardizeNucleus,
    ToFloat,
    dataset_statistics,
)
from nucleusnet_core.dataset import open_dataset
from nucleusnet_core.errors import SelectionError, UsageError
from nucleusnet_core.shards.rows import Picks, fetch_rows
from tests.dataset_folder import channel_pixels, nucleus_mask, write_dataset_folder

CHANNELS = ("dapi", "actin", "tubulin", "golgi")
COLUMNS = ("image", "image_actin", "mask", "nucleus_id")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("channels") / "nucleusnet"
    write_dataset_folder(path, {"train": 96, "test": 8}, group_rows=32, channels=CHANNELS)
    return path


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def first_batch(folder: Path, **options: Any) -> dict[str, Any]:
    return next(iter(train_loader(folder, **{"batch_size": 16, "columns": COLUMNS, **options})))


def shows_its_nuclei(batch: dict[str, Any], bit_depth: int = 8) -> None:
    numbers = [int(nucleus.rsplit("_", 1)[1]) for nucleus in batch["nucleus_id"]]
    for place, column in enumerate(COLUMNS[:2]):
        wanted = np.stack([channel_pixels(number, place, bit_depth) for number in numbers])
        np.testing.assert_array_equal(batch[column][:, 0].numpy(), wanted)
    wanted = np.stack([nucleus_mask(number) for number in numbers])
    np.testing.assert_array_equal(batch["mask"][:, 0].numpy(), wanted)


def test_each_channel_is_a_tensor_of_its_own(folder: Path) -> None:
    batch = first_batch(folder)
    assert list(batch) == list(COLUMNS)
    assert batch["image_actin"].shape == (16, 1, 256, 256)
    shows_its_nuclei(batch)
    (drawn,) = sample_loader(16, source=folder, columns=COLUMNS, batch_size=16, seed=1)
    shows_its_nuclei(drawn)


@pytest.mark.parametrize("stored", [True, False])
@pytest.mark.parametrize("bit_depth", [8, 16])
def test_stored_and_ordinary_cells_of_any_depth(tmp_path: Path, bit_depth: int, stored: bool) -> None:
    write_dataset_folder(tmp_path, {"train": 16}, bit_depth=bit_depth, stored=stored, channels=("dapi", "actin"))
    batch = first_batch(tmp_path)
    assert batch["image_actin"].dtype == (torch.uint8 if bit_depth == 8 else torch.uint16)
    shows_its_nuclei(batch, bit_depth)


def test_one_of_four_channels_reads_its_own_bytes_alone(tmp_path: Path) -> None:
    write_dataset_folder(tmp_path, {"train": 256}, channels=CHANNELS)
    opened = open_dataset(tmp_path)
    picks = Picks(tuple(opened.shards("default", "train")), np.arange(256))
    columns = ["image", *(f"image_{channel}" for channel in CHANNELS[1:])]
    _, everything = fetch_rows(opened, picks, columns)
    for column in columns:
        _, one = fetch_rows(opened, picks, [column])
        assert one.bytes <= 0.3 * everything.bytes


def test_flips_and_turns_move_every_channel_with_the_mask(folder: Path) -> None:
    batch = first_batch(folder)
    changed = Compose([RandomFlips(), RandomHalfTurn()])(batch, generator=seeded())
    moved = [not torch.equal(before, after) for before, after in zip(batch["mask"], changed["mask"], strict=True)]
    assert any(moved)
    for number in range(16):
        axes = [
            axes
            for axes in ((), (-1,), (-2,), (-2, -1))
            if torch.equal(batch["image"][number].flip(axes), changed["image"][number])
        ]
        for column in ("image_actin", "mask"):
            assert any(torch.equal(batch[column][number].flip(way), changed[column][number]) for way in axes)


def test_every_channel_is_standardised_by_itself(folder: Path) -> None:
    batch = first_batch(folder)
    changed = StandardizeNucleus()(batch)
    for column in COLUMNS[:2]:
        inside = changed[column][0][batch["mask"][0]]
        assert [inside.mean().item(), inside.std(correction=0).item()] == pytest.approx([0, 1], abs=1e-4)
    alone = StandardizeNucleus()({name: batch[name] for name in ("image", "mask")})["image"]
    assert torch.equal(alone, changed["image"])


def test_a_channel_that_is_dark_somewhere_is_inside_where_another_is_not() -> None:
    dna = torch.tensor([[[[0, 10, 20, 30]]]], dtype=torch.uint8)
    actin = torch.tensor([[[[0, 0, 5, 10]]]], dtype=torch.uint8)
    changed = StandardizeNucleus()({"image": dna, "image_actin": actin})["image_actin"]
    torch.testing.assert_close(changed, torch.tensor([[[[0, -1, 0, 1]]]]) * 1.5**0.5)


def test_statistics_are_those_of_a_channel(folder: Path) -> None:
    columns = ["area_px", "mean_intensity_actin", "std_intensity_actin"]
    (rows,) = sample_loader(96, source=folder, columns=columns, batch_size=96)
    area_px, mean, std = (rows[name].double().numpy() for name in columns)
    found = dataset_statistics(folder, column="image_actin")
    assert found.mean == pytest.approx(np.average(mean, weights=area_px))
    assert found.std == pytest.approx(np.sqrt(np.average(std**2 + mean**2, weights=area_px) - found.mean**2))
    both = StandardizeDataset.of(folder, columns=("image", "image_actin"))
    first = dataset_statistics(folder)
    assert both == StandardizeDataset(
        {"image": first.mean, "image_actin": found.mean}, {"image": first.std, "image_actin": found.std}
    )
    with pytest.raises(
        SelectionError, match=r"no images in a column image_er; its columns of images are image, image_"
    ):
        dataset_statistics(folder, column="image_er")


def test_each_channel_is_standardised_by_its_own_statistics(folder: Path) -> None:
    batch = first_batch(folder)
    changed = StandardizeDataset({"image": 60, "image_actin": 150}, {"image": 20, "image_actin": 50})(batch)
    for column, mean, std in (("image", 60, 20), ("image_actin", 150, 50)):
        wanted = torch.where(batch["mask"], (batch[column].to(torch.float32) - mean) / std, 0)
        torch.testing.assert_close(changed[column], wanted)


def test_contrast_changes_by_another_factor_in_every_channel(folder: Path) -> None:
    batch = ToFloat()(first_batch(folder))
    jitter = ContrastJitter(0.5)
    first, again = (jitter(batch, generator=seeded(3)) for _ in range(2))
    factors = {}
    for column in COLUMNS[:2]:
        assert torch.equal(first[column], again[column])
        ratio = [
            (after[inside].std() / before[inside].std()).item()
            for before, after, inside in zip(batch[column], first[column], batch["mask"], strict=True)
        ]
        assert all(1 / 1.501 < factor < 1.501 for factor in ratio)
        factors[column] = ratio
    assert all(abs(a - b) > 1e-4 for a, b in zip(*factors.values(), strict=True))
    alone = jitter({name: batch[name] for name in ("image", "mask")}, generator=seeded(3))
    assert torch.equal(alone["image"], first["image"])


def test_channels_become_one_tensor_in_the_named_order(folder: Path) -> None:
    batch = first_batch(folder)
    stacked = StackChannels(("image_actin", "image"))(batch)
    assert list(stacked) == ["image", "mask", "nucleus_id"]
    assert torch.equal(stacked["image"], torch.cat([batch["image_actin"], batch["image"]], dim=1))
    # What is done to the stack is done to every channel of it by itself.
    apart = StandardizeNucleus()(batch)
    together = StandardizeNucleus()(stacked)["image"]
    torch.testing.assert_close(together, torch.cat([apart["image_actin"], apart["image"]], dim=1))
    assert torch.equal(RandomFlips(1, 0)(stacked)["image"], stacked["image"].flip(-1))
    alone = StackChannels(("image_actin",))({name: batch[name] for name in ("image_actin", "mask")})
    assert torch.equal(alone["image"], batch["image_actin"])


def test_a_stream_changes_all_channels_alike_whoever_reads(folder: Path) -> None:
    transform = Compose([ToFloat(), RandomFlips(), ContrastJitter(), StackChannels(("image", "image_actin"))])

    def batches(**options: Any) -> list[torch.Tensor]:
        loader = train_loader(folder, batch_size=24, columns=COLUMNS, seed=2, transform=transform, **options)
        return [batch["image"] for batch in loader]

    alone, again, shared = batches(), batches(), [batches(rank=rank, world_size=2) for rank in range(2)]
    assert alone[0].shape == (24, 2, 256, 256)
    assert all(torch.equal(*pair) for pair in zip(alone, again, strict=True))
    assert torch.equal(alone[1], shared[1][0])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda batch: StackChannels("image"), r"columns is 'image'; name different columns"),
        (lambda batch: StackChannels(("image", "image")), r"name different columns"),
        (
            StackChannels(("image", "image_er")),
            r"StackChannels: the batch has no images in image_er, only in image, image_actin; ask the loader for",
        ),
        (StackChannels(("image_actin",)), r"StackChannels: column image would be replaced"),
        (
            StandardizeDataset(60, 20),
            r"StandardizeDataset has mean and std of image, and none of image_actin; make it by StandardizeDataset\.of",
        ),
        (lambda batch: StandardizeDataset({"image": 1}, {"image_actin": 1}), "both need the same columns"),
        (lambda batch: StandardizeDataset({"image": 1}, {"image": 0}), "both must be finite, and std above 0"),
    ],
)
def test_what_cannot_work_says_why(folder: Path, make: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        make(first_batch(folder))


def test_a_column_that_is_not_there_is_named(folder: Path) -> None:
    with pytest.raises(SelectionError, match=r"There is no column image_er; choose from image, image_actin"):
        train_loader(folder, batch_size=4, columns=("image_er",))
