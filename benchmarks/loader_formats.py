"""Writes the plain crops in the formats of other loaders, where these are installed; prints which in one line of JSON.

    python loader_formats.py FOLDER

Runs with a Python that has the other loaders. Crops lie run after run, as they do in the plain Parquet.
"""

import contextlib
import functools
import io
import json
import sys
import tarfile
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

SHARDS = 8
CHUNK_BYTES = 1 << 26


def define_torchvision_operators() -> None:
    """Let torchvision from PyPI be imported beside a CPU build of torch: it expects these operators."""
    import torch

    library = torch.library.Library("torchvision", "FRAGMENT")
    for name in ("nms", "qnms"):
        with contextlib.suppress(RuntimeError):  # where torchvision and torch fit, they are there already
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    define_torchvision_operators.kept = library


def read_pngs(folder: Path) -> list[bytes]:
    """Read the plain crops."""
    tables = [pq.read_table(path, columns=["image"]) for path in sorted((folder / "plain" / "data").iterdir())]
    return [cell["bytes"] for table in tables for cell in table["image"].to_pylist()]


def pixels_of(png: bytes) -> npt.NDArray[np.uint8]:
    """Decode a crop."""
    return np.array(Image.open(io.BytesIO(png)))


def raw_pixels(png: bytes) -> bytes:
    """Decode a crop to the bytes of its pixels."""
    return pixels_of(png).tobytes()


def write_litdata(folder: Path, pngs: list[bytes]) -> None:
    """PNG files, and raw pixels with zstd."""
    import litdata

    for name, item, compression in (("png", png_item, None), ("zstd", pixel_item, "zstd")):
        litdata.optimize(
            fn=functools.partial(item, folder),
            inputs=list(range(len(pngs))),
            output_dir=str(folder / f"litdata-{name}"),
            chunk_bytes=CHUNK_BYTES,
            compression=compression,
            num_workers=1,
            reorder_files=False,
            start_method="fork",
        )


@functools.cache
def cached_pngs(folder: Path) -> list[bytes]:
    """Read the plain crops once a process."""
    return read_pngs(folder)


def png_item(folder: Path, number: int) -> dict[str, bytes]:
    """Give the PNG file of a crop."""
    return {"image": cached_pngs(folder)[number]}


def pixel_item(folder: Path, number: int) -> dict[str, npt.NDArray[np.uint8]]:
    """Give the pixels of a crop."""
    return {"image": pixels_of(cached_pngs(folder)[number])}


def write_mosaicml(folder: Path, pngs: list[bytes]) -> None:
    """PNG files, and raw pixels with zstd."""
    define_torchvision_operators()
    from streaming import MDSWriter

    formats = (("png", None, bytes), ("zstd", "zstd:3", raw_pixels), ("unpacked", None, raw_pixels))
    for name, compression, encode in formats:
        out = str(folder / f"mosaicml-{name}")
        with MDSWriter(out=out, columns={"image": "bytes"}, compression=compression, size_limit=CHUNK_BYTES) as writer:
            for png in pngs:
                writer.write({"image": encode(png)})


def write_webdataset(folder: Path, pngs: list[bytes]) -> None:
    """Tar files of PNG files."""
    (folder / "webdataset").mkdir()
    for shard, numbers in enumerate(np.array_split(np.arange(len(pngs)), SHARDS)):
        with tarfile.open(folder / "webdataset" / f"{shard:05d}.tar", "w") as file:
            for number in numbers.tolist():
                facts = tarfile.TarInfo(f"{number:08d}.png")
                facts.size = len(pngs[number])
                file.addfile(facts, io.BytesIO(pngs[number]))


def write_lance(folder: Path, pngs: list[bytes]) -> None:
    """A column of PNG files."""
    import lance

    table = pa.table({"image": pa.array(pngs, pa.large_binary())})
    lance.write_dataset(table, str(folder / "lance"), max_rows_per_file=-(-len(pngs) // SHARDS))


def write_grain(folder: Path, pngs: list[bytes]) -> None:
    """ArrayRecord files of PNG files."""
    import grain  # noqa: F401 - without it nothing reads them
    from array_record.python.array_record_module import ArrayRecordWriter

    (folder / "grain").mkdir()
    for shard, numbers in enumerate(np.array_split(np.arange(len(pngs)), SHARDS)):
        writer = ArrayRecordWriter(str(folder / "grain" / f"{shard:05d}.array_record"), "group_size:1,uncompressed")
        for number in numbers.tolist():
            writer.write(pngs[number])
        writer.close()


WRITERS: dict[str, Callable[[Path, list[bytes]], None]] = {
    "litdata": write_litdata,
    "mosaicml-streaming": write_mosaicml,
    "webdataset": write_webdataset,
    "pylance": write_lance,
    "grain": write_grain,
}


def main() -> None:
    """Write every format that can be written."""
    folder = Path(sys.argv[1])
    pngs = read_pngs(folder)
    versions = {}
    for package, write in WRITERS.items():
        try:
            number = version(package)
            with contextlib.redirect_stdout(sys.stderr):
                write(folder, pngs)
        except ImportError as error:
            print(f"{package} left out: {error}", file=sys.stderr)
        else:
            versions[package] = number
    print(json.dumps(versions))


if __name__ == "__main__":
    main()
