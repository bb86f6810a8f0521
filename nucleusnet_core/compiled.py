"""Machine code of numeric loops, kept on disk from one run to the next."""

from collections.abc import Callable
from typing import Any, TypeVar

import numba

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(function: Function) -> Function:
    """Return a function that numba compiles when it is first called, and whose machine code is kept beside its source.

    The kept code refers to modules by name, and one file may be imported as `builder.cutting.crop` in a checkout and as
    `nucleusnet.builder.cutting.crop` where it is installed. So the module's full name becomes part of the name of the
    kept file. Where no folder can be written, each process compiles the code again.

    Source: numba 0.68, `numba.core.caching._CacheImpl`: names come from the file's name and `__qualname__`.
    """
    function.__qualname__ = f"{function.__module__}.{function.__qualname__}"
    try:
        kept: Function = numba.njit(cache=True, nogil=True)(function)
    except RuntimeError:
        return numba.njit(nogil=True)(function)  # type: ignore[no-any-return]
    return kept
