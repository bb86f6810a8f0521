"""Builds with `--crop-px` and `--frame-um`: from the command to batches, sheet and mosaic."""

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from builder.build.frame_use import frame_use
from builder.build.options import BuildOptions
from builder.build.sentences import frame_sentences
from builder.cutting.recipe import Frame, Recipe
from loaders import train_loader
from nucleusnet_core.cells.png import decode_cell
from nucleusnet_core.errors import UsageError
from nucleusnet_core.manifest import Manifest
from tests.builder.commands import nucleusnet

REFINED = ("--recipe", "refined", "--splits", "train=1", "--workers", "1", "--quiet")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images at 2 px/um, and datasets of them in the usual frame and in one of 20 um."""
    folder = tmp_path_factory.mktemp("frames")
    simulated = nucleusnet("simulate", "stitched", "--images", "2", "--size", "512", "--like", "20x", cwd=folder)
    assert simulated.returncode == 0, simulated.stderr
    for name, options in {"usual": (), "small": ("--crop-px", "64", "--frame-um", "20")}.items():
        done = nucleusnet("build", "stitched", *REFINED, *options, "--out", name, cwd=folder)
        assert done.returncode == 0, done.stderr
        (folder / f"{name}.txt").write_text(done.stdout, "utf-8")
    return folder


def lit_share(dataset: Path) -> float:
    """Share of the pixels of all crops that are not 0."""
    (path,) = (dataset / "data").glob("*.parquet")
    cells = pq.read_table(path, columns=["image"])["image"].to_pylist()
    return float(
        np.mean([np.count_nonzero(pixels) / pixels.size for pixels in (decode_cell(c["bytes"]) for c in cells)])
    )


def test_a_small_frame_is_full_of_nucleus_and_clean(folder: Path) -> None:
    manifest = Manifest.from_json((folder / "small" / "manifest.json").read_bytes())
    assert (manifest.crop_px, manifest.frame_um) == (64, 20.0)
    assert lit_share(folder / "small") > 20 * lit_share(folder / "usual")
    checked = nucleusnet("verify", "small", "--quiet", cwd=folder)
    assert (checked.returncode, checked.stderr) == (0, "")


def test_every_row_states_the_scale_of_its_crop(folder: Path) -> None:
    (path,) = (folder / "small" / "data").glob("*.parquet")
    rows = pq.read_table(path, columns=["mask", "crop_pixels_per_um", "area_um2"]).to_pylist()
    assert {round(64 / row["crop_pixels_per_um"] / 2.5, 5) % 1 for row in rows} == {0}  # 20, 22.5, 25, ... um
    shown = [decode_cell(row["mask"]["bytes"]).sum() / row["crop_pixels_per_um"] ** 2 for row in rows]
    assert np.median(np.abs(np.array(shown) / [row["area_um2"] for row in rows] - 1)) < 0.02


def test_batches_sheet_and_mosaic_have_the_size_of_the_crops(folder: Path) -> None:
    batch = next(iter(train_loader(folder / "small", batch_size=8, columns=("image", "mask"))))
    assert batch["image"].shape == batch["mask"].shape == (8, 1, 64, 64)
    sampled = nucleusnet(*["sample", "small", "--n", "9", "--seed", "0", "--out", "sheet.png"], cwd=folder)
    assert "1 batch of uint8 (9, 1, 64, 64)" in sampled.stdout
    for name in ("mosaic.png", "mosaic.tif"):
        drawn = nucleusnet("mosaic", "small", "--per-run", "5", "--out", name, "--overwrite", cwd=folder)
        assert drawn.returncode == 0, drawn.stderr
        with Image.open(folder / name) as picture:
            assert picture.size == (5 * 64, 2 * 64)


def test_a_mosaic_of_tiles_that_tiff_does_not_have_is_written_in_strips(folder: Path) -> None:
    built = nucleusnet("build", "stitched", *REFINED, "--crop-px", "40", "--out", "odd", cwd=folder)
    assert built.returncode == 0, built.stderr
    for name in ("odd.png", "odd.tif"):
        assert nucleusnet("mosaic", "odd", "--per-run", "3", "--out", name, "--overwrite", cwd=folder).returncode == 0
    with Image.open(folder / "odd.png") as png, Image.open(folder / "odd.tif") as tiff:
        assert np.array_equal(np.asarray(png), np.asarray(tiff))
        assert png.size == (3 * 40, 2 * 40)


def test_cells_of_another_size_than_the_manifest_says_are_found(folder: Path, tmp_path: Path) -> None:
    manifest = folder / "usual" / "manifest.json"
    good = manifest.read_text("utf-8")
    manifest.write_text(good.replace('"crop_px": 256', '"crop_px": 128'), "utf-8")
    try:
        found = nucleusnet("verify", "usual", "--quiet", cwd=folder)
    finally:
        manifest.write_text(good, "utf-8")
    assert "row 0, column image: it has 256 x 256 px, and in manifest.json crop_px is 128" in found.stderr


def test_a_build_names_the_frame_that_would_suit_its_nuclei(folder: Path) -> None:
    usual = (folder / "usual.txt").read_text("utf-8")
    assert "Note: half of the nuclei cover less than 1." in usual
    assert "% of their crop" in usual
    assert "--recipe refined --crop-px" not in usual
    small = (folder / "small.txt").read_text("utf-8")
    assert "are larger than the frame and shown at a smaller scale: --frame-um 2" in small
    (said,) = (line.split("--frame-um ")[1].split()[0] for line in small.splitlines() if "--frame-um " in line)
    (path,) = (folder / "small" / "metadata").glob("*.parquet")
    sides_um = 64 / pq.read_table(path)["crop_pixels_per_um"].to_numpy()
    assert np.mean(sides_um <= float(said) + 1e-3) >= 0.95


def test_a_frame_that_suits_its_nuclei_is_not_spoken_of() -> None:
    columns = [np.full(9, number) for number in (200.0, 18.0, 8.0, 8.0)]
    use = frame_use(columns, Frame(256))
    assert asdict(use) == {
        "nuclei": 9,
        "shrunk": 0,
        "covered": pytest.approx(200 / 32**2),
        "frame_um": 32.0,
        "fitting_um": 22.0,
        "fitting_px": 176,
    }
    assert frame_sentences(use, Recipe.refined) == []


def test_the_published_recipe_is_told_of_the_refined_one() -> None:
    use = frame_use([np.full(9, number) for number in (50.0, 10.0, 2.0, 2.0)], Frame(256))
    assert frame_sentences(use, Recipe.published) == [
        "Note: half of the nuclei cover less than 0.31 % of their crop, and the rest is empty: --recipe refined "
        "--crop-px 32 --frame-um 12 would hold 95 % of all, and less around them."
    ]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--crop-px 0", "--crop-px is 0; it must be a multiple of 8 from 32 to 1024."),
        ("--crop-px 31", "--crop-px is 31; it must be a multiple of 8 from 32 to 1024."),
        ("--crop-px 33", "--crop-px is 33; it must be a multiple of 8 from 32 to 1024."),
        ("--crop-px 2000", "--crop-px is 2000; it must be a multiple of 8 from 32 to 1024."),
        ("--frame-um 0", "--frame-um is 0; it must be from 0.1 to 1000."),
        ("--frame-um nan", "--frame-um is nan; it must be from 0.1 to 1000."),
        ("--frame-um 1e9", "--frame-um is 1e+09; it must be from 0.1 to 1000."),
    ],
)
def test_a_frame_that_cannot_be_is_refused(options: str, message: str, tmp_path: Path) -> None:
    done = nucleusnet("build", ".", "--recipe", "refined", *options.split(), "--out", "out", cwd=tmp_path)
    assert (done.returncode, done.stderr.strip()) == (2, f"nucleusnet: {message}")


@pytest.mark.parametrize("options", [{"crop_px": 64}, {"frame_um": 20.0}])
def test_the_published_recipe_has_no_other_frame(options: dict[str, float], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="recipe published always cuts 256 px of the image; pass --recipe refined to"):
        BuildOptions(tmp_path, tmp_path / "out", **options)  # type: ignore[arg-type]
