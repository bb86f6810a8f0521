"""Write the plain crops in the formats of the loaders that are installed, and print which these are, as JSON.

Runs with a Python that has the other loaders. Crops lie run after run, as they do in the plain Parquet.
"""

import argparse
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

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.loader_peers import PLAIN
from nucleusnet_core.contract import DATA_FOLDER

SHARDS = 8
CHUNK_BYTES = 1 << 26


def define_torchvision_operators() -> None:
    """Define operators that torchvision from PyPI needs and that a CPU build of torch does not bring."""
    import torch

    library = torch.library.Library("torchvision", "FRAGMENT")
    for name in ("nms", "qnms"):
        with contextlib.suppress(RuntimeError):  # where torchvision and torch fit, they are there already
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    define_torchvision_operators.kept = library


def read_pngs(folder: Path) -> list[bytes]:
    """Return the plain crops."""
    tables = [pq.read_table(path, columns=["image"]) for path in sorted((folder / PLAIN / DATA_FOLDER).iterdir())]
    return [cell["bytes"] for table in tables for cell in table["image"].to_pylist()]


def pixels_of(png: bytes) -> npt.NDArray[np.uint8]:
    """Return the pixels of a PNG file, (256, 256)."""
    return np.array(Image.open(io.BytesIO(png)))


def raw_pixels(png: bytes) -> bytes:
    """Return the pixels of a PNG file as bytes."""
    return pixels_of(png).tobytes()


def write_litdata(folder: Path, pngs: list[bytes]) -> None:
    """Write PNG files, and raw pixels with zstd."""
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
    """Return the plain crops, read once in each process."""
    return read_pngs(folder)


def png_item(folder: Path, number: int) -> dict[str, bytes]:
    """Return the PNG file of a crop."""
    return {"image": cached_pngs(folder)[number]}


def pixel_item(folder: Path, number: int) -> dict[str, npt.NDArray[np.uint8]]:
    """Return the pixels of a crop."""
    return {"image": pixels_of(cached_pngs(folder)[number])}


def write_mosaicml(folder: Path, pngs: list[bytes]) -> None:
    """Write PNG files, raw pixels with zstd, and raw pixels without compression."""
    define_torchvision_operators()
    from streaming import MDSWriter

    formats = (("png", None, bytes), ("zstd", "zstd:3", raw_pixels), ("unpacked", None, raw_pixels))
    for name, compression, encode in formats:
        out = str(folder / f"mosaicml-{name}")
        with MDSWriter(out=out, columns={"image": "bytes"}, compression=compression, size_limit=CHUNK_BYTES) as writer:
            for png in pngs:
                writer.write({"image": encode(png)})


def write_webdataset(folder: Path, pngs: list[bytes]) -> None:
    """Write tar files of PNG files."""
    (folder / "webdataset").mkdir()
    for shard, numbers in enumerate(np.array_split(np.arange(len(pngs)), SHARDS)):
        with tarfile.open(folder / "webdataset" / f"{shard:05d}.tar", "w") as file:
            for number in numbers.tolist():
                facts = tarfile.TarInfo(f"{number:08d}.png")
                facts.size = len(pngs[number])
                file.addfile(facts, io.BytesIO(pngs[number]))


def write_lance(folder: Path, pngs: list[bytes]) -> None:
    """Write a column of PNG files."""
    import lance

    table = pa.table({"image": pa.array(pngs, pa.large_binary())})
    lance.write_dataset(table, str(folder / "lance"), max_rows_per_file=-(-len(pngs) // SHARDS))


def write_grain(folder: Path, pngs: list[bytes]) -> None:
    """Write ArrayRecord files of PNG files."""
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
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="folder of the plain crops, in which the others are written")
    folder = parser.parse_args().folder
    pngs = read_pngs(folder)
    versions = {}
    for package, write in WRITERS.items():
        try:
            number = version(package)
            with contextlib.redirect_stdout(sys.stderr):
                write(folder, pngs)
        except ImportError as error:
            print(f"{package} is left out: {error}", file=sys.stderr)
        else:
            versions[package] = number
    print(json.dumps(versions))


if __name__ == "__main__":
    main()
