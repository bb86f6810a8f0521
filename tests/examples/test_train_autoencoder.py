"""The training example, run for a few batches."""

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import torch
from PIL import Image

from tests.dataset_folder import write_dataset_folder
from tests.root import ROOT

PROGRAM = ROOT / "examples" / "train_autoencoder.py"


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Threads of torch that share cores with other programs wait for each other most of the time."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def example() -> ModuleType:
    spec = importlib.util.spec_from_file_location("train_autoencoder", PROGRAM)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["train_autoencoder"] = module
    spec.loader.exec_module(module)
    return module


def test_training_stops_and_goes_on_at_the_next_batch(
    example: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(example, "REPORT_SECONDS", -1)
    write_dataset_folder(tmp_path / "nucleusnet", {"train": 20}, group_rows=8)
    checkpoint, picture = tmp_path / "a.pt", tmp_path / "a.png"
    arguments = ["--source", str(tmp_path / "nucleusnet"), "--checkpoint", str(checkpoint), "--out", str(picture)]
    arguments += ["--batch-size", "2", "--device", "cpu"]

    example.main([*arguments, "--batches", "3"])
    first = torch.load(checkpoint, weights_only=True)
    assert (first["images"], first["loader"]["epoch"], first["loader"]["batches"]) == (6, 0, 3)

    example.main([*arguments, "--batches", "8"])
    second = torch.load(checkpoint, weights_only=True)
    assert (second["images"], second["loader"]["epoch"], second["loader"]["batches"]) == (22, 1, 1)
    assert second["optimizer"]["state"][0]["step"] == 11
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "a.pt", "nucleusnet"]

    output = capsys.readouterr().out
    assert "going on after 6 images, in epoch 0" in output
    assert output.count("images/s") == 11  # a line for each batch, and none for nothing
    assert "% of the time waiting for data" in output
    with Image.open(picture) as image:
        assert (image.mode, image.size) == ("L", (12 * 256, 2 * 256))


def test_the_network_has_the_published_shape(example: ModuleType) -> None:
    model = example.Autoencoder()
    crops = torch.rand(2, 1, 256, 256)
    with torch.inference_mode():
        latents, restored = model.encoder(crops), model(crops)
    assert (latents.shape, restored.shape) == ((2, 512), (2, 1, 256, 256))
    assert 0 <= restored.min() <= restored.max() <= 1
    convolutions = [layer for layer in model.encoder if isinstance(layer, torch.nn.Conv2d)]
    assert [layer.out_channels for layer in convolutions] == [16, 16, 32, 32, 64, 64, 128, 128]
    assert {layer.kernel_size for layer in convolutions} == {(3, 3)}
    back = [layer for layer in model.decoder if isinstance(layer, torch.nn.ConvTranspose2d)]
    assert [layer.out_channels for layer in back] == [64, 32, 16, 16]


@pytest.mark.parametrize("crop_px", [32, 64, 1024])
def test_the_network_adapts_to_the_frame(example: ModuleType, crop_px: int) -> None:
    model = example.Autoencoder(crop_px)
    with torch.inference_mode():
        latents = model.encoder(torch.rand(1, 1, crop_px, crop_px))
        assert (latents.shape, model.decoder(latents).shape) == ((1, 512), (1, 1, crop_px, crop_px))


def test_a_frame_that_the_network_cannot_halve_is_refused(example: ModuleType, tmp_path: Path) -> None:
    write_dataset_folder(tmp_path, {"train": 4})
    manifest = tmp_path / "manifest.json"
    manifest.write_text(manifest.read_text("utf-8").replace('"crop_px": 256', '"crop_px": 40'), "utf-8")
    with pytest.raises(
        SystemExit, match="The crops have 40 px, and the network halves them 4 times; build the dataset wi"
    ):
        example.main(["--source", str(tmp_path), "--device", "cpu"])
