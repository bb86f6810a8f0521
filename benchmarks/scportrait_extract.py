"""Measure the CPU seconds of scPortrait's single-cell extraction from an image and its mask; print one line of JSON.

Runs with a Python that has scPortrait, which needs an environment of its own. Nothing is segmented: the mask is given
as the segmentation, and `extract()` cuts a square around every label, of the size that the build cuts.
"""

import argparse
import contextlib
import json
import resource
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from nucleusnet_core.contract import CROP_PX


def cpu_seconds() -> float:
    """Return user and system time of this process and of its ended children."""
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def define_torchvision_operators():
    """Define operators that torchvision from PyPI needs and that a CPU build of torch does not bring."""
    import torch

    library = torch.library.Library("torchvision", "FRAGMENT")
    for name in ("nms", "qnms"):
        with contextlib.suppress(RuntimeError):  # where torchvision and torch fit, they are there already
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    return library


def extracted(image_path: Path, mask_path: Path, folder: Path) -> dict[str, float | str]:
    """Load image and mask into a project, extract, and return the CPU seconds of `extract()` and of everything."""
    import imagecodecs
    import scportrait
    import tifffile
    import yaml
    from scportrait.pipeline.extraction import HDF5CellExtraction
    from scportrait.pipeline.project import Project

    folder.mkdir(parents=True)
    begun = cpu_seconds()
    image, labels = tifffile.imread(image_path), imagecodecs.imread(mask_path).astype(np.uint32)
    config = {"threads": 1, "image_size": CROP_PX, "cache": str(folder), "normalize_output": False}
    (folder / "config.yml").write_text(yaml.safe_dump({"HDF5CellExtraction": config | {"compression": "lzf"}}))
    project = Project(
        str(folder / "project"),
        config_path=str(folder / "config.yml"),
        extraction_f=HDF5CellExtraction,
        overwrite=True,
    )
    project.load_input_from_array(image.astype(np.uint16)[None] * 257, channel_names=["DAPI"])
    project.filehandler._write_segmentation_sdata(labels, "seg_all_nucleus", overwrite=True)
    project.get_project_status()
    loaded = cpu_seconds()
    project.extract()
    ended = cpu_seconds()
    return {"version": scportrait.__version__, "extract": ended - loaded, "all": ended - begun}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("image", type=Path, help="the stitched image")
    parser.add_argument("mask", type=Path, help="its label image")
    parser.add_argument("folder", type=Path, help="where scPortrait may write; must not exist")
    arguments = parser.parse_args()
    library = define_torchvision_operators()  # in force while it exists
    print(json.dumps(extracted(arguments.image, arguments.mask, arguments.folder)))
    del library


if __name__ == "__main__":
    main()
