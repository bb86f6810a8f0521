"""The network of cellpose 1 to 3, which cellpose 4 no longer has: a residual U-Net with a style vector.

Its parts carry the names that they have in the weight files, so that those load as they are.

Source: cellpose 3.1.1.3, `resnet_torch.CPnet` (BSD-3-Clause, Howard Hughes Medical Institute).
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

STYLE_CHANNELS = 256
_OUTPUTS = 3  # flow y, flow x, cell probability


def _convolution(channels_in: int, channels_out: int, kernel_px: int, *, relu: bool = True) -> nn.Sequential:
    parts: list[nn.Module] = [nn.BatchNorm2d(channels_in, eps=1e-5, momentum=0.05)]
    parts += [nn.ReLU(inplace=True)] if relu else []
    return nn.Sequential(*parts, nn.Conv2d(channels_in, channels_out, kernel_px, padding=kernel_px // 2))


class _Down(nn.Module):
    """Two residual pairs of convolutions."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.proj = _convolution(channels_in, channels_out, 1, relu=False)
        self.conv = nn.Sequential()
        for number in range(4):
            first = channels_in if number == 0 else channels_out
            self.conv.add_module(f"conv_{number}", _convolution(first, channels_out, 3))

    def forward(self, x: Tensor) -> Tensor:
        x = self.proj(x) + self.conv[1](self.conv[0](x))
        return cast(Tensor, x + self.conv[3](self.conv[2](x)))


class _Styled(nn.Module):
    """A convolution that is told the style of the image."""

    def __init__(self, channels: int, style_channels: int) -> None:
        super().__init__()
        self.conv = _convolution(channels, channels, 3)
        self.full = nn.Linear(style_channels, channels)

    def forward(self, style: Tensor, x: Tensor) -> Tensor:
        return cast(Tensor, self.conv(x + self.full(style)[:, :, None, None]))


class _Up(nn.Module):
    """Two residual pairs of convolutions that join what came from below with the skipped maps `y`."""

    def __init__(self, channels_in: int, channels_out: int, style_channels: int) -> None:
        super().__init__()
        self.conv = nn.Sequential()
        self.conv.add_module("conv_0", _convolution(channels_in, channels_out, 3))
        for number in range(1, 4):
            self.conv.add_module(f"conv_{number}", _Styled(channels_out, style_channels))
        self.proj = _convolution(channels_in, channels_out, 1, relu=False)

    def forward(self, x: Tensor, y: Tensor, style: Tensor) -> Tensor:
        x = self.proj(x) + self.conv[1](style, self.conv[0](x) + y)
        return cast(Tensor, x + self.conv[3](style, self.conv[2](style, x)))


class _Downsample(nn.Module):
    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        self.down = nn.Sequential()
        for number, (first, second) in enumerate(pairwise(widths)):
            self.down.add_module(f"res_down_{number}", _Down(first, second))
        self.halve = nn.MaxPool2d(2, stride=2)

    def forward(self, x: Tensor) -> list[Tensor]:
        maps = [self.down[0](x)]
        for part in list(self.down)[1:]:
            maps.append(part(self.halve(maps[-1])))
        return maps


class _Upsample(nn.Module):
    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        self.up = nn.Sequential()
        for number, (out, first) in enumerate(pairwise([*widths, widths[-1]])):
            self.up.add_module(f"res_up_{number}", _Up(first, out, widths[-1]))
        self.enlarge = nn.Upsample(scale_factor=2, mode="nearest")

    def forward(self, style: Tensor, maps: list[Tensor]) -> Tensor:
        x = self.up[-1](maps[-1], maps[-1], style)
        for number in range(len(maps) - 2, -1, -1):
            x = self.up[number](self.enlarge(x), maps[number], style)
        return cast(Tensor, x)


class Cellpose3Network(nn.Module):
    """The 3.x network behind the interface that cellpose 4 expects of a network: device, dtype, forward.

    Args:
        widths: channels of the input (2) and of each of the levels; published models have (2, 32, 64, 128, 256).
    """

    dtype = torch.float32

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        self.widths = tuple(widths)
        self.downsample = _Downsample(widths)
        self.upsample = _Upsample(widths[1:])
        self.output = _convolution(widths[1], _OUTPUTS, 1)
        self.diam_mean = nn.Parameter(torch.tensor([30.0]), requires_grad=False)
        self.diam_labels = nn.Parameter(torch.tensor([30.0]), requires_grad=False)

    @property
    def device(self) -> torch.device:
        """Where the weights lie."""
        return self.diam_mean.device

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return flows with cell probability, and styles.

        Args:
            x: float32 (images, channels, height, width); grey has one channel, the second of these models is then 0.

        Returns:
            float32 (images, 3, height, width) with 5 x flow y, 5 x flow x and the logit of the cell probability; and
            float32 (images, 256) styles, filled with 0 where the network is narrower.
        """
        grey_and_nothing = torch.cat([x[:, :1], torch.zeros_like(x[:, :1])], 1)
        maps = self.downsample(grey_and_nothing)
        style = avg_pool2d(maps[-1], kernel_size=maps[-1].shape[2:]).flatten(1)
        style = style / style.square().sum(1, keepdim=True).sqrt()
        y = self.output(self.upsample(style, maps))
        return y, nn.functional.pad(style, (0, STYLE_CHANNELS - style.shape[1]))


def widths_of(state: Mapping[str, Tensor]) -> tuple[int, ...]:
    """Read the channels of each level from the weights.

    Raises:
        KeyError: they are not those of this network.
    """
    first = state["downsample.down.res_down_0.conv.conv_0.2.weight"]
    levels = sum(name.endswith("conv.conv_0.2.weight") and name.startswith("downsample.") for name in state)
    outs = [state[f"downsample.down.res_down_{level}.conv.conv_0.2.weight"].shape[0] for level in range(levels)]
    return (first.shape[1], *outs)
