"""One stitched image measured: the numbers that numpy gives, and what is refused."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from builder.analysis.image_statistics import MeasureTask, count_labels, image_statistics, measure_file
from builder.analysis.statistics import ImageStatistics
from nucleusnet_core.errors import InputImageError, InputMaskError
from nucleusnet_core.inputs.masks import runs_from_array
from nucleusnet_core.inputs.pairs import Source


@settings(deadline=None)  # the first call may compile
@given(st.data(), st.sampled_from([np.uint8, np.uint16]))
def test_any_image_and_mask_give_the_numbers_of_numpy(data: st.DataObject, dtype: type) -> None:
    shape = data.draw(st.tuples(st.integers(1, 9), st.integers(1, 40)))
    pixels = data.draw(arrays(dtype, shape))
    labels = data.draw(arrays(np.uint16, shape, elements=st.integers(0, 3) | st.just(65_000), fill=st.just(0)))
    found = image_statistics("name", pixels, runs_from_array(labels))
    under = pixels[labels > 0].astype(np.float64)
    assert found.num_rois == len(set(labels.ravel().tolist()) - {0})
    if under.size:
        assert found.mean_intensity == pytest.approx(under.mean(), rel=1e-13)
        assert found.std_intensity == pytest.approx(under.std(), rel=1e-9, abs=1e-9)
    else:
        assert (found.mean_intensity, found.std_intensity) == (None, None)


def test_the_brightest_row_that_an_image_may_have_does_not_overflow() -> None:
    pixels, labels = np.full((2, 60_000), 255, np.uint8), np.ones((2, 60_000), np.uint16)
    assert image_statistics("bright", pixels, runs_from_array(labels)) == ImageStatistics("bright", 1, 255.0, 0.0)


def test_large_labels_are_counted_too() -> None:
    assert count_labels(np.array([4_000_000_000, 7, 7, 4_000_000_000, 1], np.uint32)) == 3
    assert count_labels(np.array([], np.uint32)) == 0


def task_of(folder: Path) -> MeasureTask:
    return MeasureTask(Source("a", folder / "a.tif", folder / "a_cp_masks.png", None, "a", None, None))


def test_files_that_cannot_be_used_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputMaskError, match=r"a_cp_masks\.png cannot be read"):
        measure_file(task_of(tmp_path))
    Image.fromarray(np.ones((4, 5), np.uint16)).save(tmp_path / "a_cp_masks.png")
    with pytest.raises(InputImageError, match=r"a\.tif cannot be read"):
        measure_file(task_of(tmp_path))
    tifffile.imwrite(tmp_path / "a.tif", np.ones((5, 4), np.uint8))
    with pytest.raises(InputMaskError, match=r"a_cp_masks\.png has 4 x 5 px, but a\.tif has 5 x 4"):
        measure_file(task_of(tmp_path))
    tifffile.imwrite(tmp_path / "a.tif", np.full((4, 5), 9, np.uint8))
    assert measure_file(task_of(tmp_path)) == ImageStatistics("a", 1, 9.0, 0.0)
