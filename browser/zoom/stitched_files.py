"""Where stitched images and their masks lie: found as `build` finds them."""

from pathlib import Path

from nucleusnet_core.errors import PairingError
from nucleusnet_core.stitched_names import (
    SHOWN_IMAGE_SUFFIXES,
    find_image_files,
    find_mask_files,
    is_segmentation,
    list_files,
    say_several,
)


class StitchedFiles:
    """The stitched images and masks of one or two folders, by name.

    An image in PNG counts only where there is none of this name that a build reads.

    Args:
        images: folder of the images.
        masks: folder of the masks; None for that of the images.
        recursive: look in subfolders too.

    Raises:
        UsageError: a folder does not exist.
    """

    def __init__(self, images: Path, masks: Path | None = None, *, recursive: bool = False) -> None:
        self._image_folder, self._mask_folder = images, masks or images
        files = list_files(images, recursive=recursive)
        mask_files = files if masks is None else list_files(masks, recursive=recursive)
        self._images = find_image_files(files, suffixes=SHOWN_IMAGE_SUFFIXES) | find_image_files(files)
        self._masks = find_mask_files(mask_files)

    def __contains__(self, name: str) -> bool:
        return name in self._images and name in self._masks

    def pair(self, name: str) -> tuple[Path, Path]:
        """Return the image and the mask of a name.

        Raises:
            PairingError: one is missing, several have this name, or the only mask is a `_seg.npy`.
        """
        images, masks = self._images.get(name, []), self._masks.get(name, [])
        for kind, paths in (("images", images), ("masks", masks)):
            if len(paths) > 1:
                raise PairingError(say_several(kind, name, paths))
        if not images:
            raise PairingError(f"{self._image_folder} has no image {name}.tif; give the folder that was built.")
        if not masks:
            raise PairingError(
                f"{self._mask_folder} has no mask {name}_cp_masks.png; give the folder of the masks with --masks."
            )
        if is_segmentation(masks[0].name):
            raise PairingError(f"{masks[0]} is not a picture; save its masks as PNG or TIFF.")
        return images[0], masks[0]
