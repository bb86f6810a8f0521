"""The piece of one stitched image: what decides its bytes, and whether one that is there is still valid.

It imports no image library, which the process that hands out the tasks does not need; `make` makes a piece.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import pyarrow as pa

from nucleusnet_core.files.hashing import file_fingerprint, file_sha256, is_unchanged
from nucleusnet_core.inputs.pairs import Source

from ..cutting.recipe import Frame, Outside, Recipe
from .receipt import Receipt, labels_path, piece_path, receipt_path

PIECE_FORMAT = 3
_FINGERPRINT_NUMBERS = 4


@dataclass(frozen=True)
class PieceParameters:
    """Everything besides the source files that decides the bytes of a piece.

    Attributes:
        recipe: how a nucleus is cut, "published" or "refined".
        frame: what a crop shows, and in how many pixels.
        outside: what the frame shows outside the mask: nothing ("zero") or the surroundings ("keep").
        ignore_file_scale: whether a scale that was given wins over another one that a file states.
        seed: key of the row order.
        versions: "name version" of this tool and of the libraries whose arithmetic or codec enters.
    """

    recipe: Recipe
    frame: Frame
    outside: Outside
    ignore_file_scale: bool
    seed: int
    versions: tuple[str, ...]

    def key(self, source: Source) -> str:
        """Return the SHA-256 of the parameters and of what is read from the name of a source."""
        said: list[object] = [source.stem, source.run, source.run_name, source.quarter, source.position, source.columns]
        said += [source.group, source.split, source.pixels_per_um, source.scale_option]
        content = json.dumps([PIECE_FORMAT, asdict(self), said], sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()


@dataclass(frozen=True)
class PieceTask:
    """What a worker needs to make one piece; small, since it is pickled."""

    source: Source
    parameters: PieceParameters
    columns: pa.Schema
    pieces_dir: Path
    allow_pickle: bool = False


def source_fingerprint(source: Source) -> list[int]:
    """Return the fingerprints of image and mask, one after the other."""
    return [*file_fingerprint(source.image_path), *file_fingerprint(source.mask_path)]


def known_fingerprint(source: Source) -> list[int]:
    """Return `source_fingerprint`, with -1 for each number of a file that cannot be found."""
    return [number for path in (source.image_path, source.mask_path) for number in _known_file_fingerprint(path)]


def _known_file_fingerprint(path: Path) -> list[int]:
    try:
        return file_fingerprint(path)
    except OSError:
        return [-1] * _FINGERPRINT_NUMBERS


def valid_receipt(task: PieceTask) -> Receipt | None:
    """Return the receipt of a finished piece if it is valid: same sources, same parameters, undamaged files."""
    stem, directory = task.source.stem, task.pieces_dir
    try:
        receipt = Receipt.from_json(receipt_path(directory, stem).read_bytes())
        same = (
            receipt.key == task.parameters.key(task.source)
            and (receipt.image_file, receipt.mask_file) == (task.source.image_path.name, task.source.mask_path.name)
            and has_same_sources(receipt, task.source)
        )
        whole = same and (
            file_sha256(piece_path(directory, stem)) == receipt.piece_sha256
            and file_sha256(labels_path(directory, stem)) == receipt.labels_sha256
        )
    except (OSError, ValueError):
        return None
    return receipt if whole else None


def has_same_sources(receipt: Receipt, source: Source) -> bool:
    """Return whether image and mask have the bytes of which the receipt states the hash.

    Raises:
        OSError: one cannot be read.
    """
    half = len(receipt.fingerprint) // 2
    return is_unchanged(source.image_path, receipt.fingerprint[:half], receipt.image_sha256) and is_unchanged(
        source.mask_path, receipt.fingerprint[half:], receipt.mask_sha256
    )
