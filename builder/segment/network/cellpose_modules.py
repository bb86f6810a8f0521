"""The modules of cellpose, imported late and where torchvision's compiled part does not load."""

import logging
import warnings
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from nucleusnet_core.errors import UsageError

OLDEST, BEFORE = (4, 2, 1), (5,)
_OPERATORS = ("nms", "qnms")
_kept: list[Any] = []


class CellposeModules(NamedTuple):
    """What of cellpose is used: `core.run_net` and `models`; `dynamics` to train, and for tests to compare with."""

    core: ModuleType
    dynamics: ModuleType
    models: ModuleType


def cellpose_modules() -> CellposeModules:
    """Import cellpose.

    Raises:
        UsageError: it is not installed, or in a version that is not known to work.
    """
    check_version(installed_version())
    logging.getLogger("cellpose").setLevel(logging.ERROR)  # it warns of parts that are not used
    warnings.filterwarnings("ignore", message="Sparse invariant checks", category=UserWarning)
    _declare_torchvision_operators()
    from cellpose import core, dynamics, models  # noqa: PLC0415 - seconds to import, an extra

    return CellposeModules(core, dynamics, models)


def installed_version() -> str | None:
    """Return the version of cellpose, None where it is not installed."""
    try:
        return version("cellpose")
    except PackageNotFoundError:
        return None


def check_version(found: str | None) -> None:
    """Refuse versions other than those whose inner parts are known.

    Raises:
        UsageError: not installed, too old, or too new.
    """
    parts = tuple(int(part) for part in (found or "0").split(".")[:3] if part.isdecimal())
    if not OLDEST <= parts < BEFORE:
        raise UsageError(
            f"{f'cellpose {found} does not fit' if found else 'cellpose is not installed'}: 4.2.1 or later is needed, "
            'but below 5; run: python -m pip install "nucleusnet[segment]".'
        )


def _declare_torchvision_operators() -> None:
    """Let torchvision be imported where its compiled part is for CUDA and torch is not.

    torchvision registers shapes of two operators that its compiled part would have declared, and fails without it;
    cellpose uses neither.
    """
    import torch  # noqa: PLC0415 - heavy

    declared = hasattr(torch.ops.torchvision, _OPERATORS[0])
    if declared or torch.version.cuda is not None or find_spec("torchvision") is None or _torchvision_loads():
        return
    library: Any = torch.library.Library("torchvision", "DEF")  # type: ignore[no-untyped-call]
    for operator in _OPERATORS:
        library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _kept.append(library)


def _torchvision_loads() -> bool:
    """Return whether the compiled part of torchvision loads; it is tried as torchvision does, without importing it."""
    import torch  # noqa: PLC0415 - heavy

    spec = find_spec("torchvision")
    for place in (spec.submodule_search_locations or ()) if spec is not None else ():
        for library in sorted(Path(place).glob("_C*")):
            try:
                torch.ops.load_library(str(library))  # type: ignore[no-untyped-call]
            except OSError:
                continue
            return True
    return False
