"""What stands in a residual network's shortcut where the shape changes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

from torch import nn

from signbit.layers import SubsamplePad

Downsample = Literal["subsample", "average-pad", "conv", "average-conv", "conv-average"]
"""The kinds in :data:`DOWNSAMPLES`."""

Sides = tuple[int, int]
"""Height and width."""


def _pad(inputs: int, outputs: int, stride: int = 1) -> nn.Module:
    added = outputs - inputs
    return SubsamplePad(stride, added // 2, added - added // 2)


def _average(stride: int, sides: Sides) -> list[nn.Module]:
    """Means of 2 x 2, as many as a 3x3 convolution of stride 2 has outputs: on an odd side the first is of one."""
    if stride == 1:
        return []
    return [nn.AvgPool2d(2, padding=(sides[0] % 2, sides[1] % 2), count_include_pad=False)]


def _convolution(inputs: int, outputs: int, stride: int = 1) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False), nn.BatchNorm2d(outputs)]


def _subsample(inputs: int, outputs: int, stride: int, _sides: Sides) -> nn.Module:
    return _pad(inputs, outputs, stride)


def _average_pad(inputs: int, outputs: int, stride: int, sides: Sides) -> nn.Module:
    return nn.Sequential(*_average(stride, sides), _pad(inputs, outputs))


def _conv(inputs: int, outputs: int, stride: int, _sides: Sides) -> nn.Module:
    return nn.Sequential(*_convolution(inputs, outputs, stride))


def _average_conv(inputs: int, outputs: int, stride: int, sides: Sides) -> nn.Module:
    return nn.Sequential(*_average(stride, sides), *_convolution(inputs, outputs))


def _conv_average(inputs: int, outputs: int, stride: int, sides: Sides) -> nn.Module:
    return nn.Sequential(*_convolution(inputs, outputs), *_average(stride, sides))


DOWNSAMPLES: Mapping[str, Callable[[int, int, int, Sides], nn.Module]] = {
    "subsample": _subsample,
    "average-pad": _average_pad,
    "conv": _conv,
    "average-conv": _average_conv,
    "conv-average": _conv_average,
}
"""Name -> (inputs, outputs, stride, sides) -> fresh module that halves the sides, rounded up, for stride 2.

* ``subsample``: every second row and column, zeros in the added channels (He et al. 2016, option A)
* ``average-pad``: means of 2 x 2, zeros in the added channels
* ``conv``: full-precision convolution 1x1 with the stride -> BN (He et al. 2016, option B)
* ``average-conv``: means of 2 x 2 -> full-precision convolution 1x1 -> BN (Liu et al. 2018)
* ``conv-average``: full-precision convolution 1x1 -> BN -> means of 2 x 2
"""


def shortcut(kind: Downsample, inputs: int, outputs: int, stride: int, sides: Sides) -> nn.Module:
    """The identity where the shape stays, else a module of the given kind.

    Parameters
    ----------
    inputs, outputs : channels, ``outputs >= inputs``.
    stride : 1 or 2.
    sides : height and width of the input.
    """
    if stride == 1 and inputs == outputs:
        return nn.Identity()
    return DOWNSAMPLES[kind](inputs, outputs, stride, sides)
