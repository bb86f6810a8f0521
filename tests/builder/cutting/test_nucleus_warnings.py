"""The warnings of nuclei, word by word."""

import numpy as np
import numpy.typing as npt
import pytest

from builder.cutting.nucleus_warnings import COLUMNS, TEXTS, nucleus_warnings
from nucleusnet_core.contract import NUCLEUS_WARNINGS, WARNING_THRESHOLDS

GOOD = {
    "area_px": 1000,
    "components": 1,
    "mean_intensity": 100.0,
    "std_intensity": 20.0,
    "background_intensity": 10.0,
    "saturated_px": 0,
    "sharpness": 0.4,
    "touches_border": False,
}


def words(*changed: dict[str, float], good: int = 11) -> list[list[str]]:
    """Return the warnings of changed nuclei in an image with some good ones."""
    rows = [GOOD | change for change in changed] + [GOOD] * good
    columns: dict[str, npt.NDArray[np.float64]] = {name: np.array([row[name] for row in rows]) for name in COLUMNS}
    found = nucleus_warnings(columns, WARNING_THRESHOLDS)
    assert found[len(changed) :] == [[]] * good
    return found[: len(changed)]


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"std_intensity": 0.5}, "blank"),
        ({"saturated_px": 11}, "saturated"),
        ({"sharpness": 0.09}, "blurred"),
        ({"touches_border": True}, "cut"),
        ({"components": 3}, "many_bodies"),
        ({"background_intensity": 91.0}, "dim"),
    ],
)
def test_one_thing_wrong_is_one_word(change: dict[str, float], word: str) -> None:
    assert words(change) == [[word]]


@pytest.mark.parametrize(
    "change",
    [
        {"std_intensity": 0.6},
        {"saturated_px": 10},
        {"sharpness": 0.1},
        {"components": 2},
        {"background_intensity": 90.0},
        {"background_intensity": np.nan},
        {"sharpness": np.nan},
    ],
)
def test_at_the_threshold_and_where_nothing_is_known_nothing_is_said(change: dict[str, float]) -> None:
    assert words(change) == [[]]


def test_several_words_stand_in_the_order_of_the_contract() -> None:
    all_but_blank = {"saturated_px": 500, "touches_border": True, "components": 4, "background_intensity": 300.0}
    assert words(all_but_blank) == [["saturated", "cut", "many_bodies", "dim"]]
    assert words({"sharpness": 0.0, "touches_border": True, "background_intensity": 99.0}) == [
        ["blurred", "cut", "dim"]
    ]


def test_what_is_blank_or_saturated_is_not_called_blurred_too() -> None:
    assert words({"std_intensity": 0.0, "sharpness": 0.0}) == [["blank"]]
    assert words({"std_intensity": 0.0, "saturated_px": 1000, "sharpness": 0.0}) == [["saturated"]]


def test_a_nucleus_is_blurred_only_beside_enough_others() -> None:
    assert words({"sharpness": 0.01}, good=9) == [["blurred"]]
    assert words({"sharpness": 0.01}, good=8) == [[]]
    assert words(*[{"sharpness": 0.001}] * 12, good=0) == [[]] * 12
    assert nucleus_warnings({name: np.zeros(0) for name in COLUMNS}, WARNING_THRESHOLDS) == []


def test_every_word_is_explained_with_its_threshold() -> None:
    assert tuple(TEXTS) == NUCLEUS_WARNINGS
    said = [text.format_map(WARNING_THRESHOLDS) for text in TEXTS.values()]
    assert said[0].startswith("all pixels have nearly the same value (`std_intensity` of at most 0.5)")
    assert said[1].startswith("more than 0.01 of the pixels")
    assert said[5] == "`mean_intensity` is at most 1.1 times `background_intensity`"
