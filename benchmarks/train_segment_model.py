"""Train the small cellpose-3 model that the tests of `nucleusnet segment` use, on simulated nuclei.

    python benchmarks/train_segment_model.py --out tests/builder/segment/simulated_nuclei.pth

Some five minutes of one CPU core. The network has a quarter of the published widths and is stored in half precision.
"""

import argparse
import time
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import nn

from builder.segment.cellpose3 import Cellpose3Network
from builder.segment.cellpose_modules import cellpose_modules
from builder.simulate.simulate import EMPTY_INDEX, simulate_image

WIDTHS = (2, 8, 16, 32, 64)
DIAMETER_PX, NETWORK_DIAMETER_PX = 152.91, 30.0
FIELD_PX, TILE_PX, BATCH = 1536, 192, 8
TRAINING_SEED = 1000


def field(index):
    """One simulated field at the network's scale: normalised pixels (H, W), and 0/1 and flows (3, H, W)."""
    image = simulate_image(index, size_px=FIELD_PX, seed=TRAINING_SEED)
    size = round(FIELD_PX * NETWORK_DIAMETER_PX / DIAMETER_PX)
    pixels = cv2.resize(image.pixels.astype(np.float32), (size, size), interpolation=cv2.INTER_LINEAR)
    labels = cv2.resize(image.labels, (size, size), interpolation=cv2.INTER_NEAREST)
    low, high = np.percentile(pixels, (1, 99))
    flows = cellpose_modules().dynamics.labels_to_flows([labels.astype(np.int32)], device=torch.device("cpu"))[0]
    return (pixels - low) / max(high - low, 1e-3), flows[1:]


def turned(pixels, truth, turns, flipped):
    """Turn and flip a field; flows are vectors and turn with it."""
    pixels, truth = np.rot90(pixels, turns), np.rot90(truth, turns, (1, 2)).copy()
    for _ in range(turns):
        truth[1], truth[2] = -truth[2].copy(), truth[1].copy()
    if flipped:
        pixels, truth = pixels[:, ::-1], truth[:, :, ::-1].copy()
        truth[2] *= -1
    return pixels, truth


def batch(fields, rng):
    tiles, truths = [], []
    for _ in range(BATCH):
        pixels, truth = turned(*fields[rng.integers(len(fields))], int(rng.integers(4)), rng.random() < 0.5)
        y, x = (int(rng.integers(size - TILE_PX + 1)) for size in pixels.shape)
        tiles.append(pixels[y : y + TILE_PX, x : x + TILE_PX] * rng.uniform(0.8, 1.25))
        truths.append(truth[:, y : y + TILE_PX, x : x + TILE_PX])
    return torch.from_numpy(np.stack(tiles)[:, None].astype(np.float32)), torch.from_numpy(np.stack(truths).copy())


def train(fields, steps, rng):
    network = Cellpose3Network(WIDTHS)
    optimiser = torch.optim.AdamW([p for p in network.parameters() if p.requires_grad], lr=0.005, weight_decay=1e-5)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 0.005, total_steps=steps)
    started = time.process_time()
    network.train()
    for step in range(steps):
        tiles, truth = batch(fields, rng)
        out = network(tiles)[0]
        flows = 0.5 * nn.functional.mse_loss(out[:, :2], 5 * truth[:, 1:])
        loss = flows + nn.functional.binary_cross_entropy_with_logits(out[:, 2], truth[:, 0])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        if step % 20 == 0:
            print(f"step {step}: loss {loss.item():.3f}, {time.process_time() - started:.0f} CPU s", flush=True)
    return network


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--fields", type=int, default=48)
    parser.add_argument("--steps", type=int, default=400)
    options = parser.parse_args()
    torch.manual_seed(0)
    fields = [field(index) for index in range(options.fields + 1) if index != EMPTY_INDEX]
    print(f"{len(fields)} fields of {fields[0][0].shape}", flush=True)
    network = train(fields, options.steps, np.random.default_rng(0))
    network.diam_labels.data.fill_(DIAMETER_PX)
    state = {name: value.half() if value.is_floating_point() else value for name, value in network.state_dict().items()}
    torch.save(state, options.out)
    print(f"{options.out}: {options.out.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
