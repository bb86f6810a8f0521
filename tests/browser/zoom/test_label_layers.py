"""The labels of masks, and their colours."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

from browser.zoom.label_layers import coloured, contours, labels_of
from browser.zoom.libvips import open_mask
from nucleusnet_core.errors import InputMaskError
from nucleusnet_core.pictures.label_colours import label_colours, packed, unpacked

LARGE_LABELS = (1, 2, 65_534, 65_535, 65_536, 65_537, 131_070, 131_071, 200_000, 262_143)


@given(count=st.integers(0, 3000), seed=st.integers(0, 2**64 - 1))
@settings(max_examples=25, deadline=None)
def test_colours_are_bright_different_and_do_not_depend_on_how_many_there_are(count: int, seed: int) -> None:
    colours = label_colours(count, seed=seed)
    assert colours.shape == (count, 3)
    assert len(set(packed(colours).tolist())) == count
    assert (unpacked(packed(colours)) == colours).all()
    if count:
        assert colours.max(axis=1).min() >= 190
        assert (label_colours(count // 2, seed=seed) == colours[: count // 2]).all()


def test_labels_above_16_bits_have_their_own_colours(tmp_path: Path) -> None:
    mask = np.zeros((40, 60), np.uint32)
    for number, label in enumerate(LARGE_LABELS):
        mask[4:36, 6 * number + 1 : 6 * number + 7] = label  # neighbours touch
    path = tmp_path / "m_cp_masks.tif"
    tifffile.imwrite(path, mask)
    assert labels_of(path) == list(LARGE_LABELS)
    colours = label_colours(LARGE_LABELS[-1] + 1, seed=0)
    expected = np.where(mask[..., None] > 0, np.dstack([colours[mask], np.full_like(mask, 255, np.uint8)]), 0)
    assert (coloured(open_mask(path), colours).numpy() == expected).all()
    lines = contours(open_mask(path), colours).numpy()
    border = lines[..., 3] > 0
    assert (lines[border] == expected[border]).all()
    assert (border[4:36, 1:] == (np.arange(1, 60) % 6 < 2)).sum() > 0
    assert not border[6:34, 3:5].any()
    assert border[6:34, 6:8].all()


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.full((9, 9), 262_144, np.uint32), r"label 262144; panoramas show labels up to 262143\. Number the labels"),
        (
            np.full((9, 9), 0.5, np.float32),
            r"has 1 channel of 32-bit floating-point numbers; a mask has one channel of integer labels of 8 to 32",
        ),
    ],
)
def test_masks_that_cannot_be_coloured_are_refused(tmp_path: Path, labels: npt.NDArray[Any], message: str) -> None:
    tifffile.imwrite(tmp_path / "m_cp_masks.tif", labels)
    with pytest.raises(InputMaskError, match=message):
        labels_of(tmp_path / "m_cp_masks.tif")
