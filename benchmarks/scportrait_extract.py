"""CPU seconds of scPortrait's single-cell extraction from an image and its label image; prints one line of JSON.

Runs with a Python that has scPortrait: it needs an environment of its own. Nothing is segmented: the label image is
given as the segmentation, and `extract()` cuts 256 px around every label, as the build does.
"""

import contextlib
import json
import resource
import sys
from pathlib import Path

import numpy as np
import torch

# torchvision from PyPI expects these operators, which a CPU build of torch does not bring.
_OPERATORS = torch.library.Library("torchvision", "FRAGMENT")
for _name in ("nms", "qnms"):
    with contextlib.suppress(RuntimeError):  # where torchvision and torch fit, they are there already
        _OPERATORS.define(f"{_name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")

import imagecodecs
import scportrait
import tifffile
import yaml
from scportrait.pipeline.extraction import HDF5CellExtraction
from scportrait.pipeline.project import Project


def cpu_seconds() -> float:
    """Return user and system time of this process and of its ended children."""
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def main() -> None:
    """Load image and labels into a project, and extract."""
    image_path, mask_path, folder = map(Path, sys.argv[1:4])
    folder.mkdir(parents=True)
    begun = cpu_seconds()
    image, labels = tifffile.imread(image_path), imagecodecs.imread(mask_path).astype(np.uint32)
    config = {"threads": 1, "image_size": 256, "cache": str(folder), "normalize_output": False, "compression": "lzf"}
    (folder / "config.yml").write_text(yaml.safe_dump({"HDF5CellExtraction": config}))
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
    print(json.dumps({"version": scportrait.__version__, "extract": ended - loaded, "all": ended - begun}))


if __name__ == "__main__":
    main()
