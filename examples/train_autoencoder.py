"""Trains the convolutional autoencoder of the published study from the stream; stops, resumes and shows what it learned.

The network takes 256 x 256 crops to 512 numbers and back: four stages of two 3 x 3 convolutions and an average pool
(16, 32, 64, 128 filters), a linear layer to the latents, and transposed convolutions back; mean squared error, Adam with
learning rate 3e-4, batches of 32.

Example: python examples/train_autoencoder.py --source nucleusnet --minutes 2
"""

import argparse
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from nucleusnet.loaders import TrainLoader, sample_loader, train_loader
from PIL import Image
from torch import nn

FILTERS = (16, 32, 64, 128)
LATENTS = 512
SIDE_PX = 256
LEARNING_RATE = 3e-4
SHOWN = 12
REPORT_SECONDS = 5
SAVE_SECONDS = 60


class Autoencoder(nn.Module):
    """Crops (B, 1, 256, 256) of floats in [0, 1] to 512 latents and back."""

    def __init__(self) -> None:
        super().__init__()
        side = SIDE_PX >> len(FILTERS)
        widths = list(zip((1, *FILTERS), FILTERS, strict=False))
        down = [layer for given, wanted in widths for layer in (*convolutions(given, wanted), nn.AvgPool2d(2))]
        self.encoder = nn.Sequential(*down, nn.Flatten(), nn.Linear(FILTERS[-1] * side**2, LATENTS))
        back = list(zip(reversed(FILTERS), (*reversed(FILTERS[:-1]), FILTERS[0]), strict=True))
        up = [layer for given, wanted in back for layer in (nn.ConvTranspose2d(given, wanted, 2, 2), nn.ReLU())]
        self.decoder = nn.Sequential(
            nn.Linear(LATENTS, FILTERS[-1] * side**2),
            nn.Unflatten(1, (FILTERS[-1], side, side)),
            *up,
            nn.Conv2d(FILTERS[0], 1, 3, padding=1),
            nn.Sigmoid(),
        )

    def forward(self, crops: torch.Tensor) -> torch.Tensor:
        """Return the reconstructions."""
        restored: torch.Tensor = self.decoder(self.encoder(crops))
        return restored


def convolutions(given: int, wanted: int) -> tuple[nn.Module, ...]:
    """Return two 3 x 3 convolutions with their activations."""
    return nn.Conv2d(given, wanted, 3, padding=1), nn.ReLU(), nn.Conv2d(wanted, wanted, 3, padding=1), nn.ReLU()


@dataclass
class Meter:
    """Images, their summed loss, and where the time goes."""

    begun: float = field(default_factory=time.perf_counter)
    images: int = 0
    summed_loss: float = 0.0
    waited: float = 0.0

    def line(self) -> str:
        """Return what to print."""
        seconds = time.perf_counter() - self.begun
        return (
            f"loss {self.summed_loss / self.images:.5f}, {self.images / seconds:.1f} images/s, "
            f"{self.waited / seconds:.1%} of the time waiting for data"
        )


@dataclass
class Training:
    """Everything that a checkpoint holds."""

    model: Autoencoder
    optimizer: torch.optim.Optimizer
    loader: TrainLoader
    device: torch.device
    images: int = 0

    def save(self, path: Path) -> None:
        """Write model, optimizer and the position in the stream, whole or not at all."""
        partial = path.with_name(f".{path.name}.tmp")
        state = {name: getattr(self, name).state_dict() for name in ("model", "optimizer", "loader")}
        torch.save(state | {"images": self.images}, partial)
        os.replace(partial, path)

    def resume(self, path: Path) -> None:
        """Go on where a checkpoint was written, at the next batch of its epoch."""
        state: dict[str, Any] = torch.load(path, map_location=self.device, weights_only=True)
        for name in ("model", "optimizer", "loader"):
            getattr(self, name).load_state_dict(state[name])
        self.images = state["images"]

    def step(self, crops: torch.Tensor) -> torch.Tensor:
        """Learn from one batch; returns the loss, still on the device."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
            loss = nn.functional.mse_loss(self.model(crops), crops)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        self.images += len(crops)
        return loss.detach()


def unit(crops: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Move raw camera values to the device as floats in [0, 1]."""
    largest = torch.iinfo(crops.dtype).max
    return crops.to(device, non_blocking=True).float() / largest


def timed(loader: TrainLoader, meter: Meter) -> Iterator[dict[str, Any]]:
    """Give the batches of an epoch, and measure how long each had to be waited for."""
    batches = iter(loader)
    while True:
        asked = time.perf_counter()
        batch = next(batches, None)
        meter.waited += time.perf_counter() - asked
        if batch is None:
            return
        yield batch


def train(training: Training, *, epochs: int, minutes: float, checkpoint: Path) -> None:
    """Train until an epoch or the time is reached; Ctrl-C stops too. Always leaves a checkpoint."""
    end, saved, meter = time.perf_counter() + 60 * minutes, time.perf_counter(), Meter()
    try:
        while training.loader.epoch < epochs:
            epoch = training.loader.epoch
            for batch in timed(training.loader, meter):
                loss = training.step(unit(batch["image"], training.device))
                meter.images += len(batch["image"])
                meter.summed_loss += float(loss) * len(batch["image"])
                now = time.perf_counter()
                if now - meter.begun > REPORT_SECONDS:
                    print(f"epoch {epoch}, {training.images:,} images: {meter.line()}", flush=True)
                    meter.__init__()  # type: ignore[misc]
                if now - saved > SAVE_SECONDS:
                    training.save(checkpoint)
                    saved = now
                if now > end:
                    return
    except KeyboardInterrupt:
        print("stopped; call again to go on")
    finally:
        training.save(checkpoint)


def show(training: Training, crops: torch.Tensor, path: Path) -> float:
    """Write originals above their reconstructions, each pair with the same contrast; returns the mean squared error."""
    training.model.eval()
    with torch.inference_mode():
        originals = unit(crops, training.device)
        restored = training.model(originals).float()
    training.model.train()
    pairs = torch.stack([originals, restored])[:, :, 0].cpu().numpy()
    contrast = np.maximum(pairs[0].max(axis=(1, 2)), 1e-6)[None, :, None, None]
    pixels = (255 * np.clip(pairs / contrast, 0, 1)).astype(np.uint8)
    Image.fromarray(np.concatenate([np.concatenate(list(row), axis=1) for row in pixels])).save(path)
    return float(nn.functional.mse_loss(restored, originals))


def parsed() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", default="nucleusnet", help="dataset folder, URL of one, or owner/name on the Hub")
    parser.add_argument("--split", default="train")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--epochs", type=int, default=1000)
    parser.add_argument("--minutes", type=float, default=float("inf"), help="stop after so long")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--checkpoint", type=Path, default=Path("autoencoder.pt"), help="resumed if it is there")
    parser.add_argument("--out", type=Path, default=Path("autoencoder.png"), help="originals and reconstructions")
    return parser.parse_args()


def main() -> None:
    """Train, and show what was learned."""
    arguments = parsed()
    torch.manual_seed(arguments.seed)
    device = torch.device(arguments.device)
    loader = train_loader(
        arguments.source, arguments.split, batch_size=arguments.batch_size, seed=arguments.seed, pin_memory=device.type == "cuda"
    )  # fmt: skip
    model = Autoencoder().to(device)
    training = Training(model, torch.optim.Adam(model.parameters(), lr=LEARNING_RATE), loader, device)
    if arguments.checkpoint.exists():
        training.resume(arguments.checkpoint)
        print(f"going on after {training.images:,} images, in epoch {loader.epoch}")
    (shown,) = sample_loader(SHOWN, source=arguments.source, split=arguments.split, batch_size=SHOWN, seed=0)
    before = show(training, shown["image"], arguments.out)
    train(training, epochs=arguments.epochs, minutes=arguments.minutes, checkpoint=arguments.checkpoint)
    after = show(training, shown["image"], arguments.out)
    print(f"mean squared error of {SHOWN} nuclei: {before:.5f} before, {after:.5f} after; see {arguments.out}")


if __name__ == "__main__":
    main()
