"""The label image in a `_seg.npy` of cellpose, which is a pickle: read without running any code in it.

Source: cellpose 3 and 4, `io.masks_flows_to_seg`: `numpy.save` of a dict with "masks", "outlines", "flows" and more;
Python's `pickle.Unpickler.find_class`, "Restricting Globals".
"""

import io
import pickle
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import InputMaskError
from .kinds import plane_shape


class _ArrayKind:
    """Stands for `numpy.ndarray` in a pickle; it cannot be called, so that no pickle makes an array of any size."""


def _reconstruct(kind: Any, shape: Any, _code: Any) -> npt.NDArray[Any]:
    """Return the empty array that a pickled array starts from; content and shape are set afterwards, and checked."""
    if not isinstance(kind, _ArrayKind) or shape != (0,):
        raise pickle.UnpicklingError("an array that does not start empty")
    return np.empty(0, np.int8)


_KNOWN: dict[tuple[str, str], Any] = {("numpy", "ndarray"): _ArrayKind(), ("numpy", "dtype"): np.dtype}
_KNOWN |= {(f"numpy.{core}.multiarray", "_reconstruct"): _reconstruct for core in ("core", "_core")}


class _ArrayUnpickler(pickle.Unpickler):
    """Reads containers, numbers, texts and arrays of numbers; refuses everything else by name."""

    def find_class(self, module: str, name: str) -> Any:
        try:
            return _KNOWN[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"a pickled {module}.{name}, which is not allowed") from None


def read_seg_npy(data: bytes, name: str) -> npt.NDArray[Any]:
    """Return the label image (H, W), perhaps with axes of length 1 around it, in the bytes of a `_seg.npy`.

    Args:
        data: the whole file.
        name: how error messages call it.

    Raises:
        InputMaskError: it is no such file, holds no label image, or a pickled object other than arrays.
    """
    file = io.BytesIO(data)
    try:
        version = np.lib.format.read_magic(file)  # type: ignore[no-untyped-call]
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(file)  # type: ignore[no-untyped-call]
        content = _ArrayUnpickler(file).load() if dtype.hasobject else None
        masks = content.item()["masks"] if isinstance(content, np.ndarray) and shape == () else None
    except Exception as error:  # a damaged pickle raises anything
        raise InputMaskError(
            f"{name} is not a dict of arrays as cellpose saves it ({error}); save the masks as PNG."
        ) from error
    if not isinstance(masks, np.ndarray) or plane_shape(masks.shape) is None or masks.dtype.hasobject:
        found = f"{masks.dtype} {masks.shape}" if isinstance(masks, np.ndarray) else type(masks).__name__
        raise InputMaskError(
            f"{name} holds no label image (height, width): its `masks` is {found}; save the masks as PNG."
        )
    return masks
