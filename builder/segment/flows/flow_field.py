"""What a network says of an image: where the flows of its pixels lead, and how likely each is in a nucleus."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FLOW_SCALE = 5
"""Networks give five times the flow."""
NETWORK_STEPS = 200
"""Steps that a pixel follows its flow at the network's scale, as in cellpose."""


@dataclass(frozen=True)
class Flows:
    """What a network says about an image, at the network's scale.

    Attributes:
        values: float32 (3, h, w): 5 x flow y, 5 x flow x, logit of the probability to be in a nucleus.
        shape: (H, W) of the image.
        steps: iterations that a pixel needs to follow its flow at the scale of the image.
    """

    values: npt.NDArray[np.float32]
    shape: tuple[int, int]
    steps: int
