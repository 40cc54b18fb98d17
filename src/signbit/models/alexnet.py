"""AlexNet with binary layers: binary from end to end, or between a full-precision first and last layer."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Literal

from torch import Tensor, nn

from signbit.layers import LayerFactory, shift_batch_norm1d, shift_batch_norm2d
from signbit.models.inputs import InputSize, check_choice, checked_input_size
from signbit.models.stem import stem_for

Ends = Literal["binary", "float"]
"""The first convolution and the last linear layer: binary weights, or full precision."""

Widths = tuple[int, int, int, int, int]
"""Filters of the five convolutions."""

Sides = tuple[int, int]
"""Height and width."""

Window = tuple[int, int, int]
"""Kernel, stride, padding."""

EPS = 1e-3


@dataclass(frozen=True)
class AlexPlan:
    """What differs between the two networks.

    Attributes
    ----------
    name : for messages.
    widths : filters of the five convolutions.
    dense : outputs of the first two dense layers.
    """

    name: str
    widths: Widths
    dense: int = 4096


class AlexNet(nn.Module):
    """Five convolutions (11x11 / 4, 5x5, three of 3x3), a max pool 3x3 / 2 after the first, second and last; 3 dense.

    ends "binary": every layer is ``conv or linear -> (pool) -> BN without gamma (eps 1e-3) -> sign of the next layer``;
    the first layer reads real numbers, a BN is last.
    ends "float": ``conv (float) -> BN -> ReLU -> pool -> BN``, then ``binary conv -> (pool) -> BN`` four times; the
    first two dense layers are convolutions over the whole image and 1x1, a BN after each; ``ReLU -> linear (float)``.

    Images up to 64 x 64, which nobody publishes this network for, get a first convolution 3x3 / 1.

    Parameters
    ----------
    plan : the widths.
    layers : what the binary layers are made of.
    num_classes : >= 1.
    input_size : (1, channels, height, width), at least 15 x 15, or 63 x 63 if a side is larger than 64.
    ends : "binary" or "float".

    Shape: ``[N, channels, height, width] -> [N, num_classes]``.

    References: Krizhevsky, Sutskever, Hinton, "ImageNet Classification with Deep Convolutional Neural Networks", 2012;
    binary ends: Helwegen et al., "Latent Weights Do Not Exist", 2019; float ends: Rastegari, Ordonez, Redmon, Farhadi,
    "XNOR-Net", 2016, and, with the widths of ``alexnet`` (not published, this library's choice), Wang, He, Li, Zhao,
    Cheng, "Sparsity-Inducing Binarized Neural Networks", 2020.
    """

    def __init__(
        self,
        plan: AlexPlan,
        layers: LayerFactory,
        *,
        num_classes: int,
        input_size: InputSize = (1, 3, 224, 224),
        ends: Ends = "binary",
    ) -> None:
        super().__init__()
        channels, height, width = checked_input_size(plan.name, input_size, least=15)
        small = stem_for(height, width) == "small"
        checked_input_size(plan.name, input_size, least=15 if small else 63)
        check_choice(plan.name, "ends", ends, ("binary", "float"))
        first = (channels, plan.widths[0], (3, 1, 1) if small else (11, 4, 2))
        last = (plan.widths[-1], plan.dense, (_after(height, small), _after(width, small)), num_classes)
        stem = _binary_stem(layers, *first) if ends == "binary" else _float_stem(layers, *first)
        dense = _binary_dense(layers, *last) if ends == "binary" else _float_dense(layers, *last)
        norm = _shift if ends == "binary" else nn.BatchNorm2d
        middle: list[nn.Module] = []
        for inputs, (outputs, kernel, pool) in zip(plan.widths[:-1], _middle(plan.widths), strict=True):
            pooling: list[nn.Module] = [nn.MaxPool2d(3, stride=2)] if pool else []
            conv = layers.conv2d(inputs, outputs, kernel, padding=kernel // 2)
            middle += [conv, *pooling, norm(outputs), layers.activation()]
        self.features = nn.Sequential(*stem, *middle)
        self.classifier = nn.Sequential(*dense)

    def forward(self, x: Tensor) -> Tensor:
        """Logits ``[N, num_classes]``."""
        logits: Tensor = self.classifier(self.features(x))
        return logits


def _middle(widths: Widths) -> tuple[tuple[int, int, bool], ...]:
    """Filters, kernel, and whether a pool follows, of the convolutions after the first."""
    return (widths[1], 5, True), (widths[2], 3, False), (widths[3], 3, False), (widths[4], 3, True)


def _shift(channels: int) -> nn.Module:
    return shift_batch_norm2d(channels, eps=EPS)


def _binary_stem(layers: LayerFactory, channels: int, outputs: int, window: Window) -> list[nn.Module]:
    kernel, stride, padding = window
    conv = layers.input_conv2d(channels, outputs, kernel, stride=stride, padding=padding)
    return [conv, nn.MaxPool2d(3, stride=2), _shift(outputs), layers.activation()]


def _float_stem(layers: LayerFactory, channels: int, outputs: int, window: Window) -> list[nn.Module]:
    conv = nn.Conv2d(channels, outputs, *window, bias=False)
    pool = nn.MaxPool2d(3, stride=2)
    return [conv, nn.BatchNorm2d(outputs), nn.ReLU(), pool, nn.BatchNorm2d(outputs), layers.activation()]


def _binary_dense(layers: LayerFactory, channels: int, wide: int, sides: Sides, classes: int) -> list[nn.Module]:
    def dense(inputs: int, outputs: int) -> list[nn.Module]:
        return [layers.linear(inputs, outputs), shift_batch_norm1d(outputs, eps=EPS)]

    return [
        nn.Flatten(), *dense(channels * sides[0] * sides[1], wide), layers.activation(),
        *dense(wide, wide), layers.activation(), *dense(wide, classes),
    ]  # fmt: skip


def _float_dense(layers: LayerFactory, channels: int, wide: int, sides: Sides, classes: int) -> list[nn.Module]:
    return [
        layers.conv2d(channels, wide, sides), nn.BatchNorm2d(wide), layers.activation(),
        layers.conv2d(wide, wide, 1), nn.BatchNorm2d(wide), nn.ReLU(), nn.Flatten(), nn.Linear(wide, classes),
    ]  # fmt: skip


def _after(side: int, small: bool) -> int:
    """The height or width after the first convolution and the three pools."""
    side = side if small else (side + 4 - 11) // 4 + 1
    for _ in range(3):
        side = (side - 3) // 2 + 1
    return side


alexnet = partial(AlexNet, AlexPlan("alexnet", (64, 192, 384, 384, 256)))
"""AlexNet with the widths of its one-column form, all weights binary by default."""

xnornet = partial(AlexNet, AlexPlan("xnornet", (96, 256, 384, 384, 256)), ends="float")
"""XNOR-Net's AlexNet: the first two widths as in the two-column form, first and last layer in full precision."""
