"""A dataset of four channels as build makes it: streamed, sampled, shown, checked, read without our code."""

import json
import shutil
from pathlib import Path

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tifffile
from PIL import Image

import nucleusnet_dataset
from builder.build.build import build
from builder.build.options import BuildOptions
from builder.cutting.recipe import Recipe
from builder.verify.verify import verify
from loaders import sample_loader, train_loader
from nucleusnet_core.inputs.channels import ChannelOptions
from tests.builder.build.test_any_lab import field
from tests.builder.commands import nucleusnet
from tests.loaders.damage import state_facts
from tests.range_server import serve

NAMES = ("dapi", "actin", "golgi", "tubulin")
COLUMNS = ("image", "image_actin", "image_golgi", "image_tubulin")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of 30 nuclei an image in four channels, 64 px."""
    root = tmp_path_factory.mktemp("four")
    (root / "images").mkdir()
    for number in range(6):
        image, labels = field(number, 6.0)
        rng = np.random.default_rng(number)
        others = [rng.integers(20 * place, 20 * place + 60, image.shape).astype(np.uint8) for place in (1, 2, 3)]
        tifffile.imwrite(root / "images" / f"f{number}.tif", np.stack([image, *others]), photometric="minisblack")
        tifffile.imwrite(root / "images" / f"f{number}_masks.tif", labels)
    options = BuildOptions(
        root / "images",
        root / "nucleusnet",
        pixels_per_um=6.0,
        splits="train=1",
        recipe=Recipe.refined,
        crop_px=64,
        channels=ChannelOptions.of_text(",".join(NAMES)),
    )
    assert build(options).failures == []
    return root / "nucleusnet"


def test_every_channel_is_a_tensor_of_the_values_in_its_column(folder: Path) -> None:
    stored = pq.read_table(next((folder / "data").glob("*.parquet")))
    cells = {row["nucleus_id"]: row for row in stored.select(["nucleus_id", *COLUMNS, "mask"]).to_pylist()}
    seen = 0
    for batch in train_loader(folder, batch_size=16, columns=("nucleus_id", *COLUMNS, "mask"), drop_last=False):
        for place, name in enumerate(batch["nucleus_id"]):
            seen += 1
            for column in (*COLUMNS, "mask"):
                expected = np.asarray(datasets.Image().decode_example(cells[name][column]))
                np.testing.assert_array_equal(batch[column][place, 0].numpy(), expected)
    assert seen == len(cells) > 100
    assert next(iter(sample_loader(32, source=folder, columns=("image_golgi",))))["image_golgi"].shape[1:] == (
        1,
        64,
        64,
    )


@pytest.mark.parametrize("draw", ["epoch", "sample"])
def test_one_channel_of_four_costs_its_own_bytes(folder: Path, draw: str) -> None:
    spent = {}
    for columns in (("image_actin",), COLUMNS):
        with serve(folder) as server:
            if draw == "epoch":
                for _ in train_loader(server.url, batch_size=16, columns=columns, drop_last=False):
                    pass
            else:
                nucleusnet_dataset.sample(100, source=server.url, columns=columns, seed=0)
            spent[columns] = sum(seen.sent for seen in server.seen if "/data/" in f"/{seen.path}")
    # Of some 150 nuclei the footer, which every reader needs, is a large part.
    footer = json.loads((folder / "manifest.json").read_bytes())["shards"][0]["footer_bytes"]
    assert spent[("image_actin",)] - footer <= 0.3 * (spent[COLUMNS] - footer)


def test_datasets_reads_every_channel_without_our_code(folder: Path, tmp_path: Path) -> None:
    stream = datasets.load_dataset(str(folder), split="train", streaming=True)
    row = next(iter(stream))
    assert [np.asarray(row[column]).shape for column in (*COLUMNS, "mask")] == [(64, 64)] * 5
    assert list(stream.features)[:5] == [*COLUMNS, "mask"]
    builder = nucleusnet_dataset.NucleusNet("default", data_dir=folder, cache_dir=str(tmp_path))
    first = next(iter(builder.as_streaming_dataset(split="train")))
    assert first["mean_intensity_golgi"] == row["mean_intensity_golgi"]


@pytest.mark.parametrize("verb", ["sample", "representatives", "mosaic"])
def test_sheets_and_mosaics_show_the_channel_that_is_named(folder: Path, tmp_path: Path, verb: str) -> None:
    made = []
    for channel in ("dapi", "golgi"):
        out = tmp_path / f"{channel}.png"
        more = ("--seed", "0") if verb == "sample" else ()
        done = nucleusnet(verb, folder, "--out", out, "--quiet", "--channel", channel, *more, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        made.append(np.asarray(Image.open(out).convert("RGB")))
    assert made[0].shape == made[1].shape
    assert (made[0] != made[1]).any()
    assert (made[0][..., :1] == made[0]).all()  # one channel is grey
    unknown = nucleusnet(verb, folder, "--out", tmp_path / "x.png", "--channel", "cy5", cwd=tmp_path)
    assert unknown.returncode in (1, 2)
    assert "cy5" in unknown.stderr
    assert "dapi, actin, golgi, tubulin" in unknown.stderr


def test_several_channels_are_shown_in_colours_and_kept_as_pages(folder: Path, tmp_path: Path) -> None:
    done = nucleusnet("sample", folder, "--out", tmp_path / "all.png", "--quiet", "--seed", "0", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    shown = np.asarray(Image.open(tmp_path / "all.png").convert("RGB"))
    assert (shown[..., :1] != shown).any()
    done = nucleusnet("mosaic", folder, "--out", tmp_path / "all.tif", "--quiet", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(tifffile.TiffFile(tmp_path / "all.tif").pages) == len(NAMES)
    asked = nucleusnet("mosaic", folder, "--out", tmp_path / "mosaic.png", "--quiet", cwd=tmp_path)
    assert asked.returncode in (1, 2)
    assert "--channel" in asked.stderr


def test_a_damaged_cell_of_a_further_channel_is_found(folder: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged"
    shutil.copytree(folder, damaged)
    [shard] = (damaged / "data").glob("*.parquet")
    table = pq.read_table(shard)
    place = table.schema.get_field_index("image_golgi")
    cells = table.column(place).to_pylist()
    cells[5]["bytes"] = cells[5]["bytes"][:-20] + bytes(20)
    field_of = table.schema.field(place)
    changed = table.set_column(place, field_of, [pa.array(cells, field_of.type)])
    pq.write_table(changed, shard)
    state_facts(damaged, f"data/{shard.name}")
    problems = [problem for problem in verify(damaged).problems if "image_golgi" in problem.where]
    assert [problem.where for problem in problems] == [f"data/{shard.name}, row 5, column image_golgi"]
