"""Weights are recognised before anything is built from them, and nothing else is taken for them."""

import pickle
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch

from builder.segment.network.cellpose_modules import check_version
from builder.segment.network.network import check_weights
from builder.segment.network.weights import WeightsFile, WeightsKind, find_weights, read_weights_file, recognise
from nucleusnet_core.errors import UsageError, WeightsError
from tests.builder.segment.conftest import MODEL


def saved(state: Any, path: Path) -> Path:
    torch.save(state, path)
    return path


@pytest.fixture
def state() -> dict[str, torch.Tensor]:
    return dict(torch.load(MODEL, weights_only=True))


def test_a_cellpose_3_model_is_recognised_with_its_diameters(weights: WeightsFile) -> None:
    assert weights.kind is WeightsKind.cellpose_3
    assert (weights.diam_mean_px, weights.diam_labels_px) == (30.0, 152.875)
    check_weights(weights)


def test_another_mean_diameter_is_read_from_the_file(state: dict[str, torch.Tensor], tmp_path: Path) -> None:
    state["diam_mean"] = torch.tensor([17.0])
    assert read_weights_file(saved(state, tmp_path / "nuclei")).diam_mean_px == 17.0


def test_a_file_without_diameters_has_those_of_cellpose(state: dict[str, torch.Tensor], tmp_path: Path) -> None:
    del state["diam_mean"], state["diam_labels"]
    found = read_weights_file(saved(state, tmp_path / "old"))
    assert (found.diam_mean_px, found.diam_labels_px) == (30.0, None)
    check_weights(found)


def test_weights_of_parallel_training_are_the_same(state: dict[str, torch.Tensor], tmp_path: Path) -> None:
    found = read_weights_file(saved({f"module.{name}": value for name, value in state.items()}, tmp_path / "parallel"))
    assert found.kind is WeightsKind.cellpose_3
    check_weights(found)


def test_kinds_are_told_by_what_only_they_have() -> None:
    assert recognise({"W2": torch.zeros(1)}, "a") is WeightsKind.cellpose_sam
    assert recognise({"W2": torch.zeros(1), "encoder.cls_token": torch.zeros(1)}, "a") is WeightsKind.cellpose_dino


@pytest.mark.parametrize(("shape", "why"), [((1, 32, 1, 1), "restoring"), ((3, 32, 1, 1, 1), "volumes"), (None, "fc")])
def test_networks_that_make_no_masks_are_refused(shape: tuple[int, ...] | None, why: str) -> None:
    state = {"fc.weight": torch.zeros(2)} if shape is None else {"output.2.weight": torch.zeros(shape)}
    with pytest.raises(
        WeightsError, match=f"other holds .*{why}.*, no weights of cellpose-3 or cellpose-SAM that make masks"
    ):
        recognise(state, "other")


def test_a_path_that_is_not_there_is_never_another_model(tmp_path: Path) -> None:
    with pytest.raises(
        UsageError, match=r"--model .*nucleei does not exist; give a file of weights, or one of the names .*cpsam_v2"
    ):
        find_weights(str(tmp_path / "nucleei"))
    with pytest.raises(UsageError, match=r"--model .* is a folder"):
        find_weights(str(tmp_path))


def test_a_named_model_is_not_fetched_unasked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from builder.segment.network.cellpose_modules import cellpose_modules

    monkeypatch.setattr(cellpose_modules().models, "MODEL_DIR", tmp_path)
    with pytest.raises(WeightsError, match="are not on this machine; fetch them once with --download"):
        find_weights("cpsam_v2")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "cpsam_v2").write_bytes(b"weights")
    assert find_weights("cpsam_v2") == tmp_path / "cpsam_v2"


def test_a_truncated_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "half").write_bytes(MODEL.read_bytes()[:-100_000])
    with pytest.raises(WeightsError, match=r"half holds no weights as torch\.save writes them, .* copy it again"):
        read_weights_file(tmp_path / "half")


def test_an_empty_file_and_a_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    (tmp_path / "text").write_text("not a model", "utf-8")
    for name in ("empty", "text"):
        with pytest.raises(WeightsError, match="tensors by name"):
            read_weights_file(tmp_path / name)


class Attack:
    def __init__(self, marker: str) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return Path.touch, (Path(self.marker),)  # type: ignore[return-value]


def test_code_in_a_file_is_not_run(tmp_path: Path) -> None:
    marker = tmp_path / "was-run"
    (tmp_path / "plain").write_bytes(pickle.dumps(Attack(str(marker))))
    for path in (tmp_path / "plain", saved({"W2": Attack(str(marker))}, tmp_path / "zipped")):
        with pytest.raises(WeightsError):
            read_weights_file(path)
    assert not marker.exists()


def test_a_compressed_archive_is_refused_before_it_is_read(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bomb", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb/data.pkl", b"0" * 10_000_000)
    with pytest.raises(WeightsError, match="a compressed archive"):
        read_weights_file(tmp_path / "bomb")


def test_missing_unknown_and_misshapen_weights_are_named(state: dict[str, torch.Tensor], tmp_path: Path) -> None:
    del state["output.2.bias"]
    state["more"] = torch.zeros(1)
    state["output.0.weight"] = torch.zeros(7)
    with pytest.raises(
        WeightsError,
        match=r"1 missing such as output.2.bias, 1 unknown such as more, 1 of another shape such as output.0.weight",
    ):
        check_weights(read_weights_file(saved(state, tmp_path / "wrong")))


def test_cellpose_sam_weights_that_lack_most_are_refused_though_cellpose_would_fill_them_at_random(
    tmp_path: Path,
) -> None:
    path = saved({"W2": torch.eye(192).reshape(192, 3, 8, 8)}, tmp_path / "cpsam")
    with pytest.raises(WeightsError, match=r"weights of a cellpose-sam network: \d+ missing"):
        check_weights(read_weights_file(path))


def test_a_cellpose_3_model_with_a_transformer_is_refused(tmp_path: Path) -> None:
    path = saved({"output.2.weight": torch.zeros(3, 8, 1, 1), "encoder.x": torch.zeros(1)}, tmp_path / "transformer")
    with pytest.raises(WeightsError, match="is no residual U-Net of cellpose 3"):
        check_weights(read_weights_file(path))


@pytest.mark.parametrize("found", [None, "3.1.1.3", "4.0.7", "5.0"])
def test_other_versions_of_cellpose_are_refused(found: str | None) -> None:
    with pytest.raises(UsageError, match=r"nucleusnet\[segment\]"):
        check_version(found)


def test_the_known_versions_of_cellpose_are_accepted() -> None:
    check_version("4.2.1")
    check_version("4.2.1.1")
    check_version("4.10.0")
