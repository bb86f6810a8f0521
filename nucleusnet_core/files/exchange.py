"""Two names that change places in one step, where the system has that: no moment is without either."""

import ctypes
import errno
import functools
import os
import sys
from collections.abc import Callable
from pathlib import Path

_LINUX_HERE, _LINUX_EXCHANGE = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
_MACOS_HERE, _MACOS_SWAP = -2, 2  # AT_FDCWD, RENAME_SWAP
_UNKNOWN = {errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EPERM}  # the last in some containers


def exchange(first: Path, second: Path) -> bool:
    """Let two files or folders of one disk change places in one step; return whether it could be done.

    It cannot on Windows, and on file systems that do not know it, such as most on a network; nothing has changed then.

    Raises:
        OSError: one of them is not there, or must not be moved.
    """
    call = _system_call()
    if call is None:
        return False
    if call(os.fsencode(first), os.fsencode(second)) == 0:
        return True
    number = ctypes.get_errno()
    if number in _UNKNOWN:
        return False
    raise OSError(number, os.strerror(number), str(first), None, str(second))


@functools.cache
def _system_call() -> Callable[[bytes, bytes], int] | None:
    """Return the function of the C library, None where it has none.

    Source: renameat2(2) of Linux; renameatx_np(2) of macOS.
    """
    names = {"linux": ("renameat2", _LINUX_HERE, _LINUX_EXCHANGE), "darwin": ("renameatx_np", _MACOS_HERE, _MACOS_SWAP)}
    if sys.platform not in names:
        return None
    name, here, flags = names[sys.platform]
    function = getattr(ctypes.CDLL(None, use_errno=True), name, None)
    if function is None:  # a C library of before 2018
        return None
    function.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint]
    function.restype = ctypes.c_int
    return lambda first, second: int(function(here, first, here, second, flags))
