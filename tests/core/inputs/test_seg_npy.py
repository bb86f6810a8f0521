"""cellpose's `_seg.npy`: its label image is read, and nothing pickled in it is ever called."""

import datetime
import io
import os
import pickle
from collections import OrderedDict
from pathlib import Path, PurePosixPath
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


def test_what_cellpose_1_to_4_keep_beside_the_masks_matters_not() -> None:
    content = {
        "masks": LABELS,
        "filename": PurePosixPath("/data/Run01TL_top_left.tif"),
        "saved": datetime.datetime(2024, 1, 2, tzinfo=datetime.UTC),
        "est_diam": np.float64(30.5),
        "colors": OrderedDict(red=np.array(["a", None], object)),
        "kept": {1, 2},
        "error": ValueError("none"),
    }
    assert read_seg_npy(seg_npy(content), "a_seg.npy").tolist() == LABELS.tolist()


def test_what_a_pickle_would_run_does_not_run(tmp_path: Path) -> None:
    place = tmp_path / "made by the pickle"
    read = read_seg_npy(seg_npy({"masks": LABELS, "filename": Harmful(place)}), "a_seg.npy")
    assert read.tolist() == LABELS.tolist()
    assert not place.exists()


HEADER = seg_npy({})[:128]


def array(kind: bytes, shape: bytes, data: bytes) -> bytes:
    """A `_seg.npy` whose masks are an array of this type, shape and data, each as opcodes of pickle."""
    made = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\x00\x85C\x01btR"
    outer = made + b"(K\x01)cnumpy\ndtype\n(X\x02\x00\x00\x00O8\x89\x88tR\x89]}X\x05\x00\x00\x00masks"
    return HEADER + b"\x80\x04" + outer + made + b"(K\x01" + shape + kind + b"\x89" + data + b"tbsatb."


UINT16 = b"cnumpy\ndtype\n(X\x02\x00\x00\x00u2\x89\x88tR"
SIDES = b"K\x02K\x01\x86"


def test_an_array_is_made_from_parts_that_fit() -> None:
    assert read_seg_npy(array(UINT16, SIDES, b"C\x04\x07\x00\x08\x00"), "a").tolist() == [[7], [8]]


SIZES_ITSELF = UINT16 + b"(K\x03X\x01\x00\x00\x00<NNNJ\x00\x10\x00\x00J\x00\x10\x00\x00K\x00tb"


@pytest.mark.parametrize(
    "parts",
    {
        "bytes too few": (UINT16, SIDES, b"C\x03\x07\x00\x08"),
        "bytes too many": (UINT16, SIDES, b"C\x05\x07\x00\x08\x00\x00"),
        "list": (UINT16, SIDES, b"]"),
        "objects": (UINT16.replace(b"u2", b"O8"), SIDES, b"C\x10" + bytes(16)),
        "texts": (UINT16.replace(b"u2", b"S2"), SIDES, b"C\x04" + bytes(4)),
        "subarray": (UINT16.replace(b"\x02\x00\x00\x00u2", b"\x04\x00\x00\x002,u2"), SIDES, b"C\x08" + bytes(8)),
        "negative": (UINT16, b"J\xff\xff\xff\xffJ\xfe\xff\xff\xff\x86", b"C\x04" + bytes(4)),
        "huge": (UINT16, b"\x8a\x08" + b"\xff" * 7 + b"\x7fK\x00\x86", b"C\x00"),
    }.items(),
    ids=lambda parts: parts[0],
)
def test_an_array_whose_parts_do_not_fit_is_refused(parts: tuple[str, tuple[bytes, bytes, bytes]]) -> None:
    with pytest.raises(InputMaskError, match="its `masks` is no array of numbers"):
        read_seg_npy(array(*parts[1]), "a_seg.npy")


def test_a_type_that_states_its_own_size_has_the_size_of_its_kind() -> None:
    assert read_seg_npy(array(SIZES_ITSELF, SIDES, b"C\x04\x07\x00\x08\x00"), "a").tolist() == [[7], [8]]


@pytest.mark.parametrize(
    "opcodes",
    [
        b"})" + b"\x85" * 1_000_000 + b"K\x01s.",
        b"(" + b")" + b"\x85" * 1_000_000 + b"K\x01d.",
        b"\x8f()" + b"\x85" * 1_000_000 + b"\x90.",
        b"()" + b"\x85" * 1_000_000 + b"\x91.",
        b"]r\xff\xff\xff\xff.",
        b"\x96" + b"\xff" * 6 + b"\x00\x00.",
        b"\x82\x01.",
        b"\x8a\xff" + b"\xff" * 100,
    ],
    ids=["key", "dict", "set", "frozenset", "memo", "bytearray", "extension", "cut"],
)
def test_what_would_end_the_process_or_fill_its_memory_is_refused(opcodes: bytes) -> None:
    with pytest.raises(InputMaskError, match="is not a dict of arrays as cellpose saves it"):
        read_seg_npy(HEADER + b"\x80\x05" + opcodes, "a_seg.npy")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (seg_npy({"outlines": LABELS}), "masks"),
        (seg_npy({"masks": None}), "its `masks` is no array of numbers; save the masks as PNG"),
        (seg_npy({"masks": np.stack([LABELS] * 2)}), r"its `masks` is uint16 \(2, 2, 3\); save the masks as PNG"),
        (seg_npy([1, 2]), "is not a dict of arrays as cellpose saves it"),
        (seg_npy(LABELS), "is not a dict of arrays as cellpose saves it"),
        (seg_npy({"masks": Huge()}), "its `masks` is no array of numbers; save the masks as PNG"),
        (seg_npy({"masks": LABELS})[:-20], "is not a dict of arrays as cellpose saves it"),
        (b"\x93NUMPY", "is not a dict of arrays as cellpose saves it"),
        (pickle.dumps({"masks": LABELS}), "is not a dict of arrays as cellpose saves it"),
    ],
)
def test_what_is_no_cellpose_dict_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(InputMaskError, match=message):
        read_seg_npy(data, "a_seg.npy")
