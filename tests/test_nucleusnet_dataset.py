"""The dataset's definition, and its builder over any source."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pyarrow.parquet as pq
import pytest
from datasets import load_dataset

from builder.card.head import card_yaml
from nucleusnet_core.contract import CONFIGS
from nucleusnet_core.errors import CorruptDataError, DatasetNotFoundError, NucleusNetError, SelectionError
from nucleusnet_core.manifest import Manifest
from nucleusnet_dataset import CITATION, DESCRIPTION, NucleusNet, dataset_info, features, sample
from tests.dataset_folder import nucleus_mask, nucleus_pixels, write_dataset_folder
from tests.shard_facts import facts_of

SPLITS = {"train": 300, "validation": 40, "test": 30}


@pytest.fixture(scope="module", autouse=True)
def no_progress_bars() -> Iterator[None]:
    datasets.disable_progress_bars()
    yield
    datasets.enable_progress_bars()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset folder with a card, 3 shards of split train, row groups of 32."""
    folder = tmp_path_factory.mktemp("Größe 1") / "nucleusnet"
    manifest = write_dataset_folder(folder, SPLITS, shard_rows=128, group_rows=32)
    (folder / "README.md").write_text(f"---\n{card_yaml(manifest)}\n---\n", "utf-8")
    return folder


@pytest.fixture
def copied(folder: Path, tmp_path: Path) -> Path:
    """A copy of the dataset folder, to be damaged."""
    return Path(shutil.copytree(folder, tmp_path / "copy"))


def test_the_configs_and_their_columns() -> None:
    assert CONFIGS == ("default", "metadata", "stitched", "10k")
    default, stitched = features("default"), features("stitched")
    assert default["image"] == datasets.Image(mode="L")
    assert default["mask"] == datasets.Image(mode="1")
    assert features("default", bit_depth=16)["image"] == datasets.Image()
    assert list(default)[:9] == [
        *("image", "mask", "nucleus_id", "stitched_image", "run", "run_name", "quarter", "position", "label")
    ]
    numbers = ("run", "label", "pixels_per_um", "crop_pixels_per_um", "area_um2", "components", "integrated_intensity")
    kinds = {name: default[name].dtype for name in numbers}
    assert kinds == {
        "run": "int32",
        "label": "uint32",
        "pixels_per_um": "float32",
        "crop_pixels_per_um": "float32",
        "area_um2": "float32",
        "components": "int16",
        "integrated_intensity": "float64",
    }
    assert features("10k") == default
    assert list(features("metadata").items()) == list(default.items())[2:]
    assert list(stitched)[:5] == ["name", "run", "run_name", "quarter", "position"]
    assert list(stitched)[7:15] == [
        *("pixels_per_um", "scale_source", "num_rois", "kept"),
        "dropped_touches_border",
        "dropped_no_full_window",
        "dropped_no_contour",
        "dropped_empty_after_rotation",
    ]
    assert (stitched["pixels_per_um"].dtype, stitched["warnings"]) == (
        "float64",
        datasets.List(datasets.Value("string")),
    )
    assert (len(default), len(stitched)) == (35, 22)
    with pytest.raises(SelectionError, match=r"There is no config '10K'; .* default, metadata, stitched, 10k"):
        features("10K")


@pytest.mark.parametrize("config", CONFIGS)
def test_streaming_gives_the_rows_that_load_dataset_gives(folder: Path, config: str) -> None:
    builder = NucleusNet(config, data_dir=folder)
    for split in SPLITS:
        ours = builder.as_streaming_dataset(split=split)
        plain = load_dataset(str(folder), config, split=split, streaming=True)
        assert ours.features == plain.features
        assert list(ours.decode(False)) == list(plain.decode(False))


@pytest.mark.parametrize("config", CONFIGS)
def test_preparing_gives_the_rows_that_load_dataset_gives(folder: Path, tmp_path: Path, config: str) -> None:
    builder = NucleusNet(config, data_dir=folder, cache_dir=str(tmp_path))
    builder.download_and_prepare()
    ours = builder.as_dataset(split="train")
    plain = load_dataset(str(folder), config, split="train", cache_dir=str(tmp_path / "plain"))
    assert ours.features == plain.features
    assert ours.data.table.equals(plain.data.table)


def test_two_processes_prepare_the_same_rows(folder: Path, tmp_path: Path) -> None:
    one = NucleusNet("metadata", data_dir=folder, cache_dir=str(tmp_path / "1"))
    one.download_and_prepare()
    two = NucleusNet("default", data_dir=folder, cache_dir=str(tmp_path / "2"))
    two.download_and_prepare(num_proc=2)
    expected = one.as_dataset(split="train")["nucleus_id"]
    assert list(two.as_dataset(split="train")["nucleus_id"]) == list(expected)


def test_images_and_masks_decode_to_the_pixels_that_were_written(folder: Path) -> None:
    row = next(iter(NucleusNet(data_dir=folder).as_streaming_dataset(split="train")))
    assert (np.asarray(row["image"]) == nucleus_pixels(row["label"])).all()
    assert (np.asarray(row["mask"]) == nucleus_mask(row["label"])).all()


def test_the_info_is_complete_before_any_row_is_read(copied: Path) -> None:
    for shard in copied.rglob("*.parquet"):
        shard.unlink()
    info = NucleusNet("default", data_dir=copied).info
    assert {name: split.num_examples for name, split in info.splits.items()} == SPLITS
    assert info.features == features("default")
    assert (info.description, info.citation, str(info.version)) == (DESCRIPTION, CITATION, "2.0.0")
    assert (info.dataset_name, info.config_name) == ("nucleusnet", "default")


def test_the_estimated_size_of_the_arrow_files_is_right(folder: Path, tmp_path: Path) -> None:
    builder = NucleusNet("default", data_dir=folder, cache_dir=str(tmp_path))
    builder.download_and_prepare()
    estimated = dataset_info(Manifest.from_json((folder / "manifest.json").read_bytes()), "default").dataset_size
    written = sum(path.stat().st_size for path in Path(builder.cache_dir).glob("*.arrow"))
    assert estimated == pytest.approx(written, rel=0.02)


def test_a_dataset_of_16_bits_says_so(tmp_path: Path) -> None:
    write_dataset_folder(tmp_path / "deep", {"train": 4}, bit_depth=16)
    stream = NucleusNet(data_dir=tmp_path / "deep").as_streaming_dataset(split="train")
    assert stream.features["image"] == datasets.Image()
    row = next(iter(stream))
    assert (np.asarray(row["image"]) == nucleus_pixels(row["label"], 16)).all()


def test_every_file_is_a_shard_and_readers_that_share_them_see_every_row_once(folder: Path) -> None:
    stream = NucleusNet("default", data_dir=folder).as_streaming_dataset(split="train").select_columns("nucleus_id")
    assert stream.num_shards == 3
    everything = [row["nucleus_id"] for row in stream]
    shared = [row["nucleus_id"] for index in range(2) for row in stream.shard(num_shards=2, index=index)]
    assert sorted(shared) == sorted(everything)
    assert len(set(everything)) == SPLITS["train"]


def test_the_workers_of_a_data_loader_share_the_rows(folder: Path) -> None:
    data = pytest.importorskip("torch.utils.data")
    stream = NucleusNet("metadata", data_dir=folder).as_streaming_dataset(split="train").select_columns("label")
    whole = NucleusNet("default", data_dir=folder).as_streaming_dataset(split="train").select_columns("label")
    loader = data.DataLoader(whole, batch_size=50, num_workers=2)
    labels = [int(label) for batch in loader for label in batch["label"]]
    assert sorted(labels) == sorted(row["label"] for row in stream)


@pytest.mark.parametrize("consumed", [0, 1, 32, 33, 128, 299])
def test_a_stream_resumes_exactly_where_it_was(folder: Path, consumed: int) -> None:
    def stream() -> Any:
        return NucleusNet("default", data_dir=folder).as_streaming_dataset(split="train").select_columns("label")

    first, labels = stream(), []
    rows = iter(first)
    for _ in range(consumed):
        labels.append(next(rows)["label"])
    state = json.loads(json.dumps(first.state_dict()))
    rest = stream()
    rest.load_state_dict(state)
    assert labels + [row["label"] for row in rest] == [row["label"] for row in stream()]


def test_equal_content_has_one_place_in_the_cache_and_other_content_another(folder: Path, copied: Path) -> None:
    place = NucleusNet("metadata", data_dir=folder).cache_dir
    assert NucleusNet("metadata", data_dir=copied).cache_dir == place
    manifest = json.loads((copied / "manifest.json").read_text("utf-8"))
    (copied / "manifest.json").write_text(json.dumps(manifest | {"seed": 1}), "utf-8")
    assert NucleusNet("metadata", data_dir=copied).cache_dir != place


def test_an_unknown_config_lists_the_configs(folder: Path) -> None:
    with pytest.raises(SelectionError, match=r"no config 'tiny'; its configs .* default, metadata, stitched, 10k"):
        NucleusNet("tiny", data_dir=folder)


def test_a_folder_without_a_manifest_is_no_dataset(tmp_path: Path) -> None:
    with pytest.raises(DatasetNotFoundError, match=r"manifest\.json"):
        NucleusNet(data_dir=tmp_path)


def test_a_missing_shard_is_named(copied: Path, tmp_path: Path) -> None:
    (copied / "data" / "train-00001-of-00003.parquet").unlink()
    with pytest.raises(NucleusNetError, match=r"data/train-00001-of-00003\.parquet"):
        list(NucleusNet(data_dir=copied).as_streaming_dataset(split="train"))
    with pytest.raises(NucleusNetError, match=r"data/train-00001-of-00003\.parquet"):
        NucleusNet(data_dir=copied, cache_dir=str(tmp_path)).download_and_prepare()


def test_a_shard_with_other_columns_is_named(copied: Path) -> None:
    table = pq.read_table(copied / "metadata" / "train-00000-of-00001.parquet")
    replaced(copied, "metadata/train-00000-of-00001.parquet", table.rename_columns(["id", *table.column_names[1:]]))
    with pytest.raises(
        CorruptDataError, match=r"metadata/train-00000-of-00001.parquet has columns id, .* instead of nucleus_id,"
    ):
        list(NucleusNet("metadata", data_dir=copied).as_streaming_dataset(split="train"))


def test_a_shard_with_fewer_rows_is_named(copied: Path) -> None:
    table = pq.read_table(copied / "metadata" / "train-00000-of-00001.parquet")
    replaced(copied, "metadata/train-00000-of-00001.parquet", table.slice(1))
    with pytest.raises(
        CorruptDataError, match=r"train-00000-of-00001\.parquet has 299 rows, and the manifest states 300"
    ):
        list(NucleusNet("metadata", data_dir=copied).as_streaming_dataset(split="train"))


def replaced(folder: Path, name: str, table: Any) -> None:
    """Write another shard and let the manifest know its sizes, but not its rows."""
    pq.write_table(table, folder / name)
    data = (folder / name).read_bytes()
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    entry = next(shard for shard in manifest["shards"] if shard["path"] == name)
    entry |= facts_of(data)
    (folder / "manifest.json").write_text(json.dumps(manifest), "utf-8")


@pytest.mark.parametrize("method", ["blocks", "rows"])
def test_a_sample_is_a_dataset_of_distinct_rows_of_the_split(folder: Path, method: str) -> None:
    drawn = sample(100, source=folder, split="train", seed=7, method=method)
    assert isinstance(drawn, datasets.Dataset)
    assert (len(drawn), str(drawn.split)) == (100, "train")
    assert drawn.features == features("default")
    ids = drawn["nucleus_id"]
    assert len(set(ids)) == 100
    known = {row["nucleus_id"]: row for row in load_dataset(str(folder), "metadata", split="train", streaming=True)}
    numbers = drawn.remove_columns(["image", "mask"])
    assert [known[row["nucleus_id"]] for row in numbers] == list(numbers)
    assert (np.asarray(drawn[5]["image"]) == nucleus_pixels(drawn[5]["label"])).all()
    assert (np.asarray(drawn[5]["mask"]) == nucleus_mask(drawn[5]["label"])).all()


@pytest.mark.parametrize("method", ["blocks", "rows"])
def test_a_seed_draws_the_same_sample_and_none_draws_another_each_time(folder: Path, method: str) -> None:
    def ids(seed: int | None) -> list[str]:
        return list(sample(20, source=folder, seed=seed, columns=["nucleus_id"], method=method)["nucleus_id"])

    assert ids(3) == ids(3)
    assert ids(3) != ids(4)
    assert ids(None) != ids(None)


def test_a_sample_of_some_columns_over_two_splits(folder: Path) -> None:
    drawn = sample(340, source=folder, split="train+validation", seed=0, columns=["label", "run"])
    assert drawn.column_names == ["label", "run"]
    assert sorted(drawn["label"]) == list(range(1, 341))


def test_a_sample_fingerprint_says_what_was_drawn(folder: Path) -> None:
    first, again, other = (sample(5, source=folder, seed=seed, columns=["label"]) for seed in (1, 1, 2))
    assert first._fingerprint == again._fingerprint
    assert first._fingerprint != other._fingerprint


def test_too_large_a_sample_says_how_many_rows_there_are(folder: Path) -> None:
    with pytest.raises(SelectionError, match="300"):
        sample(301, source=folder, split="train")


def test_an_unknown_split_or_column_lists_what_there_is(folder: Path) -> None:
    with pytest.raises(SelectionError, match="train, validation, test"):
        sample(1, source=folder, split="dev")
    with pytest.raises(SelectionError, match="nucleus_id"):
        sample(1, source=folder, columns=["name"])


def test_a_split_may_be_named_as_datasets_names_it(folder: Path) -> None:
    drawn = sample(5, source=folder, split=datasets.Split.TEST, seed=0, columns=["label"])
    assert drawn.split == "test"
    assert drawn["label"] == sample(5, source=folder, split="test", seed=0, columns=["label"])["label"]
