"""The receipt of one stitched image: what its piece holds, and the bytes and parameters it was made from."""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from nucleusnet_core.small_files import parse_json


@dataclass(frozen=True)
class Receipt:
    """One finished stitched image; written last, so that a piece without a receipt does not count.

    Attributes:
        stem: name of the stitched image without its suffix, NFC.
        image_file: file name of the image, without folders.
        mask_file: file name of the mask, without folders.
        run: run number, or None where the name has no run or it is not an integer.
        run_name: the run as text; the stem where the name has none.
        columns: values of the dataset's own columns, in their order.
        group: what splits keep together.
        split: the split that the sample sheet gives, or None.
        quarter: quarter of the coverslip (TL, TR, BL, BR) or None.
        position: position in the quarter or None.
        height: rows of the stitched image, px.
        width: columns of the stitched image, px.
        bit_depth: bits of a pixel, 8 or 16.
        pixels_per_um: scale of the image.
        scale_source: where the scale was taken from, such as "ImageJ" or "--pixels-per-um".
        warnings: what looks wrong, as words of `checks.WARNING_TEXTS`.
        num_rois: distinct labels found.
        kept: labels that became rows.
        dropped: number of labels left out, by reason; 0 for a reason that did not occur.
        mean_intensity: mean over all mask pixels of the image, None without any.
        std_intensity: population standard deviation over all mask pixels, None without any.
        channel_files: file names of the further channels, in the order of the dataset; that of the image for a
            channel which lies in it.
        channel_sha256: of their bytes.
        image_sha256: of the image file's bytes.
        mask_sha256: of the mask file's bytes.
        cells_bytes: total size of the compressed image and mask cells, for planning shards (files of the dataset).
        key: SHA-256 of everything the piece depends on besides the source bytes (parameters, versions).
        fingerprint: `file_fingerprint` of image and mask, one after the other, when they were read; never published.
        piece_sha256: of the piece file's bytes.
        labels_sha256: of the label file's bytes.
    """

    stem: str
    image_file: str
    mask_file: str
    run: int | None
    run_name: str
    columns: list[int | float | bool | str | None]
    group: str
    split: str | None
    quarter: str | None
    position: str | None
    height: int
    width: int
    bit_depth: int
    pixels_per_um: float
    scale_source: str
    warnings: list[str]
    num_rois: int
    kept: int
    dropped: dict[str, int]
    mean_intensity: float | None
    std_intensity: float | None
    channel_files: list[str]
    channel_sha256: list[str]
    image_sha256: str
    mask_sha256: str
    cells_bytes: int
    key: str
    fingerprint: list[int]
    piece_sha256: str
    labels_sha256: str

    def to_json(self) -> bytes:
        """Return the receipt as UTF-8 JSON with sorted keys and a checksum of the other fields."""
        fields = asdict(self)
        checksum = hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()
        return (json.dumps({"checksum": checksum, **fields}, sort_keys=True, indent=1) + "\n").encode()

    @classmethod
    def from_json(cls, data: bytes) -> Self:
        """Return the receipt that `to_json` wrote.

        Raises:
            ValueError: `data` is not a receipt of this format, or a byte of it changed.
        """
        fields: Any = parse_json(data)
        if not isinstance(fields, dict) or fields.keys() != {"checksum", *cls.__dataclass_fields__}:
            raise ValueError("the fields are not those of a receipt of this format; the image must be cut again.")
        del fields["checksum"]
        receipt = cls(**fields)
        if receipt.to_json() != data:
            raise ValueError("the receipt has changed since it was written; remove the file.")
        return receipt


BITS_KEY = b"bit_depth"
"""Key of the metadata of a piece that says how many bits the pixels of its images have."""


def stored_name(column: str) -> str:
    """Return the column of a piece with the compressed cells of a column of the dataset."""
    return f"{column}_zstd"


def piece_path(pieces_dir: Path, stem: str) -> Path:
    """Return the path of the Arrow IPC file with the rows of one stitched image, sorted by (row_hash, nucleus_id)."""
    return pieces_dir / f"{stem}.rows.arrow"


def labels_path(pieces_dir: Path, stem: str) -> Path:
    """Return the path of the Arrow IPC file with columns `label` uint32 and `outcome` string (contract.KEPT, ...)."""
    return pieces_dir / f"{stem}.labels.arrow"


def receipt_path(pieces_dir: Path, stem: str) -> Path:
    """Return the path of the JSON receipt of one stitched image."""
    return pieces_dir / f"{stem}.receipt.json"


def failure_path(pieces_dir: Path, stem: str) -> Path:
    """Return the path of the JSON note that one of several jobs leaves about an image that cannot be used."""
    return pieces_dir / f"{stem}.failed.json"
