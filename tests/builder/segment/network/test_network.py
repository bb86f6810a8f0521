"""The 3.x network is that of cellpose 3, its masks are those of cellpose 4's own `eval`, and it finds nuclei."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
import torch

from builder.segment.compare.compare import compare_masks, total
from builder.segment.flows.cleaning import clean_labels
from builder.segment.flows.flow_field import Flows
from builder.segment.flows.labels import Thresholds, label_fast, label_whole
from builder.segment.network.cellpose3 import Cellpose3Network, widths_of
from builder.segment.network.cellpose_modules import cellpose_modules
from builder.segment.network.network import load_network, network_shape, run_network
from builder.segment.network.weights import WeightsFile
from builder.simulate.set_folder import SimulatedImage
from nucleusnet_core.errors import UsageError
from nucleusnet_core.inputs.masks import runs_from_array

CPU = torch.device("cpu")
DIAMETER_PX = 152.91
PUBLISHED = Thresholds(flow=0.5, cellprob=-2.0)


def test_the_network_gives_the_numbers_of_cellpose_3(weights: WeightsFile) -> None:
    y, x = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")
    image = torch.exp(-((y - 30) ** 2 + (x - 26) ** 2) / 150)[None, None]
    with torch.no_grad():
        flows, style = load_network(weights, CPU).net(image)
    # Written down from cellpose 3.1.1.3, `resnet_torch.CPnet`, with these weights.
    expected = {
        (30, 26): (-0.9553, -0.8679, 4.0496),
        (20, 26): (4.9683, -0.1132, 4.1093),
        (30, 40): (0.0121, -5.0415, 4.4547),
        (5, 60): (0.053, -0.0477, -6.3195),
    }
    for (row, column), numbers in expected.items():
        assert flows[0, :, row, column].numpy() == pytest.approx(numbers, abs=2e-3)
    assert style[0, :4].numpy() == pytest.approx((0.0047, -0.17703, 0.01731, -0.33321), abs=1e-4)
    assert style.shape == (1, 256)
    assert not style[0, 64:].any()


def test_the_published_size_of_the_network_has_the_published_number_of_weights() -> None:
    network = Cellpose3Network((2, 32, 64, 128, 256))
    assert widths_of(network.state_dict()) == (2, 32, 64, 128, 256)
    assert sum(value.numel() for value in network.parameters()) == 6_600_845


def test_masks_are_those_of_cellpose_eval(weights: WeightsFile, fields: list[SimulatedImage]) -> None:
    """If cellpose changes what is relied on, this fails."""
    pixels = np.ascontiguousarray(fields[0].pixels[::3, :1080:3])
    network = load_network(weights, CPU)
    models = cellpose_modules().models
    model = object.__new__(models.CellposeModel)
    model.device, model.gpu, model.backbone, model.net = CPU, False, "cellpose-3", network.net
    expected, (_, flows, cellprob), _ = model.eval(
        pixels, diameter=51.0, bsize=224, flow_threshold=0.5, cellprob_threshold=-2.0, min_size=-1
    )
    ours = run_network(network, pixels, 51.0, 8)
    assert ours.steps == 340
    labels = label_whole(ours, PUBLISHED, CPU)
    assert expected.max() >= 15
    assert labels.max() == expected.max()
    assert (labels != expected).mean() < 2e-3  # eval fills holes too
    assert flows.shape == (2, 400, 360)
    assert cellprob.shape == (400, 360)


@pytest.mark.parametrize("label", [label_whole, label_fast])
def test_the_published_thresholds_find_the_nuclei_of_fields_never_seen(
    weights: WeightsFile,
    fields: list[SimulatedImage],
    label: Callable[[Flows, Thresholds, torch.device], npt.NDArray[np.uint16]],
) -> None:
    """The bodies of a pair count as the one nucleus that they are in the truth."""
    network = load_network(weights, CPU)
    compared = []
    for field in fields:
        labels = clean_labels(label(run_network(network, field.pixels, DIAMETER_PX, 8), PUBLISHED, CPU), 15)
        compared.append(compare_masks(field.stem, runs_from_array(field.labels), runs_from_array(labels)))
    at_half, at_three_quarters, at_nine_tenths = total(compared).average_precision
    assert total(compared).true == 139
    assert at_half >= 0.97
    assert at_three_quarters >= 0.95
    assert at_nine_tenths >= 0.75


def test_an_image_without_contrast_has_no_nuclei(weights: WeightsFile) -> None:
    flows = run_network(load_network(weights, CPU), np.full((300, 200), 7, np.uint8), DIAMETER_PX, 8)
    labels = label_whole(flows, PUBLISHED, CPU)
    assert labels.shape == (300, 200)
    assert not labels.any()


def test_an_image_that_shrinks_to_nothing_is_refused() -> None:
    with pytest.raises(UsageError, match="the network would see shrunk to nothing"):
        network_shape((100, 3), 0.2)
