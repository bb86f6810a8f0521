"""The model that the tests of segmentation use, and fields to try it on."""

from pathlib import Path

import pytest
import torch

from builder.segment.network.weights import WeightsFile, read_weights_file
from builder.simulate.set_folder import SimulatedImage
from builder.simulate.simulate import simulate_image

torch.set_num_threads(1)  # small arrays, and other tests beside these: threads would wait for each other

MODEL = Path(__file__).parent / "simulated_nuclei.pth"
MASK_MARGIN_UM = 2.1
"""Of the masks that the model has learned, as in `benchmarks/train_segment_model.py`."""


@pytest.fixture(scope="session")
def weights() -> WeightsFile:
    """A small cellpose-3 model; `benchmarks/train_segment_model.py` trained it on simulated nuclei of seed 1000."""
    return read_weights_file(MODEL)


@pytest.fixture(scope="session")
def fields() -> list[SimulatedImage]:
    """Six fields that the model has not seen."""
    return [simulate_image(index, size_px=1200, seed=0, mask_margin_um=MASK_MARGIN_UM) for index in (0, 1, 2, 4, 5, 6)]
