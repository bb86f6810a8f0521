"""Train the small cellpose-3 model that the tests of `nucleusnet segment` use, on simulated nuclei.

    python benchmarks/train_segment_model.py --out tests/builder/segment/simulated_nuclei.pth

It takes about ten minutes of one CPU core. The network has a quarter of the published widths and is stored in half
precision. It is made for the published thresholds:
- A label is one body: what lies between the bodies of a pair belongs to it, as flows of a shape meet in one place and
  cannot jump. Pairs, debris (which is not a nucleus) and borders of images are shown more often than they occur.
- The border of a nucleus lies where the logit is -2, because background weighs exp(2) times as much as nuclei.
- Truth comes from the full resolution: the share of a pixel that lies in a nucleus, and the mean flow there.
"""

import argparse
import math
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from builder.segment.flows.flow_check import heat_of
from builder.segment.flows.flow_field import FLOW_SCALE
from builder.segment.flows.rescale import intensity_range, normalised
from builder.segment.network.cellpose3 import Cellpose3Network
from builder.simulate.simulate import EMPTY_INDEX, simulate_image
from nucleusnet_core.inputs.masks import runs_from_array
from nucleusnet_core.inputs.regions import regions_from_runs

WIDTHS = (2, 8, 16, 32, 64)
DIAMETER_PX, NETWORK_DIAMETER_PX = 152.91, 30.0
CELLPROB_THRESHOLD = -2.0
FIELD_PX, TILE_PX, BATCH, PADDING_PX = 1536, 192, 8, 16
TRAINING_SEED = 1000
MASK_MARGIN_UM = 2.1
"""Of the masks that it learns: as far outside of nuclei as those of the published custom model."""
SIZES, LABEL_GAINS, GAINS, GAMMAS, NOISE, BLUR_PX = (0.75, 1.3), (0.3, 1.2), (0.6, 1.6), (0.75, 1.33), (0.0, 0.04), 3.0
PLACES_SHARE = 0.4
"""Of the tiles, this share shows a pair or debris, where their field has any."""
BACKGROUND_WEIGHT = 0.1
"""Of flows where there is no nucleus: cellpose never follows them."""


def joined(image):
    """Return labels in which pairs, and others of several bodies, own the background inside their convex hull."""
    labels = image.labels.copy()
    for nucleus in image.truth.nuclei:
        if nucleus.components > 1 or nucleus.kind == "anaphase":
            y0, x0, y1, x1 = nucleus.bbox
            part = labels[y0:y1, x0:x1]
            rows, columns = np.nonzero(part == nucleus.label)
            hull = cv2.convexHull(np.stack([columns, rows], 1).astype(np.int32))
            inside = cv2.fillConvexPoly(np.zeros(part.shape, np.uint8), hull, 1) > 0
            part[inside & (part == 0)] = nucleus.label
    return labels


def flows_of(labels):
    """Return the flows (y, x) of each label as cellpose defines them, float32 (2, H, W); 0 in the background."""
    heat = heat_of(regions_from_runs(runs_from_array(labels)))
    rise = np.stack([heat[2:, 1:-1] - heat[:-2, 1:-1], heat[1:-1, 2:] - heat[1:-1, :-2]])
    rise /= 1e-60 + np.sqrt((rise**2).sum(0))
    return np.where(labels > 0, rise, 0).astype(np.float32)


def field(index, rng):
    """Return a part of a simulated field at about the network's scale, padded as cellpose pads images.

    Returns:
        Pixels (H, W); share in a nucleus, flow y, flow x (3, H, W); and places (y, x) of pairs and debris.
    """
    image = simulate_image(index, size_px=FIELD_PX, seed=TRAINING_SEED, mask_margin_um=MASK_MARGIN_UM)
    sides = rng.integers(FIELD_PX * 2 // 5, FIELD_PX + 1, 2)
    top, left = rng.integers(0, FIELD_PX - sides + 1)
    window = np.s_[top : top + sides[0], left : left + sides[1]]
    labels, pixels = joined(image)[window], image.pixels[window]
    gains = np.exp(rng.uniform(*np.log(LABEL_GAINS), int(labels.max()) + 1)).astype(np.float32)
    gains[0] = 1
    background = np.float32(np.median(pixels[labels == 0]))
    pixels = background + (pixels - background) * cv2.GaussianBlur(gains[labels], (0, 0), BLUR_PX)
    pixels = normalised(pixels, intensity_range(pixels))
    scale = NETWORK_DIAMETER_PX / DIAMETER_PX * math.exp(rng.uniform(*np.log(SIZES)))
    height, width = (round(side * scale) for side in sides)
    truth = np.stack([(labels > 0).astype(np.float32), *flows_of(labels)])
    pixels = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_LINEAR)
    truth = np.stack([cv2.resize(plane, (width, height), interpolation=cv2.INTER_AREA) for plane in truth])
    truth[1:] /= np.maximum(truth[0], 1e-3)
    padding = [(PADDING_PX, max(PADDING_PX, TILE_PX - PADDING_PX - side)) for side in (height, width)]
    boxes = [nucleus.bbox for nucleus in image.truth.nuclei if nucleus.kind == "anaphase"] + [*image.truth.debris]
    centres = (np.array(boxes).reshape(-1, 2, 2).mean(1) - (top, left)) * scale
    seen = ((centres >= 0) & (centres < (height, width))).all(1)
    places = np.round(centres[seen]).astype(int) + PADDING_PX
    return np.pad(pixels, padding), np.pad(truth, [(0, 0), *padding]), places


def turned(pixels, truth, turns, flipped):
    """Return a tile turned and flipped; flows are vectors and turn with it."""
    pixels, truth = np.rot90(pixels, turns), np.rot90(truth, turns, (1, 2)).copy()
    for _ in range(turns):
        truth[1], truth[2] = -truth[2].copy(), truth[1].copy()
    if flipped:
        pixels, truth = pixels[:, ::-1], truth[:, :, ::-1].copy()
        truth[2] *= -1
    return pixels, truth


def corner(shape, places, rng):
    """Return the first row and column of a tile: anywhere, often at a border, or where it shows one of some places."""
    room, beyond = np.subtract(shape, TILE_PX), TILE_PX // 8
    if len(places) and rng.random() < PLACES_SHARE:
        wanted = places[rng.integers(len(places))] - rng.integers(TILE_PX // 8, TILE_PX - TILE_PX // 8, 2)
    else:
        wanted = rng.integers(-beyond, room + beyond + 1)
    return np.clip(wanted, 0, room)


def batch(fields, rng):
    """Return tiles of random fields, each with another brightness, contrast and noise."""
    tiles, truths = [], []
    for _ in range(BATCH):
        pixels, truth, places = fields[rng.integers(len(fields))]
        y, x = corner(pixels.shape, places, rng)
        shown = np.s_[..., y : y + TILE_PX, x : x + TILE_PX]
        tile, target = turned(pixels[shown], truth[shown], int(rng.integers(4)), rng.random() < 0.5)
        tile = np.maximum(tile, 0) ** rng.uniform(*GAMMAS) * rng.uniform(*GAINS)
        tiles.append(tile + rng.normal(0, rng.uniform(*NOISE), tile.shape))
        truths.append(target)
    return torch.from_numpy(np.stack(tiles)[:, None].astype(np.float32)), torch.from_numpy(np.stack(truths))


def loss_of(out, truth):
    share, flows = truth[:, :1], truth[:, 1:]
    weights = torch.where(share > 0, 1.0, BACKGROUND_WEIGHT)
    flow_loss = 0.5 * (weights * (out[:, :2] - FLOW_SCALE * flows) ** 2).mean()
    nucleus_weight = torch.tensor(math.exp(CELLPROB_THRESHOLD))
    return flow_loss + 2 * nn.functional.binary_cross_entropy_with_logits(out[:, 2:], share, pos_weight=nucleus_weight)


def train(fields, steps, rng):
    network = Cellpose3Network(WIDTHS).to(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW([p for p in network.parameters() if p.requires_grad], lr=0.005, weight_decay=1e-5)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 0.005, total_steps=steps)
    started = time.process_time()
    network.train()
    for step in range(steps):
        tiles, truth = batch(fields, rng)
        with torch.autocast("cpu", torch.bfloat16):  # half the time
            out = network(tiles.contiguous(memory_format=torch.channels_last))[0]
        loss = loss_of(out.float(), truth)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        if step % 20 == 0:
            print(f"step {step}: loss {loss.item():.3f}, {time.process_time() - started:.0f} CPU s", flush=True)
    return network


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="where to write the weights")
    parser.add_argument("--fields", type=int, default=150, help="number of simulated fields")
    parser.add_argument("--steps", type=int, default=1100, help="steps of the training")
    options = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    fields = [field(index, rng) for index in range(options.fields + 1) if index != EMPTY_INDEX]
    print(f"{len(fields)} fields, {time.process_time():.0f} CPU s", flush=True)
    network = train(fields, options.steps, rng)
    network.diam_labels.data.fill_(DIAMETER_PX)
    state = {name: value.half() if value.is_floating_point() else value for name, value in network.state_dict().items()}
    torch.save(state, options.out)
    print(f"{options.out}: {options.out.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
