"""The receipt of one stitched image: what its piece holds, and from which bytes and parameters it was made."""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self


@dataclass(frozen=True)
class Receipt:
    """One finished stitched image; written last, so a piece without a receipt does not count.

    Attributes:
        stem: name of the stitched image without its suffix, NFC.
        image_file: file name of the image, without folders.
        mask_file: file name of the mask, without folders.
        run: run number, or None where the name holds no integer run.
        run_group: what splits keep together: the run, or the stem of an image that names none.
        quarter: quarter of the coverslip (TL, TR, BL, BR) or None.
        position: position in the quarter or None.
        height: rows of the stitched image, px.
        width: columns of the stitched image, px.
        bit_depth: bits of a pixel, 8 or 16.
        num_rois: distinct labels found.
        kept: labels that became rows.
        dropped: number of labels left out, by reason; every reason of the recipe, also with 0.
        mean_intensity: mean over all mask pixels of the image, None without any.
        std_intensity: population standard deviation over all mask pixels, None without any.
        image_sha256: of the image file's bytes.
        mask_sha256: of the mask file's bytes.
        cells_bytes: summed size of the compressed image and mask cells, for planning shards.
        key: SHA-256 of everything the piece depends on besides the source bytes (parameters, versions).
        fingerprint: size and modification time of both source files when they were read; never published.
        piece_sha256: of the piece file's bytes.
        labels_sha256: of the label file's bytes.
    """

    stem: str
    image_file: str
    mask_file: str
    run: int | None
    run_group: str
    quarter: str | None
    position: str | None
    height: int
    width: int
    bit_depth: int
    num_rois: int
    kept: int
    dropped: dict[str, int]
    mean_intensity: float | None
    std_intensity: float | None
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
        """Read what `to_json` wrote.

        Raises:
            ValueError: `data` is no receipt of this format, or a byte of it changed.
        """
        fields: Any = json.loads(data)
        if not isinstance(fields, dict) or fields.keys() != {"checksum", *cls.__dataclass_fields__}:
            raise ValueError("a receipt of this format expected, other fields found; the image is to be cut again")
        del fields["checksum"]
        receipt = cls(**fields)
        if receipt.to_json() != data:
            raise ValueError("the bytes of a receipt expected as they were written, found damage; remove the file")
        return receipt


def piece_path(pieces_dir: Path, stem: str) -> Path:
    """Arrow IPC file with the rows of one stitched image, sorted by (row_hash, nucleus_id)."""
    return pieces_dir / f"{stem}.rows.arrow"


def labels_path(pieces_dir: Path, stem: str) -> Path:
    """Arrow IPC file with columns `label` uint32 and `outcome` string ("kept" or the drop reason)."""
    return pieces_dir / f"{stem}.labels.arrow"


def receipt_path(pieces_dir: Path, stem: str) -> Path:
    """JSON receipt of one stitched image."""
    return pieces_dir / f"{stem}.receipt.json"


def failure_path(pieces_dir: Path, stem: str) -> Path:
    """JSON record of why one stitched image cannot be used, left by one of several jobs."""
    return pieces_dir / f"{stem}.failed.json"
