"""Changes of whole batches."""

from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from loaders import sample_loader, train_loader
from loaders.transforms import (
    Compose,
    ContrastJitter,
    RandomFlips,
    RandomHalfTurn,
    StandardizeDataset,
    StandardizeNucleus,
    ToFloat,
    dataset_statistics,
)
from nucleusnet_core.errors import SelectionError, UsageError
from nucleusnet_core.intensity import pooled

AUGMENT = Compose([ToFloat(), RandomFlips(), RandomHalfTurn(), ContrastJitter()])


def small_batch(dtype: torch.dtype = torch.uint8) -> dict[str, Any]:
    """Two nuclei of 2 x 3 px with a mask; one inner pixel of the first is 0."""
    images = torch.tensor([[[0, 10, 20], [0, 30, 0]], [[7, 7, 0], [7, 0, 0]]])[:, None]
    mask = torch.tensor([[[0, 1, 1], [0, 1, 1]], [[1, 1, 0], [1, 0, 0]]], dtype=torch.bool)[:, None]
    return {"image": images.to(dtype), "mask": mask, "run": torch.tensor([1, 2])}


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(("dtype", "white"), [(torch.uint8, 255), (torch.uint16, 65535)])
def test_to_float_divides_by_the_largest_value_of_the_type(dtype: torch.dtype, white: int) -> None:
    batch = small_batch(dtype)
    batch["image"][0, 0, 0, 0] = white
    images = ToFloat()(batch)["image"]
    assert images.dtype == torch.float32
    assert images[0, 0, 0].tolist() == pytest.approx([1, 10 / white, 20 / white])


def test_to_float_of_a_12_bit_camera() -> None:
    batch = small_batch(torch.uint16)
    batch["image"][0, 0, 0, 0] = 4095
    assert ToFloat(white=4095)(batch)["image"].max() == 1


def test_a_change_leaves_its_input_and_the_other_columns_alone() -> None:
    batch = small_batch()
    for transform in (AUGMENT, StandardizeNucleus(), StandardizeDataset(1, 2), ToFloat()):
        changed = transform(batch, generator=seeded())
        assert list(changed) == ["image", "mask", "run"]
        assert changed["run"] is batch["run"]
        assert torch.equal(batch["image"], small_batch()["image"])


def test_each_nucleus_is_standardised_over_its_mask() -> None:
    images = StandardizeNucleus()(small_batch())["image"]
    # Of 10, 20, 30, 0 the mean is 15 and the standard deviation 125 ** 0.5.
    expected = torch.tensor([[0, -5, 5], [0, 15, -15]]) / 125**0.5
    torch.testing.assert_close(images[0, 0], expected)
    assert images[1].abs().max() == 0


def test_without_a_mask_a_nucleus_is_what_is_not_0() -> None:
    batch = small_batch()
    del batch["mask"]
    images = StandardizeNucleus()(batch)["image"]
    torch.testing.assert_close(images[0, 0], torch.tensor([[0, -1, 0], [0, 1, 0]]) * 1.5**0.5)


def test_an_empty_nucleus_becomes_0() -> None:
    batch = {"image": torch.zeros(1, 1, 4, 4, dtype=torch.uint8)}
    assert StandardizeNucleus()(batch)["image"].tolist() == np.zeros((1, 1, 4, 4)).tolist()


def test_standardising_by_the_dataset_keeps_nuclei_comparable_and_the_outside_0() -> None:
    images = StandardizeDataset(mean=15, std=5)(small_batch())["image"]
    expected = torch.tensor([[[0, -1, 1], [0, 3, -3]], [[-1.6, -1.6, 0], [-1.6, 0, 0]]])
    torch.testing.assert_close(images[:, 0], expected)


def test_statistics_of_nuclei_pool_to_those_of_all_their_pixels() -> None:
    random = np.random.default_rng(1)
    nuclei = [random.integers(1, 255, size).astype(float) for size in (400, 30, 2500)]
    pixels = np.concatenate(nuclei)
    area_px, mean, std = (
        np.array([float(measure(nucleus)) for nucleus in nuclei]) for measure in (len, np.mean, np.std)
    )
    found = pooled(area_px, mean, std)
    assert [found.mean, found.std] == pytest.approx([pixels.mean(), pixels.std()])
    assert (found.nuclei, found.pixels) == (3, 2930)


def test_the_statistics_of_a_dataset_come_from_its_measurements(folder: Path) -> None:
    columns = ["area_px", "mean_intensity", "std_intensity"]
    (rows,) = sample_loader(500, source=folder, columns=columns, batch_size=500)
    area_px, mean, std = (rows[name].double().numpy() for name in columns)
    found = dataset_statistics(folder)
    assert found.mean == pytest.approx(np.average(mean, weights=area_px))
    squares = np.average(std**2 + mean**2, weights=area_px)
    assert found.std == pytest.approx(np.sqrt(squares - found.mean**2))
    assert (found.nuclei, found.pixels) == (500, int(area_px.sum()))
    assert dataset_statistics(folder, "train+test").nuclei == 530
    assert StandardizeDataset.of(folder) == StandardizeDataset(found.mean, found.std)
    with pytest.raises(SelectionError, match="has no split 'dev'; its splits are train, test"):
        dataset_statistics(folder, "dev")


@pytest.mark.parametrize("dtype", [torch.uint8, torch.uint16, torch.float32])
def test_flips_and_turns_move_masks_with_their_images(dtype: torch.dtype) -> None:
    batch = {"image": torch.arange(1, 1 + 64 * 6).reshape(64, 1, 2, 3).remainder(251).to(dtype)}
    batch["mask"] = batch["image"].to(torch.int32) % 2 == 1
    changed = Compose([RandomFlips(), RandomHalfTurn()])(batch, generator=seeded())
    assert (changed["image"].dtype, changed["mask"].dtype) == (dtype, torch.bool)
    assert torch.equal(changed["mask"], changed["image"].to(torch.int32) % 2 == 1)
    kinds = {
        tuple(
            number
            for number, axes in enumerate([(), (-1,), (-2,), (-2, -1)])
            if torch.equal(before.to(torch.int32).flip(axes), after.to(torch.int32))
        )
        for before, after in zip(batch["image"], changed["image"], strict=True)
    }
    assert kinds == {(0,), (1,), (2,), (3,)}


@pytest.mark.parametrize(
    ("transform", "axes"),
    [
        (RandomFlips(1, 0), (-1,)),
        (RandomFlips(0, 1), (-2,)),
        (RandomHalfTurn(1), (-2, -1)),
        (RandomFlips(0, 0), ()),
        (RandomHalfTurn(0), ()),
    ],
)
def test_a_sure_flip_flips_everything(transform: RandomFlips | RandomHalfTurn, axes: tuple[int, ...]) -> None:
    batch = small_batch()
    changed = transform(batch, generator=seeded())
    assert torch.equal(changed["image"], batch["image"].flip(axes))
    assert torch.equal(changed["mask"], batch["mask"].flip(axes))


def test_half_of_the_nuclei_are_turned() -> None:
    batch = {"image": torch.tensor([[[[1, 2]]]]).expand(4000, 1, 1, 2).to(torch.uint8)}
    turned = (RandomHalfTurn()(batch, generator=seeded())["image"][:, 0, 0, 0] == 2).sum().item()
    assert abs(turned - 2000) < 5 * 1000**0.5


@settings(max_examples=30, deadline=None)
@given(st.floats(0, 3), st.integers(0, 2**32))
def test_contrast_changes_differences_from_the_mean_of_the_nucleus(strength: float, seed: int) -> None:
    batch = ToFloat()(small_batch())
    changed = ContrastJitter(strength)(batch, generator=seeded(seed))["image"]
    inside = batch["mask"][0]
    before, after = batch["image"][0][inside], changed[0][inside]
    factor = ((after[2] - after[3]) / (before[2] - before[3])).item()
    assert 1 / (1 + strength) - 1e-4 <= factor <= 1 + strength + 1e-4
    torch.testing.assert_close(after, (before - before.mean()) * factor + before.mean(), atol=1e-5, rtol=1e-5)
    assert torch.equal(changed[~batch["mask"]], batch["image"][~batch["mask"]])
    torch.testing.assert_close(changed[1], batch["image"][1])


def test_equal_generators_make_equal_changes() -> None:
    batch = {"image": torch.randint(0, 255, (16, 1, 8, 8), generator=seeded(9)).to(torch.uint8)}
    first, again, other = (AUGMENT(batch, generator=seeded(seed))["image"] for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_without_a_generator_the_global_one_is_used() -> None:
    batch = small_batch()
    torch.manual_seed(4)
    first = AUGMENT(batch)["image"]
    torch.manual_seed(4)
    assert torch.equal(AUGMENT(batch)["image"], first)


def test_a_training_stream_makes_the_same_changes_whoever_reads(folder: Path) -> None:
    def batches(**options: Any) -> list[torch.Tensor]:
        loader = train_loader(folder, batch_size=100, columns=("image", "mask"), seed=2, transform=AUGMENT, **options)
        return [batch["image"] for batch in loader]

    alone = batches()
    shared = [batches(rank=rank, world_size=2)[0] for rank in range(2)]
    assert all(torch.equal(*pair) for pair in zip(alone[:2], shared, strict=True))
    assert all(torch.equal(*pair) for pair in zip(alone, batches(num_workers=2), strict=True))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: RandomFlips(1.5), r"horizontal is 1\.5; it must be a probability from 0 to 1\.$"),
        (lambda: RandomHalfTurn(-1), r"probability is -1; it must be a probability from 0 to 1\.$"),
        (lambda: ContrastJitter(-0.1), r"strength is -0\.1; it must be 0 or above"),
        (lambda: StandardizeDataset(10, 0), "mean is 10 and std is 0; both must be finite, and std above 0"),
        (lambda: ToFloat(0), "white is 0; it must be above 0"),
        (lambda: Compose(cast(Any, ToFloat())), r"transforms is ToFloat\(.*\); give a list"),
        (lambda: Compose(cast(Any, [3])), "transform is 3; it must be something to call with a batch"),
        (
            lambda: StandardizeNucleus()({**small_batch(), "mask": torch.ones(3)}),
            r"Column mask is torch\.float32 \(3,\); it must be torch\.bool \(2, 1, 2, 3\)",
        ),
        (lambda: ToFloat()({"run": 1}), "no images .* in column image; it holds run. Ask the loader for column image"),
        (
            lambda: ToFloat()(ToFloat()(small_batch())),
            r"ToFloat: the images are torch\.float32, not raw camera values .*; put ToFloat first",
        ),
        (
            lambda: StandardizeDataset(1, 1)(ToFloat()(small_batch())),
            r"StandardizeDataset: the images are torch\.float32, not raw camera values",
        ),
    ],
)
def test_what_cannot_work_says_why(make: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        make()
