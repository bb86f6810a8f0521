"""Files of network weights: which network they belong to, found out before anything is built from them."""

import struct
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from nucleusnet_core.errors import UsageError, WeightsError
from nucleusnet_core.files.hashing import file_sha256
from nucleusnet_core.location import home_expanded

from .cellpose_modules import cellpose_modules

DEFAULT_DIAMETER_PX = 30.0
MAX_BYTES = 8 << 30
_SAM_KEY, _DINO_KEY, _CELLPOSE_3_KEY = "W2", "encoder.cls_token", "output.2.weight"
_PARALLEL_PREFIX = "module."  # of a network that was trained on several GPUs


class WeightsKind(StrEnum):
    """The networks that weights can belong to."""

    cellpose_3 = "cellpose-3"
    cellpose_sam = "cellpose-sam"
    cellpose_dino = "cellpose-dino"


@dataclass(frozen=True)
class WeightsFile:
    """A file of weights that was looked into.

    Attributes:
        path: the file.
        kind: the network that its weights belong to.
        sha256: of the file's bytes.
        diam_mean_px: diameter of nuclei that the network expects after rescaling.
        diam_labels_px: mean diameter of the nuclei it was trained on, before rescaling; None where the file has none.
    """

    path: Path
    kind: WeightsKind
    sha256: str
    diam_mean_px: float
    diam_labels_px: float | None


def find_weights(model: str, *, download: bool = False) -> Path:
    """Find the file of a model; a path that does not exist is never replaced by another model.

    Args:
        model: path of a file, or a name that cellpose knows, such as "cpsam_v2".
        download: fetch a named model that is not on this machine.

    Raises:
        UsageError: no such file, and no name that cellpose knows.
        WeightsError: the named model is not on this machine, or cannot be fetched.
    """
    path = home_expanded(model)
    if path.is_file():
        return path
    models = cellpose_modules().models
    if model not in models.MODEL_NAMES:
        what = "is a folder" if path.is_dir() else "does not exist"
        raise UsageError(
            f"--model {model} {what}; give a file of weights, or one of the names {', '.join(models.MODEL_NAMES)}."
        )
    cached = Path(models.MODEL_DIR, model)
    if not cached.is_file() and not download:
        raise WeightsError(
            f"--model {model}: its weights are not on this machine; fetch them once with --download (about 1.2 GB), or "
            f"copy the file to {cached}."
        )
    return cached if cached.is_file() else _download(models, model)


def _download(models: Any, name: str) -> Path:
    try:
        return Path(models.cache_model_path(name))
    except OSError as error:
        raise WeightsError(
            f"--model {name}: {models._MODEL_URL}{name} cannot be downloaded ({error}); check the connection, or copy "
            f"the file to {models.MODEL_DIR}."
        ) from error


def read_weights_file(path: Path) -> WeightsFile:
    """Look into a file of weights and recognise its network.

    Raises:
        WeightsError: unreadable, truncated, no plain weights, or those of a network that makes no masks.
    """
    state = load_state(path)
    kind = recognise(state, path.name)
    mean, labels = (_diameter(state, name) for name in ("diam_mean", "diam_labels"))
    is_old = kind is WeightsKind.cellpose_3
    return WeightsFile(path, kind, file_sha256(path), (mean if is_old else None) or DEFAULT_DIAMETER_PX, labels)


def load_state(path: Path) -> dict[str, Any]:
    """Load the tensors of a file of weights by name; no code in it is run.

    Raises:
        WeightsError: unreadable, truncated, or anything but tensors by name.
    """
    import torch  # noqa: PLC0415 - heavy

    _check_file(path)
    try:
        state = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except Exception as error:  # torch raises many types for a damaged file, and for one with code in it
        raise _no_weights(
            path, f"{type(error).__name__}: {str(error).splitlines()[0].split('. ')[0][:200] if str(error) else ''}"
        ) from error
    if (
        not isinstance(state, Mapping)
        or not state
        or not all(isinstance(value, torch.Tensor) for value in state.values())
    ):
        raise _no_weights(path, type(state).__name__)
    return {str(name).removeprefix(_PARALLEL_PREFIX): value for name, value in state.items()}


def recognise(state: Mapping[str, Any], name: str) -> WeightsKind:
    """Return the network that weights belong to.

    Args:
        state: tensors by name.
        name: of the file, for messages.

    Raises:
        WeightsError: it is none that makes masks of two-dimensional images.
    """
    if _SAM_KEY in state:
        return WeightsKind.cellpose_dino if _DINO_KEY in state else WeightsKind.cellpose_sam
    output = state.get(_CELLPOSE_3_KEY)
    if output is not None and output.ndim == 4 and output.shape[0] == 3:
        return WeightsKind.cellpose_3
    what = f"{len(state)} tensors such as {next(iter(state))!r}"
    if output is not None:
        what = f"a cellpose-3 network with an output of shape {tuple(output.shape)} (for restoring, or for volumes)"
    raise WeightsError(
        f"{name} holds {what}, no weights of cellpose-3 or cellpose-SAM that make masks; give another --model."
    )


def _check_file(path: Path) -> None:
    """Refuse a file that is too big, or a zip whose parts are larger than they are stored."""
    try:
        size = path.stat().st_size
        is_zip = zipfile.is_zipfile(path)
        parts = zipfile.ZipFile(path).infolist() if is_zip else []
    except (zipfile.BadZipFile, ValueError, NotImplementedError, struct.error) as error:
        raise _no_weights(path, f"a damaged archive: {error}") from error
    except OSError as error:
        raise WeightsError(f"{path} cannot be read ({error.strerror or error}); check its permissions.") from error
    if not 0 < size <= MAX_BYTES:
        raise _no_weights(path, f"{size} bytes")
    if any(part.compress_type != zipfile.ZIP_STORED for part in parts):
        raise _no_weights(path, "a compressed archive")


def _no_weights(path: Path, why: str) -> WeightsError:
    return WeightsError(
        f"{path} holds no weights as torch.save writes them, tensors by name ({why}); it is damaged, truncated, or no "
        "model of cellpose: copy it again."
    )


def _diameter(state: Mapping[str, Any], name: str) -> float | None:
    """Return a diameter, None where the file states none that is possible."""
    value = state.get(name)
    number = float(value.float().mean()) if value is not None and value.numel() else 0.0
    return round(number, 4) if 1 <= number <= 10_000 else None
