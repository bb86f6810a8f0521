"""`build --dry-run`, and the first lines of every build: what it has understood, before anything is made."""

import json
from pathlib import Path

import pytest

from nucleusnet_core.files.disk_space import NEEDED_LEAST_BYTES
from tests.builder.build.fields import write_field
from tests.builder.commands import nucleusnet


@pytest.fixture
def plate(tmp_path: Path) -> Path:
    """Four wells of two fields, and their sample sheet."""
    folder = tmp_path / "plate"
    for well in ("B02", "B03", "C02", "C03"):
        for field in (1, 2):
            write_field(folder, f"{well}_s{field}")
    rows = ("B02,DMSO,0,train", "B03,drug,0.1,train", "C02,DMSO,0,validation", "C03,drug,1.5,test")
    (folder / "samples.csv").write_text("\n".join(["well,compound,dose_uM,split", *rows]) + "\n")
    return folder


def files_below(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def test_it_says_what_it_understands_and_writes_nothing(plate: Path, tmp_path: Path) -> None:
    before = files_below(tmp_path)
    done = nucleusnet("build", plate, "--dry-run", "--out", "new/data", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert files_below(tmp_path) == before
    lines = done.stdout.splitlines()
    assert lines[:3] == [
        "images: 8 with masks <name>_cp_masks.png",
        "scale: 2 px/µm, stated by the files (ImageJ); 3 of 8 images looked at",
        "runs: 8 (B02_s1, B02_s2, B03_s1, ...)",
    ]
    assert lines[3].startswith("names: 8 of 8 names do not match the name pattern (B02_s1, B02_s2, B03_s1, ...); ")
    assert lines[4].startswith("splits by the fractions, each run_name in one: train 6, validation 1, test 1")
    assert lines[5:8] == [
        "nuclei: recipe published keeps about 6 of 30 in 3 of 8 images",
        "Note: 18 of 30 nuclei have no full 364 px window around them: --recipe refined keeps them.",
        "6 of 30 nuclei touch the border of their image: --recipe refined keeps and flags them.",
    ]
    assert lines[8].startswith("space: images of 512 x 512 px; about 67 MB needed, ")
    assert len(lines) == 9


def test_groups_columns_and_splits_come_from_pattern_and_sheet(plate: Path, tmp_path: Path) -> None:
    options = ("--name-pattern", r"(?P<well>\w\d\d)_s(?P<site>\d)", "--samples", plate / "samples.csv")
    done = nucleusnet("build", plate, *options, "--group-by", "well", "--recipe", "refined", "--dry-run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert "groups by well: 4 (B02, B03, C02, ...)" in lines
    assert "column compound: string, such as DMSO, drug" in lines
    assert "column dose_uM: float64, such as 0.0, 0.1, 1.5" in lines
    assert "column site: string, such as 1, 2" in lines
    assert "splits by the sample sheet, each well in one: test 1, train 2, validation 1" in lines
    assert "nuclei: recipe refined keeps about 30 of 30 in 3 of 8 images" in lines
    assert not [line for line in lines if line.startswith(("names:", "Note:"))]


def test_a_scale_that_nobody_states_is_said_and_the_remedy(tmp_path: Path) -> None:
    write_field(tmp_path / "stitched", "Run01TL_top_left", pixels_per_um=None)
    done = nucleusnet("build", "stitched", "--dry-run", cwd=tmp_path)
    assert done.returncode == 1
    assert "scale: not stated by Run01TL_top_left.tif: pass --pixels-per-um" in done.stdout.splitlines()
    assert "--pixels-per-um" in done.stderr
    assert "nothing was written" in done.stderr
    done = nucleusnet("build", "stitched", "--dry-run", "--pixels-per-um", "3", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "scale: 3 px/µm, given by --pixels-per-um" in done.stdout.splitlines()


def test_what_cannot_be_used_is_listed(tmp_path: Path) -> None:
    write_field(tmp_path / "stitched", "a")
    write_field(tmp_path / "stitched", "b").write_bytes(b"")
    (tmp_path / "stitched" / "c.tif").write_bytes(write_field(tmp_path, "c").read_bytes())
    done = nucleusnet("build", "stitched", "--dry-run", cwd=tmp_path)
    assert done.returncode == 1
    listed = done.stderr.splitlines()
    assert listed[0] == "2 inputs are not in the dataset:"
    assert sorted(line.split(":")[0].strip() for line in listed[1:3]) == ["b", "c"]


def test_json_holds_the_same(plate: Path, tmp_path: Path) -> None:
    pattern = r"(?P<well>\w\d\d)_s\d"
    options = ("--name-pattern", pattern, "--group-by", "well")
    done = nucleusnet("build", plate, *options, "--dry-run", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert (said["images"], said["groups"]) == (8, ["B02", "B03", "C02", "C03"])
    assert said["scales"] == [{"pixels_per_um": 2.0, "images": 3}]
    assert said["columns"] == {"well": "string"}
    assert sum(said["splits"].values()) == 4
    assert said["looked_at"] == {"images": 3, "found": 30, "dropped": {"touches_border": 6, "no_full_window": 18}}
    assert said["needed_bytes"] == NEEDED_LEAST_BYTES
    assert (said["unmatched"], said["failures"], said["out_exists"]) == ([], [], False)


def test_a_build_begins_with_the_first_lines(tmp_path: Path) -> None:
    for seed, run in enumerate(("01", "02")):
        write_field(tmp_path / "stitched", f"Run{run}TL_top_left", seed=seed)
    done = nucleusnet("build", "stitched", "--splits", "train=1", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[:3] == [
        "images: 2 with masks <name>_cp_masks.png",
        "scale: 2 px/µm, stated by the files (ImageJ)",
        "runs: 2 (1, 2)",
    ]
    assert "Note: nucleusnet exists" not in done.stdout
    done = nucleusnet("build", "stitched", "--dry-run", cwd=tmp_path)
    assert done.stdout.splitlines()[-1].endswith("exists; choose another --out, or pass --overwrite to replace it.")


def test_a_dry_run_is_of_the_whole_build(tmp_path: Path) -> None:
    done = nucleusnet("build", tmp_path, "--dry-run", "--task", "0", "--tasks", "2", cwd=tmp_path)
    assert done.returncode == 2
    assert "--dry-run looks at the whole build" in done.stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--ignore-file-scale",), "--ignore-file-scale needs a scale"),
        (("--samples-missing", "null"), "--samples-missing is about a sample sheet"),
    ],
)
def test_options_that_mean_nothing_alone_are_refused(options: tuple[str, ...], said: str, tmp_path: Path) -> None:
    done = nucleusnet("build", tmp_path, *options, cwd=tmp_path)
    assert done.returncode == 2
    assert said in done.stderr
