"""Fuzz target: crafted and damaged `_seg.npy` files are refused, or give the label image whose bytes are in them."""

import io
import pickle
import struct
from random import Random
from typing import Any

import numpy as np

from nucleusnet_core.errors import InputMaskError
from nucleusnet_core.inputs.masks import read_label_runs
from nucleusnet_core.inputs.seg_npy import read_seg_npy
from tests.fuzz.frame import WrongError
from tests.fuzz.mutations import mutated

PROMISED = (InputMaskError,)
LABELS = np.arange(48).reshape(6, 8)
TYPES = (
    "u1",
    "u2",
    "u4",
    "i4",
    "i8",
    "f4",
    "f8",
    "b1",
    "O8",
    "V8",
    "S4",
    "U2",
    "c16",
    "M8",
    "2,u2",
    "(3,)u2",
    "f2",
    "u3",
)
OPCODES = [opcode for name in dir(pickle) if name.isupper() and isinstance(opcode := getattr(pickle, name), bytes)]


def make(random: Random) -> bytes:
    """Return a file of NumPy's own that was damaged, or one with parts of an array that need not fit each other."""
    if random.random() < 0.4:
        return mutated(_saved(random), random)
    crafted = _crafted(random)
    return mutated(crafted, random) if random.random() < 0.4 else crafted


def check(case: bytes) -> None:
    labels = read_seg_npy(case, "a_seg.npy")
    if labels.dtype.kind not in "uifb" or labels.nbytes > len(case):
        raise WrongError(f"{labels.dtype} {labels.shape} from {len(case)} bytes")
    if labels.tobytes() not in case and labels.tobytes(order="F") not in case:
        raise WrongError("bytes that are not in the file")
    read_label_runs(case, "a_seg.npy", allow_pickle=True)


def _saved(random: Random) -> bytes:
    file = io.BytesIO()
    masks = LABELS.astype(random.choice(["u1", "<u2", ">u2", "<u4", "<f4"]))
    content = {"masks": masks, "flows": [np.zeros(3)], "filename": "a.tif", "outlines": masks}
    np.save(file, np.array(content, object), allow_pickle=True)
    return file.getvalue()


def _crafted(random: Random) -> bytes:
    """Return a dict whose masks are made as pickled arrays are, with a type, state, shape and data of its own."""
    core = random.choice([b"numpy.core", b"numpy._core"])
    array = b"c" + core + b".multiarray\n_reconstruct\n(cnumpy\nndarray\nK\x00\x85C\x01btR"
    objects = b"cnumpy\ndtype\n(" + _text("O8") + b"\x89\x88tR"
    kind = b"cnumpy\ndtype\n(" + _text(random.choice(TYPES)) + b"\x89\x88tR" + _type_state(random)
    sides = [
        random.choice([0, 1, 2, 6, 8, 48, 1 << 31, 1 << 62, -1]) for _ in range(random.choice([0, 1, 2, 2, 2, 3, 40]))
    ]
    shape = b"(" + b"".join(map(_number, sides)) + b"t"
    data = random.choice([_bytes(bytes(random.choice([0, 1, 48, 96, 192, 384]))), b"]", b"N", _text("x"), b"(tl"])
    state = b"(K\x01" + shape + kind + random.choice([b"\x88", b"\x89"]) + data + b"tb"
    noise = random.choice(OPCODES) + random.randbytes(random.randint(0, 5)) if random.random() < 0.2 else b""
    masks = b"}" + _text("masks") + array + state + noise + b"s"
    header = _saved(random)[:128]
    return header + b"\x80\x04" + array + b"(K\x01)" + objects + b"\x89]" + masks + b"atb."


def _type_state(random: Random) -> bytes:
    """Return the state that a pickled type sets itself: order, subarray, names, fields, size, alignment, flags."""
    if random.random() < 0.4:
        return b""
    size = _number(random.choice([-1, 0, 1, 2, 8, 4096, 1 << 20, 1 << 30, 1 << 40]))
    subarray = random.choice([b"N", b"N", b"cnumpy\ndtype\n(" + _text("u2") + b"tRK\x03\x85\x86"])
    names = random.choice([b"N", b"N", b"(" + _text("a") + b"t"])
    order = _text(random.choice(["<", ">", "|", "="]))
    return b"(K\x03" + order + subarray + names + b"N" + size + _number(random.choice([-1, 1, 8])) + b"K\x00tb"


def _text(text: str) -> bytes:
    return b"X" + struct.pack("<I", len(text)) + text.encode()


def _bytes(data: bytes) -> bytes:
    return b"B" + struct.pack("<I", len(data)) + data


def _number(value: Any) -> bytes:
    return b"\x8a\x09" + int(value).to_bytes(9, "little", signed=True)
