"""The piece of one stitched image: what decides its bytes, and whether one that is there is still valid.

It imports no image library, which the process that hands out the tasks does not need; `make` makes a piece.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import pyarrow as pa

from nucleusnet_core.files.hashing import file_fingerprint, file_sha256, is_unchanged
from nucleusnet_core.inputs.channels import ONE_PLANE, Channels
from nucleusnet_core.inputs.pairs import Source
from nucleusnet_core.small_files import read_bytes

from ..cutting.recipe import Frame, Outside, Recipe
from .receipt import Receipt, labels_path, piece_path, receipt_path

PIECE_FORMAT = 5
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
        channels: that are taken of every image.
    """

    recipe: Recipe
    frame: Frame
    outside: Outside
    ignore_file_scale: bool
    seed: int
    versions: tuple[str, ...]
    channels: Channels = ONE_PLANE

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
    """Return the fingerprints of all files of an image, one after the other."""
    return [number for path in source_files(source) for number in file_fingerprint(path)]


def source_files(source: Source) -> tuple[Path, ...]:
    """Return the image, its mask and the files of its further channels."""
    return source.image_path, source.mask_path, *source.further_paths


def known_fingerprint(source: Source) -> list[int]:
    """Return `source_fingerprint`, with -1 for each number of a file that cannot be found."""
    return [number for path in source_files(source) for number in _known_file_fingerprint(path)]


def _known_file_fingerprint(path: Path) -> list[int]:
    try:
        return file_fingerprint(path)
    except OSError:
        return [-1] * _FINGERPRINT_NUMBERS


def channel_files(task: PieceTask) -> list[str]:
    """Return the file name of each further channel."""
    source = task.source
    inside = [source.image_path] * len(task.parameters.channels.further)
    return [path.name for path in (source.further_paths or inside)]


def valid_receipt(task: PieceTask) -> Receipt | None:
    """Return the receipt of a finished piece if it is valid: same sources, same parameters, undamaged files."""
    stem, directory = task.source.stem, task.pieces_dir
    try:
        receipt = Receipt.from_json(read_bytes(receipt_path(directory, stem)))
        same = (
            receipt.key == task.parameters.key(task.source)
            and (receipt.image_file, receipt.mask_file) == (task.source.image_path.name, task.source.mask_path.name)
            and receipt.channel_files == channel_files(task)
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
    """Return whether all files of an image have the bytes of which the receipt states the hash.

    Raises:
        OSError: one cannot be read.
    """
    paths = source_files(source)
    hashes = [receipt.image_sha256, receipt.mask_sha256, *receipt.channel_sha256][: len(paths)]
    stated = zip(*[iter(receipt.fingerprint)] * _FINGERPRINT_NUMBERS, strict=True)
    return all(
        is_unchanged(path, list(numbers), sha256) for path, numbers, sha256 in zip(paths, stated, hashes, strict=True)
    )
