"""The full-precision beginning of a network: one form for small images and one for large ones."""

from __future__ import annotations

from typing import Literal

from torch import nn

from signbit.models.inputs import SMALL_IMAGE

Stem = Literal["small", "large"]
"""A 3x3 convolution at full resolution, or a 7x7 convolution and a maximum pool that leave a quarter of each side."""

STEMS: tuple[Stem, ...] = ("small", "large")


def stem_for(height: int, width: int) -> Stem:
    """The form that images of this size are published with: CIFAR's up to 64 x 64, ImageNet's above.

    >>> stem_for(32, 32), stem_for(64, 65)
    ('small', 'large')
    """
    return "small" if max(height, width) <= SMALL_IMAGE else "large"


def float_stem(form: Stem, channels: int, outputs: int, activation: nn.Module) -> nn.Sequential:
    """small: conv 3x3 -> BN -> activation; large: conv 7x7 / 2 -> BN -> activation -> max pool 3x3 / 2.

    Shape: ``[N, channels, H, W] -> [N, outputs, H', W']`` with the sides of :func:`after_stem`.
    """
    norm = nn.BatchNorm2d(outputs)
    if form == "small":
        return nn.Sequential(nn.Conv2d(channels, outputs, 3, padding=1, bias=False), norm, activation)
    convolution = nn.Conv2d(channels, outputs, 7, stride=2, padding=3, bias=False)
    return nn.Sequential(convolution, norm, activation, nn.MaxPool2d(3, stride=2, padding=1))


def after_stem(form: Stem, side: int) -> int:
    """The height or width that the stem makes of a height or width.

    >>> after_stem("small", 32), after_stem("large", 224), after_stem("large", 225)
    (32, 56, 57)
    """
    return side if form == "small" else -(-side // 4)
