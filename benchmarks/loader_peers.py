"""The loaders that are compared: each opens the same crops in its own format, in batches of 256 images.

All decode to uint8 `(B, 1, 256, 256)`. Where a loader leaves the decoding of PNG to the user, OpenCV does it. Runs also
with a Python that has the other loaders and none of what the build needs.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import BatchSampler, DataLoader, RandomSampler

from nucleusnet_core.contract import CROP_PX, DATA_FOLDER

OURS, PLAIN = "ours", "plain"
"""Folders of the crops: as this project writes them, and as plain PNG in Parquet."""
CHECKSUMS = "checksums.npy"
BATCH = 256
BUFFER = 1000
"""Rows of the shuffle buffers."""


def decode_into(png: Any, pixels: Any) -> None:
    """Decode a PNG file into an array `(256, 256)`."""
    import cv2

    pixels[:] = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_UNCHANGED)


def decoded(pngs: Sequence[Any]) -> torch.Tensor:
    """Return the pixels of PNG files as a batch."""
    images = torch.empty((len(pngs), 1, CROP_PX, CROP_PX), dtype=torch.uint8)
    for png, image in zip(pngs, images.numpy(), strict=True):
        decode_into(png, image[0])
    return images


def decoded_one(png: Any) -> torch.Tensor:
    """Return the pixels of a PNG file, `(1, 256, 256)`."""
    return decoded([png])[0]


def this_project(folder: Path, workers: int) -> Iterable[Any]:
    from loaders import train_loader

    return train_loader(str(folder / OURS), "train", batch_size=BATCH, num_workers=workers, drop_last=False)


def hf_stream(folder: Path) -> Any:
    """Open a folder's Parquet files as `datasets` streams them."""
    import datasets

    files = sorted(str(path) for path in (folder / DATA_FOLDER).glob("*.parquet"))
    return datasets.load_dataset("parquet", data_files=files, split="train", streaming=True).select_columns(["image"])


def hf_plain(folder: Path, workers: int) -> Iterable[Any]:
    return DataLoader(hf_stream(folder / PLAIN).with_format("torch"), batch_size=BATCH, num_workers=workers)


def hf_shuffled(folder: Path, workers: int) -> Iterable[Any]:
    leave_out_sleep()
    stream = hf_stream(folder / PLAIN).shuffle(seed=0, buffer_size=BUFFER)
    return DataLoader(stream.with_format("torch"), batch_size=BATCH, num_workers=workers)


def leave_out_sleep() -> None:
    """Set to 0 the 5 s that `datasets` sleeps when it has read several Parquet files side by side."""
    import datasets

    datasets.config.SLEEP_TIME_ON_THREADS_SHUTDOWN = 0


def hf_on_ours(folder: Path, workers: int) -> Iterable[Any]:
    return DataLoader(hf_stream(folder / OURS).with_format("torch"), batch_size=BATCH, num_workers=workers)


def hf_tuned(folder: Path, workers: int) -> Iterable[Any]:
    import datasets

    stream = hf_stream(folder / PLAIN).cast_column("image", datasets.Image(decode=False))
    batches = stream.with_format("arrow").batch(BATCH)
    return DataLoader(batches, batch_size=None, num_workers=workers, collate_fn=decoded_table)


def decoded_table(table: Any) -> torch.Tensor:
    """Return the images in the only cell of an Arrow table as a batch."""
    cells = table["image"].combine_chunks().flatten().field("bytes")
    return decoded([cell.as_buffer() for cell in cells])


def hf_map(folder: Path, workers: int) -> Iterable[Any]:
    import datasets

    files = sorted(str(path) for path in (folder / PLAIN / DATA_FOLDER).glob("*.parquet"))
    rows = datasets.load_dataset("parquet", data_files=files, split="train", cache_dir=str(folder / "hf-cache"))
    rows = rows.select_columns(["image"]).with_format("torch")
    return DataLoader(rows, batch_size=BATCH, num_workers=workers, shuffle=True)


def litdata_png(folder: Path, workers: int) -> Iterable[Any]:
    return litdata_loader(folder / "litdata-png", workers, decoded_one)


def litdata_zstd(folder: Path, workers: int) -> Iterable[Any]:
    return litdata_loader(folder / "litdata-zstd", workers, from_pixels)


def from_pixels(pixels: Any) -> torch.Tensor:
    """Return pixels `(256, 256)` as a tensor `(1, 256, 256)`; a copy where the array cannot be written to."""
    return torch.from_numpy(pixels if pixels.flags.writeable else pixels.copy())[None]


def litdata_loader(folder: Path, workers: int, decode: Callable[[Any], torch.Tensor]) -> Iterable[Any]:
    import litdata

    class Crops(litdata.StreamingDataset):
        def __getitem__(self, number: Any) -> torch.Tensor:
            return decode(super().__getitem__(number)["image"])

    return litdata.StreamingDataLoader(Crops(str(folder), shuffle=True), batch_size=BATCH, num_workers=workers)


def mosaicml_png(folder: Path, workers: int) -> Iterable[Any]:
    return mosaicml_loader(folder / "mosaicml-png", workers, decoded_one)


def mosaicml_zstd(folder: Path, workers: int) -> Iterable[Any]:
    """Open the first epoch, in which shards are unpacked to disk when they are first needed."""
    for unpacked in (folder / "mosaicml-zstd").glob("*.mds"):
        unpacked.unlink()
    return mosaicml_loader(folder / "mosaicml-zstd", workers, from_raw)


def mosaicml_unpacked(folder: Path, workers: int) -> Iterable[Any]:
    """Open later epochs, in which all shards lie unpacked on disk."""
    return mosaicml_loader(folder / "mosaicml-unpacked", workers, from_raw)


def from_raw(data: bytes) -> torch.Tensor:
    """Return raw pixels as a tensor `(1, 256, 256)`."""
    return torch.frombuffer(bytearray(data), dtype=torch.uint8).view(1, CROP_PX, CROP_PX)


def mosaicml_loader(folder: Path, workers: int, decode: Callable[[bytes], torch.Tensor]) -> Iterable[Any]:
    from benchmarks.loader_formats import define_torchvision_operators

    define_torchvision_operators()
    import streaming

    class Crops(streaming.StreamingDataset):
        def __getitem__(self, number: Any) -> torch.Tensor:
            return decode(super().__getitem__(number)["image"])

    streaming.base.util.clean_stale_shared_memory()
    crops = Crops(local=str(folder), shuffle=True, batch_size=BATCH)
    return DataLoader(crops, batch_size=BATCH, num_workers=workers)


def webdataset(folder: Path, workers: int) -> Iterable[Any]:
    import webdataset as wds

    urls = sorted(str(path) for path in (folder / "webdataset").iterdir())
    crops = wds.WebDataset(urls, shardshuffle=100, seed=0, nodesplitter=None, empty_check=False).shuffle(BUFFER)
    batches = crops.map(lambda crop: decoded_one(crop["png"])).batched(BATCH, collation_fn=torch.stack)
    return wds.WebLoader(batches, batch_size=None, num_workers=workers)


def lance(folder: Path, workers: int) -> Iterable[Any]:
    from lance.torch.data import SafeLanceDataset, get_safe_loader

    crops = SafeLanceDataset(str(folder / "lance"))
    if workers:
        return get_safe_loader(crops, batch_size=BATCH, num_workers=workers, shuffle=True, collate_fn=decoded_rows)
    numbers = BatchSampler(RandomSampler(crops), BATCH, drop_last=False)
    return (decoded_rows(crops.__getitems__(batch)) for batch in numbers)


def decoded_rows(rows: Sequence[dict[str, Any]]) -> torch.Tensor:
    """Return the images of rows as a batch."""
    return decoded([row["image"] for row in rows])


def grain(folder: Path, workers: int) -> Iterable[Any]:
    import grain
    from grain.sources import ArrayRecordDataSource

    source = ArrayRecordDataSource(sorted(str(path) for path in (folder / "grain").iterdir()))
    threads = grain.ReadOptions(num_threads=1 if workers else 2)
    crops = grain.MapDataset.source(source).shuffle(seed=0).map(decoded_array).to_iter_dataset(threads).batch(BATCH)
    return crops.mp_prefetch(grain.MultiprocessingOptions(num_workers=workers)) if workers else crops


def decoded_array(png: bytes) -> Any:
    """Return the pixels of a PNG file as an array `(1, 256, 256)`."""
    pixels = np.empty((1, CROP_PX, CROP_PX), np.uint8)
    decode_into(png, pixels[0])
    return pixels


@dataclass(frozen=True)
class Loader:
    """One row of the table.

    Attributes:
        title: its name there.
        package: that it needs, empty for none.
        open: opens the crops below a folder, with a number of worker processes.
        with_start: whether the time until the first batch counts.
    """

    title: str
    package: str
    open: Callable[[Path, int], Iterable[Any]]
    with_start: bool = False


LOADERS = {
    "ours": Loader("**train_loader**, shuffled", "", this_project),
    "litdata-zstd": Loader("LitData, raw pixels with zstd, shuffled", "litdata", litdata_zstd),
    "litdata-png": Loader("LitData, PNG, shuffled", "litdata", litdata_png),
    "mosaicml-zstd": Loader(
        "MosaicML, raw pixels with zstd, first epoch with unpacking, shuffled",
        "mosaicml-streaming",
        mosaicml_zstd,
        with_start=True,
    ),
    "mosaicml-unpacked": Loader(
        "MosaicML, raw pixels without compression (65 KB a crop), shuffled", "mosaicml-streaming", mosaicml_unpacked
    ),
    "mosaicml-png": Loader("MosaicML, PNG, shuffled", "mosaicml-streaming", mosaicml_png),
    "webdataset": Loader("WebDataset, PNG, shuffle(1000)", "webdataset", webdataset),
    "lance": Loader("Lance, PNG, shuffled", "pylance", lance),
    "grain": Loader("Grain on ArrayRecord, PNG, shuffled", "grain", grain),
    "hf-on-ours": Loader("datasets, streaming, files of this project, not shuffled", "datasets", hf_on_ours),
    "hf-tuned": Loader("datasets, streaming, Arrow batches and OpenCV, not shuffled", "datasets", hf_tuned),
    "hf-plain": Loader("datasets, streaming, plain PNG, not shuffled", "datasets", hf_plain),
    "hf-shuffled": Loader("datasets, streaming, plain PNG, shuffle(1000)", "datasets", hf_shuffled),
    "hf-map": Loader("datasets, map-style, plain PNG, shuffled", "datasets", hf_map),
}
