"""The networks: from weights to something that turns an image into flows."""

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from nucleusnet_core.errors import UsageError, WeightsError

from ..flows.flow_field import NETWORK_STEPS, Flows
from ..flows.rescale import bilinear, intensity_range, normalised
from .cellpose_modules import cellpose_modules
from .weights import WeightsFile, WeightsKind, load_state

TILE_PX = {WeightsKind.cellpose_3: 224, WeightsKind.cellpose_sam: 256, WeightsKind.cellpose_dino: 384}


@dataclass(frozen=True)
class Network:
    """A network on its device.

    Attributes:
        net: what `cellpose.core.run_net` runs.
        tile_px: side of the tiles that it is given.
        diameter_px: diameter of the nuclei that it expects.
    """

    net: Any
    tile_px: int
    diameter_px: float


@functools.lru_cache(maxsize=1)
def load_network(weights: WeightsFile, device: Any) -> Network:
    """Build the network of some weights on a torch device.

    Raises:
        WeightsError: the weights do not fit the network that they seem to belong to.
    """
    check_weights(weights)
    build = _cellpose_3 if weights.kind is WeightsKind.cellpose_3 else _cellpose_4
    return Network(build(weights, device), TILE_PX[weights.kind], weights.diam_mean_px)


def _cellpose_3(weights: WeightsFile, device: Any) -> Any:
    from .cellpose3 import Cellpose3Network, widths_of  # noqa: PLC0415 - brings torch

    state = load_state(weights.path)
    network = Cellpose3Network(widths_of(state))
    diameters = {"diam_mean": network.diam_mean, "diam_labels": network.diam_labels}
    network.load_state_dict({**diameters, **state}, strict=True)
    return network.float().eval().to(device)


def _cellpose_4(weights: WeightsFile, device: Any) -> Any:
    model = cellpose_modules().models.CellposeModel(pretrained_model=str(weights.path), device=device)
    return model.net.eval()


def check_weights(weights: WeightsFile) -> None:
    """Check that a file holds all weights of its network; cellpose 4 would leave random what is missing.

    Raises:
        WeightsError: weights are missing, too many, or of another shape.
    """
    import torch  # noqa: PLC0415 - heavy

    state = load_state(weights.path)
    with torch.device("meta"):  # shapes without memory
        expected = _empty_network(weights, state).state_dict()
    optional = ("diam_mean", "diam_labels")
    missing = [name for name in expected if name not in state and name not in optional]
    foreign = [name for name in state if name not in expected]
    other = [
        name
        for name in expected
        if name in state and name not in optional and state[name].shape != expected[name].shape
    ]
    if missing or foreign or other:
        wrong = ", ".join(
            f"{len(names)} {what} such as {names[0]}"
            for what, names in (("missing", missing), ("unknown", foreign), ("of another shape", other))
            if names
        )
        raise WeightsError(
            f"{weights.path} does not hold the {len(expected)} weights of a {weights.kind} network: {wrong}; copy the "
            "file again, or give another --model."
        )


def _empty_network(weights: WeightsFile, state: dict[str, Any]) -> Any:
    if weights.kind is WeightsKind.cellpose_3:
        from .cellpose3 import Cellpose3Network, widths_of  # noqa: PLC0415 - brings torch

        try:
            return Cellpose3Network(widths_of(state))
        except KeyError as error:
            raise WeightsError(
                f"{weights.path} is no residual U-Net of cellpose 3: it has no {error}; models of cellpose 3 with a "
                "transformer are not supported: give another --model."
            ) from error
    cellpose_modules()
    from cellpose import vit  # noqa: PLC0415 - heavy

    if weights.kind is WeightsKind.cellpose_sam:
        return vit.CPSAM()
    if not hasattr(vit, "dinov3_vitl16"):
        raise WeightsError(
            f"{weights.path} is a model with DINO, and the package dinov3 is not installed; run: "
            "python -m pip install git+https://github.com/facebookresearch/dinov3."
        )
    return vit.CPDINO(model_name=cellpose_modules().models.get_backbone(str(weights.path))[-4:])


def network_shape(shape: tuple[int, int], scale: float) -> tuple[int, int]:
    """Return the size of an image at the network's scale.

    Raises:
        UsageError: nothing is left of it.
    """
    height, width = (int(side * scale) for side in shape)
    if not height or not width:
        raise UsageError(
            f"--diameter does not fit an image of {shape[0]} x {shape[1]} px, which the network would see shrunk "
            "to nothing; give the diameter of the nuclei in px of this image."
        )
    return height, width


def run_network(network: Network, pixels: npt.NDArray[Any], diameter_px: float, batch_size: int) -> Flows:
    """Run a network on a whole image, tile by tile.

    Args:
        network: on its device.
        pixels: (H, W) camera values.
        diameter_px: of the nuclei in the image.
        batch_size: tiles at a time.

    Raises:
        UsageError: the diameter does not fit the image.
    """
    height, width = pixels.shape
    scale = network.diameter_px / diameter_px
    small = bilinear(pixels, network_shape((height, width), scale))
    small = normalised(small, intensity_range(pixels))
    core = cellpose_modules().core
    values, _ = core.run_net(network.net, small[None, :, :, None], bsize=network.tile_px, batch_size=batch_size)
    flows = np.ascontiguousarray(values[0].transpose(2, 0, 1)[-3:])
    return Flows(flows, (height, width), int(NETWORK_STEPS / scale))
