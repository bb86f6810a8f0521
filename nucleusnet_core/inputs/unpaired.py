"""What is said where images and masks do not pair up."""

from collections.abc import Iterable
from pathlib import Path

from ..errors import Failure
from ..stitched_names import FoundFiles, name_below
from ..terminal.wording import counted

MOST_STEM_BYTES = 200
"""Of a stem in UTF-8: file systems allow 255 for a name, and ours add to it."""


def nothing_to_pair(found: FoundFiles, folder: Path, masks: Path | None) -> str:
    """Return the message about folders without images, without masks, or without both."""
    there = masks or folder
    images, files = counted(len(found.images), "image"), counted(len(found.files), "file")
    if not found.images and not found.masks:
        return (
            f"{folder} holds no stitched image <name>.tif and no mask <name>_cp_masks.png among its {files}; give the "
            "folder that holds them, or --recursive to look in its subfolders."
        )
    if not found.masks:
        return (
            f"{there} holds no mask <name>_cp_masks.png among its {counted(len(found.mask_files), 'file')}, and "
            f"{folder} holds {images}; segment the images, or {_where(masks)}"
        )
    return (
        f"{folder} holds no image <name>.tif among its {files}, and {there} holds {counted(len(found.masks), 'mask')}; "
        "give the folder of the images."
    )


def _where(masks: Path | None) -> str:
    """Return what a user can say about where masks are, and has not yet said."""
    suffix = "the ending of the masks' names with --mask-suffix."
    return f"give {suffix}" if masks is not None else f"give the folder of the masks with --masks, or {suffix}"


def long_names(images: Iterable[str]) -> list[Failure]:
    """Return a failure for each stem that is too long: files of the build, and nuclei, are called after it."""
    return [
        Failure(
            stem,
            f"the name of {stem[:20]}... has {size:,} bytes in UTF-8 without its suffix (with the subfolders that it "
            f"lies in); it may have {MOST_STEM_BYTES}: shorten it.",
        )
        for stem in images
        if (size := len(stem.encode())) > MOST_STEM_BYTES
    ]


def unpaired(found: FoundFiles, folder: Path, masks: Path | None) -> list[Failure]:
    """Return a failure for each image without a mask and each mask without an image."""
    there = masks or folder
    no_mask = [
        Failure(
            stem,
            f"{path} has no mask {name_below(path, folder)}_cp_masks.png in {there}; segment the image, or "
            f"{_where(masks)}",
        )
        for stem in found.images.keys() - found.masks.keys()
        for path in found.images[stem][:1]
    ]
    no_image = [
        Failure(stem, f"{found.masks[stem][0]} has no image {stem}.tif in {folder}; add the image or remove the mask.")
        for stem in found.masks.keys() - found.images.keys()
    ]
    return no_mask + no_image
