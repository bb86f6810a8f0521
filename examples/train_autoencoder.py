"""Train the convolutional autoencoder of the published study from the stream, and show what it learned.

The network turns crops of 256 x 256 px, or of any side that is a multiple of 16 px, into 512 numbers (latents) and
back: four stages of two 3 x 3 convolutions and an average pool (16, 32, 64, 128 filters), a linear layer to the
latents, and transposed convolutions back to a sigmoid. It learns from the mean squared error, with Adam, a learning
rate of 3e-4 and batches of 32, and computes in bfloat16 where the GPU or CPU does that natively. Stop it with Ctrl-C or
a limit, and call it again to go on. It learns one channel: the first, or the one that --channel names.

Example: python examples/train_autoencoder.py --source nucleusnet --minutes 2 --batch-size 8
"""

import argparse
import pickle
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from nucleusnet.loaders import TrainLoader, sample_loader, train_loader
from nucleusnet.loaders.transforms import ToFloat
from PIL import Image
from torch import nn

from nucleusnet_core.contract import CROP_PX, image_columns
from nucleusnet_core.dataset import open_dataset
from nucleusnet_core.manifest import Manifest

FILTERS = (16, 32, 64, 128)
LATENTS = 512
LEARNING_RATE = 3e-4
DARK_LOGIT = -3.0
"""Bias of the output at the beginning: most pixels are black."""
SHOWN = 12
"""Nuclei in the picture."""
REPORT_SECONDS = 5
SAVE_SECONDS = 60


class Autoencoder(nn.Module):
    """Turns crops of one channel, float32 (B, 1, crop_px, crop_px) in [0, 1], into 512 latents each, and back.

    Args:
        crop_px: side of a crop, a multiple of 16 px.
    """

    def __init__(self, crop_px: int = CROP_PX) -> None:
        super().__init__()
        side = crop_px >> len(FILTERS)
        widths = list(zip((1, *FILTERS), FILTERS, strict=False))
        down = [layer for given, wanted in widths for layer in (*convolutions(given, wanted), nn.AvgPool2d(2))]
        self.encoder = nn.Sequential(*down, nn.Flatten(), nn.Linear(FILTERS[-1] * side**2, LATENTS))
        back = list(zip(reversed(FILTERS), (*reversed(FILTERS[:-1]), FILTERS[0]), strict=True))
        up = [layer for given, wanted in back for layer in (nn.ConvTranspose2d(given, wanted, 2, 2), nn.ReLU())]
        output = nn.Conv2d(FILTERS[0], 1, 3, padding=1)
        self.decoder = nn.Sequential(
            nn.Linear(LATENTS, FILTERS[-1] * side**2),
            nn.Unflatten(1, (FILTERS[-1], side, side)),
            *up,
            output,
            nn.Sigmoid(),
        )
        self.apply(draw_weights)
        nn.init.constant_(output.get_parameter("bias"), DARK_LOGIT)

    def forward(self, crops: torch.Tensor) -> torch.Tensor:
        """Return the reconstructions."""
        restored: torch.Tensor = self.decoder(self.encoder(crops))
        return restored


def draw_weights(layer: nn.Module) -> None:
    """Draw weights of a layer so that activations neither grow nor fade from layer to layer.

    With PyTorch's own weights, the gradient fades to 1e-10 on its way to the latents, which is less than Adam notices.

    Source: He et al., ICCV 2015, "Delving deep into rectifiers", equation 10.
    """
    if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
        # Filters of 2 x 2 that are laid 2 apart give every pixel one weight of each input.
        inputs = len(layer.weight) if isinstance(layer, nn.ConvTranspose2d) else layer.weight[0].numel()
        nn.init.normal_(layer.weight, std=(2 / inputs) ** 0.5)
        nn.init.zeros_(layer.get_parameter("bias"))


def convolutions(given: int, wanted: int) -> tuple[nn.Module, ...]:
    """Return two 3 x 3 convolutions with their activations."""
    return nn.Conv2d(given, wanted, 3, padding=1), nn.ReLU(), nn.Conv2d(wanted, wanted, 3, padding=1), nn.ReLU()


@dataclass
class Meter:
    """Counts images and their loss, and the time that was spent waiting for data."""

    begun: float = field(default_factory=time.perf_counter)
    images: int = 0
    summed_loss: torch.Tensor | float = 0.0
    waited_seconds: float = 0.0

    def line(self) -> str:
        """Return loss, speed and waiting in one line."""
        seconds = time.perf_counter() - self.begun
        return (
            f"loss {float(self.summed_loss) / max(1, self.images):.5f}, {self.images / seconds:.1f} images/s, "
            f"{self.waited_seconds / seconds:.1%} of the time waiting for data"
        )


@dataclass
class Training:
    """Everything that a checkpoint holds, and what is needed to go on.

    Attributes:
        model: the network.
        optimizer: of its weights.
        loader: the stream of crops.
        device: that computes.
        mixed: whether it computes in bfloat16.
        column: the crops that it learns.
        images: how many the network has seen.
        position: where in the stream the last step ended.
    """

    model: Autoencoder
    optimizer: torch.optim.Optimizer
    loader: TrainLoader
    device: torch.device
    mixed: bool
    column: str
    images: int = 0
    position: dict[str, Any] = field(default_factory=dict)

    def save(self, path: Path) -> None:
        """Write model, optimizer and position, whole or not at all."""
        partial = path.with_name(f".{path.name}.tmp")
        state = {"model": self.model.state_dict(), "optimizer": self.optimizer.state_dict()}
        torch.save(state | {"loader": self.position or self.loader.state_dict(), "images": self.images}, partial)
        partial.replace(path)

    def resume(self, path: Path) -> None:
        """Go on where a checkpoint was written, at the next batch of its epoch.

        Raises:
            SystemExit: the file is not such a checkpoint.
        """
        try:
            state: dict[str, Any] = torch.load(path, map_location=self.device, weights_only=True)
        except (OSError, RuntimeError, pickle.UnpicklingError) as error:
            raise SystemExit(f"{path} is not a checkpoint of this program ({error}); give another one.") from error
        self.loader.load_state_dict(state["loader"])  # first, as it refuses another dataset in words
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.images, self.position = state["images"], state["loader"]

    def step(self, crops: torch.Tensor) -> torch.Tensor:
        """Learn from one batch, and return the loss, still on the device."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.mixed):
            loss = nn.functional.mse_loss(self.model(crops), crops)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        self.images += len(crops)
        self.position = self.loader.state_dict()
        return loss.detach()


def has_bfloat16(device: torch.device) -> bool:
    """Return whether a device computes in bfloat16 faster than in float32."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    found = torch.cpu.get_capabilities() if device.type == "cpu" and hasattr(torch.cpu, "get_capabilities") else {}
    return bool(found.get("avx512_bf16") or found.get("amx_bf16"))


def unit(crops: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Move raw camera values to the device, and make them floats in [0, 1] there: a quarter of the bytes to move."""
    moved: torch.Tensor = ToFloat()({"image": crops.to(device, non_blocking=True)})["image"]
    return moved.contiguous(memory_format=torch.channels_last)


def timed(training: Training, meters: list[Meter]) -> Iterator[torch.Tensor]:
    """Yield the crops of an epoch batch by batch, and tell the last meter how long each took to come."""
    batches = iter(training.loader)
    while True:
        asked = time.perf_counter()
        batch = next(batches, None)
        meters[-1].waited_seconds += time.perf_counter() - asked
        if batch is None:
            return
        yield batch[training.column]


def train(training: Training, options: argparse.Namespace) -> None:
    """Train until a number of epochs, of batches or of minutes is reached, or Ctrl-C; write checkpoints."""
    end, saved, left = time.perf_counter() + 60 * options.minutes, time.perf_counter(), options.batches
    meters = [Meter()]
    try:
        while training.loader.epoch < options.epochs:
            for crops in timed(training, meters):
                loss = training.step(unit(crops, training.device))
                meters[-1].images += len(crops)
                meters[-1].summed_loss += loss * len(crops)
                now, left = time.perf_counter(), left - 1
                if now - meters[-1].begun > REPORT_SECONDS:
                    report(training, meters.pop())
                    meters.append(Meter())
                if now - saved > SAVE_SECONDS:
                    training.save(options.checkpoint)
                    saved = now
                if now > end or left <= 0:
                    return
    except KeyboardInterrupt:
        print("stopped; call again to go on.")
    finally:
        if meters[-1].images:
            report(training, meters[-1])
        training.save(options.checkpoint)


def report(training: Training, meter: Meter) -> None:
    """Print loss and speed."""
    print(f"epoch {training.loader.epoch}, {training.images:,} images: {meter.line()}", flush=True)


def show(training: Training, crops: torch.Tensor, path: Path) -> float:
    """Write originals above their reconstructions, both in the same contrast, and return the mean squared error."""
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


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", default="nucleusnet", help="dataset folder, its URL, or owner/name on the Hub")
    parser.add_argument("--split", default="train", help="split to learn from, or several: train+test")
    parser.add_argument("--channel", help="channel to learn; default: the first")
    parser.add_argument("--batch-size", type=int, default=32, help="crops of a batch")
    parser.add_argument(
        "--workers", type=int, default=0, help="processes that read; 0 reads in a thread, which is cheaper"
    )
    parser.add_argument("--epochs", type=int, default=1000, help="stop after so many passes through the split")
    parser.add_argument("--batches", type=int, default=1 << 60, help="stop after so many batches")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="stop after so many minutes")
    parser.add_argument("--seed", type=int, default=0, help="decides the first weights and the order of the crops")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu", help="cpu, cuda, mps ...")
    parser.add_argument("--checkpoint", type=Path, default=Path("autoencoder.pt"), help="goes on from it if it exists")
    parser.add_argument("--out", type=Path, default=Path("autoencoder.png"), help="picture of originals and copies")
    return parser.parse_args(arguments)


def column_of(manifest: Manifest, channel: str | None) -> str:
    """Return the column that holds the crops of a channel, by default of the first.

    Raises:
        SystemExit: there is no such channel.
    """
    columns = image_columns(manifest.channels)
    if channel is None:
        return columns[0]
    if channel not in manifest.channels:
        known = ", ".join(manifest.channels) or "one without a name"
        raise SystemExit(f"--channel: the dataset has no channel {channel}; it has {known}.")
    return columns[manifest.channels.index(channel)]


def prepared(options: argparse.Namespace) -> Training:
    """Return the network and the stream, at the beginning or where the checkpoint was written.

    Raises:
        SystemExit: the crops have another size than the network takes; there is no such channel; the checkpoint
            cannot be read, or its folder does not exist.
    """
    manifest = open_dataset(options.source).manifest
    crop_px, column = manifest.crop_px, column_of(manifest, options.channel)
    if crop_px % (1 << len(FILTERS)):
        raise SystemExit(
            f"The crops have {crop_px} px, and the network halves them {len(FILTERS)} times; build the dataset with a "
            f"--crop-px that is a multiple of {1 << len(FILTERS)}."
        )
    torch.manual_seed(options.seed)
    device = torch.device(options.device)
    loader = train_loader(
        options.source,
        options.split,
        batch_size=options.batch_size,
        seed=options.seed,
        columns=(column,),
        num_workers=options.workers,
        pin_memory=device.type == "cuda",
    )
    model = Autoencoder(crop_px).to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE)
    training = Training(model, optimizer, loader, device, has_bfloat16(device), column)
    if not options.checkpoint.absolute().parent.is_dir():
        raise SystemExit(f"--checkpoint: the folder {options.checkpoint.parent} does not exist; make it first.")
    if options.checkpoint.exists():
        training.resume(options.checkpoint)
        print(f"going on after {training.images:,} images, in epoch {loader.epoch}")
    return training


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, and show what was learned."""
    options = parsed(arguments)
    training = prepared(options)
    count = min(SHOWN, len(training.loader) * options.batch_size)
    (shown,) = sample_loader(
        count, source=options.source, split=options.split, batch_size=count, seed=0, columns=(training.column,)
    )
    before = show(training, shown[training.column], options.out)
    train(training, options)
    after = show(training, shown[training.column], options.out)
    print(f"mean squared error of {count} nuclei: {before:.5f} before, {after:.5f} after; see {options.out}")


if __name__ == "__main__":
    main()
