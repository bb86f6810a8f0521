"""The labels of masks, and their colours."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from browser.zoom.label_layers import coloured, contours
from browser.zoom.libvips import vips
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


def test_labels_above_16_bits_have_their_own_colours() -> None:
    labels = np.zeros((40, 60), np.uint32)
    for number, label in enumerate(LARGE_LABELS):
        labels[4:36, 6 * number + 1 : 6 * number + 7] = label  # neighbours touch
    mask = vips().Image.new_from_memory(labels.tobytes(), 60, 40, 1, "uint")
    colours = label_colours(LARGE_LABELS[-1] + 1, seed=0)
    expected = np.where(labels[..., None] > 0, np.dstack([colours[labels], np.full_like(labels, 255, np.uint8)]), 0)
    assert (coloured(mask, colours).numpy() == expected).all()
    lines = contours(mask, colours).numpy()
    border = lines[..., 3] > 0
    assert (lines[border] == expected[border]).all()
    assert (border[4:36, 1:] == (np.arange(1, 60) % 6 < 2)).sum() > 0
    assert not border[6:34, 3:5].any()
    assert border[6:34, 6:8].all()
