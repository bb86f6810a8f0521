"""The receipt of one mask: from which image, by which weights and parameters, where and how long."""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from nucleusnet_core.inputs.channels import ONE_PLANE, Channels
from nucleusnet_core.small_files import parse_json

from .network.weights import WeightsFile
from .options import Labelling

RECEIPT_FORMAT = 2
RECEIPT_SUFFIX = "_segment.json"
_MAX_BYTES = 1 << 20


@dataclass(frozen=True, kw_only=True)
class SegmentParameters(Labelling):
    """What decides the labels of an image, besides the image.

    Attributes:
        weights_sha256: of the weights file.
        weights_kind: their network.
        versions: "name version" of this tool and of the libraries whose arithmetic enters.
        channels: the one that is segmented, and how the planes of the files are called.
    """

    weights_sha256: str
    weights_kind: str
    versions: tuple[str, ...]
    channels: Channels = ONE_PLANE

    def key(self) -> str:
        """Return the SHA-256 of all parameters."""
        return hashlib.sha256(json.dumps([RECEIPT_FORMAT, asdict(self)], sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class SegmentReceipt:
    """How one mask was made; written before the mask, whose SHA-256 it states.

    Attributes:
        format: of the receipt.
        image_file: name of the image.
        image_sha256: of its bytes.
        image_fingerprint: what `file_fingerprint` returned before it was read.
        mask_file: name of the mask.
        mask_sha256: of its bytes.
        height: rows, px.
        width: columns, px.
        rois: number of labels.
        weights: name, kind, SHA-256 and diameters of the weights file.
        parameters: what was asked for.
        key: SHA-256 of the parameters.
        labelled: "whole image", "blocks of N px", or "network scale".
        device: that was used.
        seconds: of wall time that the image took.
        doubt: why the mask is probably wrong, one of `doubts.Doubt`; empty where nothing speaks against it.
    """

    format: int
    image_file: str
    image_sha256: str
    image_fingerprint: list[int]
    mask_file: str
    mask_sha256: str
    height: int
    width: int
    rois: int
    weights: dict[str, Any]
    parameters: dict[str, Any]
    key: str
    labelled: str
    device: str
    seconds: float
    doubt: str = ""

    def to_json(self) -> bytes:
        """Return the receipt as UTF-8 JSON for people to read."""
        return (json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n").encode()

    @classmethod
    def from_json(cls, data: bytes) -> Self:
        """Read what `to_json` wrote.

        Raises:
            ValueError: `data` holds no receipt of this format.
        """
        fields: Any = parse_json(data)
        if not isinstance(fields, dict) or fields.keys() | {"doubt"} != set(cls.__dataclass_fields__):
            raise ValueError("this is no receipt of a mask; segment the image again")
        return cls(**fields)


def receipt_path(folder: Path, stem: str) -> Path:
    """Return the place of a receipt: beside the mask."""
    return folder / f"{stem}{RECEIPT_SUFFIX}"


def read_receipt(folder: Path, stem: str) -> SegmentReceipt | None:
    """Return the receipt of a mask, None where it is missing or damaged."""
    try:
        with receipt_path(folder, stem).open("rb") as file:
            return SegmentReceipt.from_json(file.read(_MAX_BYTES))
    except (OSError, ValueError, TypeError):
        return None


def described_weights(weights: WeightsFile) -> dict[str, Any]:
    """Return what a receipt says about the weights."""
    return {
        "file": weights.path.name,
        "kind": weights.kind.value,
        "sha256": weights.sha256,
        "diam_mean_px": weights.diam_mean_px,
        "diam_labels_px": weights.diam_labels_px,
    }
