"""`provenance.parquet`: every label that was found, what became of it, and the files that it came from."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import pyarrow as pa

from nucleusnet_core.contract import NO_NUCLEI, PROVENANCE_NAME
from nucleusnet_core.errors import CorruptDataError

from ..pieces.receipt import Receipt, labels_path
from .parquet_writer import SMALL_ROW_GROUP_ROWS, in_groups, write_parquet

_FROM_RECEIPT = ("group", "image_file", "mask_file", "image_sha256", "mask_sha256")
SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in ("stitched_image", *_FROM_RECEIPT)),
        ("label", pa.uint32()),
        ("outcome", pa.string()),
    ]
)


def write_provenance(
    folder: Path, receipts: Iterable[Receipt], pieces_dir: Path, *, facts: Mapping[str, str] | None = None
) -> None:
    """Write one row per label, sorted by image and label; an image without labels has one row without a label.

    Args:
        folder: the dataset folder.
        receipts: of all images, in any order; memory holds the labels of one image and one row group.
        pieces_dir: where their label files lie.
        facts: metadata of the Parquet file.
    """
    ordered = sorted(receipts, key=lambda receipt: receipt.stem)
    tables = (image_labels(receipt, pieces_dir) for receipt in ordered)
    write_parquet(folder / PROVENANCE_NAME, SCHEMA.with_metadata(facts), in_groups(tables, SMALL_ROW_GROUP_ROWS))


def image_labels(receipt: Receipt, pieces_dir: Path) -> pa.Table:
    """Return the rows of one image.

    Raises:
        CorruptDataError: the file of its labels is damaged.
    """
    path = labels_path(pieces_dir, receipt.stem)
    try:
        with pa.OSFile(str(path)) as source, pa.ipc.open_file(source) as reader:
            labels = reader.read_all()
    except (OSError, pa.ArrowException, ValueError, TypeError) as error:
        raise CorruptDataError(f"{path} is damaged ({error}); call the build again.") from error
    if labels.num_rows == 0:
        labels = pa.table({"label": pa.array([None], pa.uint32()), "outcome": pa.array([NO_NUCLEI])})
    facts = [receipt.stem, *(getattr(receipt, name) for name in _FROM_RECEIPT)]
    repeated = [pa.repeat(fact, labels.num_rows) for fact in facts]
    return pa.table([*repeated, labels.column("label"), labels.column("outcome")], schema=SCHEMA)
