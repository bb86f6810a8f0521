"""Folders to archive: files of the right names, with bytes that nobody decodes."""

import hashlib
import os
import random
from pathlib import Path

from builder.archive.archive import ArchiveOptions
from builder.archive.metadata import Creator, RecordMetadata
from builder.archive.plan import Limits
from tests.dataset_folder import write_dataset_folder

IMAGE_BYTES, MASK_BYTES = 100_000, 3_000
METADATA = RecordMetadata(
    title="CV-1 nuclei",
    description="Nuclei of CV-1 cells.\n\nStained with DAPI & imaged <confocal>.",
    creators=(Creator("Doe, Jane", "Some Institute", "0000-0002-1825-0097"), Creator("Roe, Max", "Some Institute")),
    license="CC-BY-4.0",
    keywords=("nuclei", "DAPI"),
    version="1.0.0",
    published="2026-01-02",
)
SMALL = Limits(record_bytes=700_000, record_files=5, zip_bytes=250_000)
"""Two pairs a zip, two zips a record."""


def write_stitched(folder: Path, images: int, *, image_bytes: int = IMAGE_BYTES) -> None:
    """Write pairs of "images" and "masks"; the same number gives the same bytes."""
    folder.mkdir(parents=True)
    for number in range(images):
        generator = random.Random(number)
        (folder / f"Run{number:02d}TL_top_left.tif").write_bytes(generator.randbytes(image_bytes))
        (folder / f"Run{number:02d}TL_top_left_cp_masks.png").write_bytes(generator.randbytes(MASK_BYTES))


def write_dataset(folder: Path) -> None:
    """Write a small dataset folder with card and checksums."""
    write_dataset_folder(folder, {"train": 12, "validation": 5})
    (folder / "README.md").write_text(
        "---\npretty_name: Nuclei of Verdigris\nlicense: cc-by-nc-4.0\ntags:\n- nuclei\n- copper\n---\n\n"
        "# Nuclei of Verdigris\n\nEvery nucleus of\nan old roof.\n\n## Load it\n",
        "utf-8",
    )
    paths = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    lines = [f"{sha256(folder / path)}  {path}\n" for path in paths if path != "README.md"]
    (folder / "SHA256SUMS").write_text("".join(lines), "utf-8")


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def options(source: Path, out: Path, limits: Limits = SMALL, *, overwrite: bool = False) -> ArchiveOptions:
    return ArchiveOptions(source, out, METADATA, limits, overwrite=overwrite)


def touch(path: Path) -> None:
    """Give a file another time of modification."""
    facts = path.stat()
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns + 1_000_000_000))
