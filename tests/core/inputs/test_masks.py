"""Label runs from label images in memory; those in files are in test_mask_files."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from nucleusnet_core.errors import InputMaskError
from nucleusnet_core.inputs.masks import LabelRuns, runs_from_array

SMALL = np.array([[0, 1, 1, 2], [3, 3, 0, 3], [0, 0, 0, 0], [4, 4, 4, 4]], np.uint16)


def painted(runs: LabelRuns) -> npt.NDArray[np.uint32]:
    labels = np.zeros(runs.shape, np.uint32)
    for y, x0, x1, label in zip(runs.row, runs.x0, runs.x1, runs.label, strict=True):
        assert not labels[y, x0:x1].any()
        labels[y, x0:x1] = label
    return labels


def test_runs_are_maximal_stretches_in_raster_order() -> None:
    runs = runs_from_array(SMALL)
    assert runs.shape == (4, 4)
    assert runs.row.tolist() == [0, 0, 1, 1, 3]
    assert runs.x0.tolist() == [1, 3, 0, 3, 0]
    assert runs.x1.tolist() == [3, 4, 2, 4, 4]
    assert runs.label.tolist() == [1, 2, 3, 3, 4]
    assert [runs.row.dtype, runs.x0.dtype, runs.x1.dtype, runs.label.dtype] == [np.int32, np.int32, np.int32, np.uint32]


@settings(deadline=None)
@given(
    npst.arrays(
        st.sampled_from([np.uint8, np.uint16, np.uint32, np.int32, np.float32, np.float64]),
        npst.array_shapes(min_dims=2, max_dims=2, max_side=12),
        elements=st.integers(0, 100),
    )
)
def test_painting_the_runs_gives_the_label_image_back(labels: npt.NDArray[Any]) -> None:
    runs = runs_from_array(labels)
    assert np.array_equal(painted(runs), labels)
    keys = list(zip(runs.row.tolist(), runs.x0.tolist(), strict=True))
    assert keys == sorted(keys)
    touching = (runs.row[1:] == runs.row[:-1]) & (runs.x0[1:] == runs.x1[:-1])
    assert (runs.label[1:][touching] != runs.label[:-1][touching]).all()


def test_an_image_without_labels_has_no_runs() -> None:
    assert len(runs_from_array(np.zeros((3, 5), np.uint16)).row) == 0


@pytest.mark.parametrize("shape", [(1, 7), (7, 1), (1, 1)])
def test_images_of_one_row_or_column_work(shape: tuple[int, int]) -> None:
    labels = np.arange(1, 1 + shape[0] * shape[1], dtype=np.uint8).reshape(shape)
    assert np.array_equal(painted(runs_from_array(labels)), labels)


def test_labels_beyond_16_bits_are_kept() -> None:
    labels = np.array([[70_000, 0, 4_000_000_000]], np.uint32)
    assert runs_from_array(labels).label.tolist() == [70_000, 4_000_000_000]


@pytest.mark.parametrize("value", [0.5, -1.0, np.nan, np.inf, 2.0**33])
def test_floats_that_are_no_labels_are_refused(value: float) -> None:
    with pytest.raises(
        InputMaskError,
        match=r"a\.tif has (a pixel of .*, and labels are whole|labels .*; they must lie between 0 and 4294967295)",
    ):
        runs_from_array(np.array([[0, value]], np.float32), name="a.tif")


def test_negative_labels_are_refused() -> None:
    with pytest.raises(InputMaskError, match="has labels from -3 to 2; they must lie between 0 and 4294967295"):
        runs_from_array(np.array([[-3, 2]], np.int32))


def test_a_stack_is_refused() -> None:
    with pytest.raises(InputMaskError, match=r"has shape \(2, 3, 4\); a label image has a height and a width"):
        runs_from_array(np.zeros((2, 3, 4), np.uint8))
