"""cellpose's `_seg.npy`: its label image is read, and nothing pickled in it is ever called."""

import io
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nucleusnet_core.errors import InputMaskError
from nucleusnet_core.inputs.seg_npy import read_seg_npy

LABELS = np.array([[0, 1, 1], [2, 0, 1]], np.uint16)


def seg_npy(content: Any) -> bytes:
    sink = io.BytesIO()
    np.save(sink, content, allow_pickle=True)
    return sink.getvalue()


class Harmful:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.path),)


class Huge:
    def __reduce__(self) -> Any:
        return np.ndarray, ((1 << 40,), np.dtype("u1"))


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", [np.uint16, np.uint32, np.int32])
def test_the_masks_of_a_cellpose_dict_are_read(dtype: Any, order: Any) -> None:
    content = {
        "filename": "Run01TL_top_left.tif",
        "masks": LABELS.astype(dtype, order=order),
        "flows": [np.zeros((2, 3), np.float32), [], None],
        "est_diam": 30.5,
        "ismanual": np.zeros(2, bool),
        "chan_choose": [0, 0],
    }
    found = read_seg_npy(seg_npy(content), "a_seg.npy")
    assert found.dtype == dtype
    assert found.tolist() == [[0, 1, 1], [2, 0, 1]]


def test_a_pickle_that_would_run_something_is_refused_and_nothing_runs(tmp_path: Path) -> None:
    place = tmp_path / "made by the pickle"
    with pytest.raises(InputMaskError, match=r"a_seg\.npy is .*(posix|nt)\.mkdir, which is not allowed.*PNG"):
        read_seg_npy(seg_npy({"masks": LABELS, "filename": Harmful(place)}), "a_seg.npy")
    assert not place.exists()


def test_an_array_of_any_size_cannot_be_made() -> None:
    with pytest.raises(InputMaskError, match="not callable"):
        read_seg_npy(seg_npy({"masks": Huge()}), "a_seg.npy")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (seg_npy({"outlines": LABELS}), "masks"),
        (seg_npy({"masks": None}), "its `masks` is NoneType; save the masks as PNG"),
        (seg_npy({"masks": np.stack([LABELS] * 2)}), r"its `masks` is uint16 \(2, 2, 3\); save the masks as PNG"),
        (seg_npy([1, 2]), "its `masks` is NoneType; save the masks as PNG"),
        (seg_npy(LABELS), "its `masks` is NoneType; save the masks as PNG"),
        (seg_npy({"masks": LABELS})[:-20], "is not a dict of arrays as cellpose saves it"),
        (b"\x93NUMPY", "is not a dict of arrays as cellpose saves it"),
        (pickle.dumps({"masks": LABELS}), "is not a dict of arrays as cellpose saves it"),
    ],
)
def test_what_is_no_cellpose_dict_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(InputMaskError, match=message):
        read_seg_npy(data, "a_seg.npy")
