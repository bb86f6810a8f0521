"""The label image in a `_seg.npy` of cellpose, which is a pickle: read without running any code in it.

Cellpose keeps paths, dates and NumPy scalars beside the masks, others in each version. Whatever a pickle names becomes
an object that does nothing; only the array `masks` is made, once its parts have been checked against each other.

Source: cellpose 1 to 4, `io.masks_flows_to_seg`: `numpy.save` of a dict with "masks", "outlines", "flows" and more;
Python's `pickle.Unpickler.find_class`, "Restricting Globals"; NumPy's `ndarray.__reduce__` and `dtype.__reduce__`.
"""

import io
import pickle
import re
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from ..errors import InputMaskError
from .kinds import plane_shape

_PLAIN_TYPE = re.compile("b1|[iu][1248]|f[48]")
_PLAIN_KEYS = (str, bytes, int, float, type(None))


class _Inert:
    """Stands for whatever a pickle names: it takes any arguments, state and items, and keeps none."""

    def __new__(cls, *_args: object, **_named: object) -> "_Inert":
        return super().__new__(cls)

    def __init__(self, *_args: object, **_named: object) -> None:
        pass

    def __setstate__(self, _state: object) -> None:
        pass

    def __setitem__(self, _key: object, _value: object) -> None:
        pass

    def append(self, _item: object) -> None:
        pass

    def extend(self, _items: object) -> None:
        pass


class _Type(_Inert):
    """Stands for `numpy.dtype`: what it is called, and its byte order."""

    def __init__(self, code: object = None, *_args: object) -> None:
        self.code, self.order = code, "|"

    def __setstate__(self, state: object) -> None:
        if isinstance(state, tuple) and len(state) > 1 and state[1] in ("<", ">", "=", "|"):
            self.order = state[1]

    def dtype(self) -> np.dtype[Any] | None:
        """Return a type of numbers, else None."""
        if not isinstance(self.code, str) or not _PLAIN_TYPE.fullmatch(self.code):
            return None
        return np.dtype(self.code).newbyteorder(self.order)  # type: ignore[arg-type]


class _Array(_Inert):
    """Stands for an array as `numpy.ndarray.__reduce__` takes it apart."""

    state: object = None

    def __setstate__(self, state: object) -> None:
        self.state = state

    def item(self) -> Any:
        """Return the one object of an array () of objects, else None."""
        match self.state:
            case (_, (), _Type(), _, [one]):
                return one
        return None

    def array(self) -> npt.NDArray[Any] | None:
        """Return an array of numbers whose bytes fill its shape, else None."""
        match self.state:
            case (_, tuple() as shape, _Type() as kind, fortran, bytes() as data):
                dtype = kind.dtype()
            case _:
                return None
        if dtype is None or not all(type(side) is int and 0 <= side <= len(data) for side in shape):
            return None
        if len(shape) > 8 or len(data) != dtype.itemsize * int(np.prod(np.array(shape, object))):
            return None
        return np.frombuffer(data, dtype).reshape(shape, order="F" if fortran else "C")


_KNOWN: dict[tuple[str, str], type[_Inert]] = {("numpy", "dtype"): _Type}
_KNOWN |= {(f"numpy.{core}.multiarray", "_reconstruct"): _Array for core in ("core", "_core")}


class _InertUnpickler(pickle._Unpickler):
    """Reads containers, numbers and texts; everything else becomes inert.

    It is the unpickler in Python: the one in C makes room for as many objects as a number in the file says.
    """

    dispatch: ClassVar[dict[int, Callable[[Any], None]]] = dict(pickle._Unpickler.dispatch)

    def find_class(self, module_name: str, global_name: str, /) -> type[_Inert]:
        return _KNOWN.get((module_name, global_name), _Inert)


def _plain_keys(load: Callable[[Any], None], keys: slice) -> Callable[[Any], None]:
    """Return what loads a dict or a set, but not one with tuples for keys: deep ones end the process when hashed."""

    def load_plain(unpickler: Any) -> None:
        if not all(isinstance(key, _PLAIN_KEYS) for key in unpickler.stack[keys]):
            raise pickle.UnpicklingError("a dict or set of objects")
        load(unpickler)

    return load_plain


for _code, _keys in (
    (pickle.SETITEM, slice(-2, -1)),
    (pickle.SETITEMS, slice(None, None, 2)),
    (pickle.DICT, slice(None, None, 2)),
    (pickle.ADDITEMS, slice(None)),
    (pickle.FROZENSET, slice(None)),
):
    _InertUnpickler.dispatch[_code[0]] = _plain_keys(pickle._Unpickler.dispatch[_code[0]], _keys)
for _code in (pickle.BYTEARRAY8, pickle.EXT1, pickle.EXT2, pickle.EXT4):
    del _InertUnpickler.dispatch[_code[0]]  # makes room before it reads; remembers what it met


def read_seg_npy(data: bytes, name: str) -> npt.NDArray[Any]:
    """Return the label image (H, W), perhaps with axes of length 1 around it, in the bytes of a `_seg.npy`.

    Args:
        data: the whole file.
        name: how error messages call it.

    Raises:
        InputMaskError: it is no such file, or holds no label image.
    """
    try:
        masks = _saved(io.BytesIO(data))["masks"]
    except Exception as error:  # a damaged pickle raises anything
        raise InputMaskError(
            f"{name} is not a dict of arrays as cellpose saves it ({error}); save the masks as PNG."
        ) from error
    labels = masks.array() if isinstance(masks, _Array) else None
    if labels is None or plane_shape(labels.shape) is None:
        found = "no array of numbers" if labels is None else f"{labels.dtype} {labels.shape}"
        raise InputMaskError(
            f"{name} holds no label image (height, width): its `masks` is {found}; save the masks as PNG."
        )
    return labels


def _saved(file: io.BytesIO) -> dict[Any, Any]:
    """Return the dict that was saved; fails in any way where there is none."""
    version = np.lib.format.read_magic(file)  # type: ignore[no-untyped-call]
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(file)  # type: ignore[no-untyped-call]
    content = _InertUnpickler(file).load() if dtype.hasobject else None
    saved = content.item() if isinstance(content, _Array) and shape == () else None
    if not isinstance(saved, dict):
        raise pickle.UnpicklingError("it holds no dict")
    return saved
