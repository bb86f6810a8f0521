"""Where the flows take each pixel of a nucleus: for a whole image or a part of it, with the same numbers.

Source: cellpose 4.2.1.1, `dynamics.steps_interp`, to the last bit. Like there, a place is a float32 between -1 and 1
over the whole image, and flows are read up to half a pixel beside it: a part with its own places would end elsewhere.
"""

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from .blocks import Block
from .rescale import taps
from .steps import Frame, Pixels, enlarge, step_along

_STEPS_BETWEEN_LOOKS = 50
_ROWS_AT_A_TIME = 256


def follow_flows(
    values: npt.NDArray[np.float32], block: Block, shape: tuple[int, int], *, steps: int, threshold: float, device: Any
) -> tuple[Pixels, Pixels]:
    """Let the pixels that a block owns follow the flows that it sees.

    Args:
        values: float32 (3, h, w): 5 x flow y, 5 x flow x, logit of the cell probability of the whole image, at any
            scale.
        block: a part of the image.
        shape: (H, W) of the image.
        steps: how many each pixel takes.
        threshold: pixels above this logit belong to nuclei; elsewhere nothing flows.
        device: torch device.

    Returns:
        The pixels, in raster order, and where each of them ends.
    """
    flow, pixels = enlarged(values, block, shape, threshold)
    follow = follow_by_processor if device.type == "cpu" else follow_by_torch
    return pixels, follow(flow, (block.outer_y0, block.outer_x0, *shape), steps, pixels, device)


def enlarged(
    values: npt.NDArray[np.float32], block: Block, shape: tuple[int, int], threshold: float
) -> tuple[npt.NDArray[np.float32], Pixels]:
    """Enlarge the flows of nuclei to the scale of the image; arguments as above.

    Returns:
        float32 (outer height, outer width, 2), flow y and x, where half the image is 1; and the pixels of nuclei that
        the block owns.
    """
    height, width = block.outer_y1 - block.outer_y0, block.outer_x1 - block.outer_x0
    flow, inside = np.zeros((height, width, 2), np.float32), np.zeros((height, width), np.bool_)
    unit = np.array([2 / max(side - 1, 1) for side in shape], np.float32)
    taps_y = taps(values.shape[1], shape[0], (block.outer_y0, block.outer_y1))
    taps_x = taps(values.shape[2], shape[1], (block.outer_x0, block.outer_x1))
    enlarge(values, (taps_y, taps_x), np.float32(threshold), unit, (flow, inside))
    top, left = block.core_y0 - block.outer_y0, block.core_x0 - block.outer_x0
    owned = inside[top : block.core_y1 - block.outer_y0, left : block.core_x1 - block.outer_x0]
    return flow, owned_pixels(owned, block)


def owned_pixels(owned: npt.NDArray[np.bool_], block: Block) -> Pixels:
    """Return rows and columns in the image of what is set in the core of a block, found some rows at a time."""
    rows, columns = [], []
    for start in range(0, len(owned), _ROWS_AT_A_TIME):
        row, column = np.nonzero(owned[start : start + _ROWS_AT_A_TIME])
        rows.append((row + block.core_y0 + start).astype(np.int32))
        columns.append((column + block.core_x0).astype(np.int32))
    return np.concatenate(rows), np.concatenate(columns)


def follow_by_processor(
    flow: npt.NDArray[np.float32], frame: Frame, steps: int, pixels: Pixels, _device: Any = None
) -> Pixels:
    """Follow flows in as many threads as torch was given."""
    import torch  # noqa: PLC0415 - heavy

    rows, columns = pixels
    ends = np.empty_like(rows), np.empty_like(columns)
    threads = torch.get_num_threads()
    with ThreadPoolExecutor(threads) as pool:
        walks = [
            pool.submit(step_along, flow, frame, steps, (rows[a:b], columns[a:b]), (ends[0][a:b], ends[1][a:b]))
            for a, b in pairwise(rows.size * number // threads for number in range(threads + 1))
        ]
    for one in walks:
        one.result()
    return ends


def follow_by_torch(flow: npt.NDArray[np.float32], frame: Frame, steps: int, pixels: Pixels, device: Any) -> Pixels:
    """Follow flows on any device; pixels that have come to rest are left out from time to time.

    Args:
        flow: float32 (h, w, 2) y and x, in units in which half the image is 1.
        frame: where it lies in the image.
        steps: how many each pixel takes.
        pixels: rows and columns.
        device: torch device.
    """
    import torch  # noqa: PLC0415 - heavy

    numbers = {"dtype": torch.float32, "device": device}
    (top, left, height, width), (h, w) = frame, flow.shape[:2]
    span = torch.tensor([max(width - 1, 1), max(height - 1, 1)], **numbers)
    scale = torch.tensor([width / w, height / h], **numbers)
    shift = torch.tensor([(width - 2 * left) / w - 1, (height - 2 * top) / h - 1], **numbers)
    image = torch.from_numpy(np.ascontiguousarray(flow[..., ::-1].transpose(2, 0, 1))).to(device)[None]
    places = torch.from_numpy(np.stack(pixels[::-1], 1)).to(**numbers) / span * 2 - 1
    moving = torch.arange(len(places), device=device)
    for first in range(0, steps, _STEPS_BETWEEN_LOOKS):
        now = before = places[moving]
        for _ in range(min(_STEPS_BETWEEN_LOOKS, steps - first)):
            before = now
            grid = (before * scale + shift)[None, None]
            moves = torch.nn.functional.grid_sample(image, grid, align_corners=False)[0, :, 0].T
            now = torch.clamp(before + moves, -1, 1)
        places[moving] = now
        moving = moving[(now != before).any(1)]
        if not len(moving):
            break
    ends = ((places + 1) * 0.5 * span).to(torch.int32).cpu().numpy()
    return np.ascontiguousarray(ends[:, 1]), np.ascontiguousarray(ends[:, 0])
