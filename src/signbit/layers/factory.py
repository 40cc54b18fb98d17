"""Which layers a network is built from: the one thing that differs between a binary network and its float twin."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypedDict

import torch
from torch import Tensor, nn

from signbit.layers.conv import BinaryConv2d, Pair
from signbit.layers.linear import BinaryLinear
from signbit.layers.pipeline import BinaryLayer
from signbit.roles import Role

if TYPE_CHECKING:
    from typing_extensions import Unpack

InputSide = Callable[[int], nn.Sequential]
"""Input channels -> a fresh pipeline ending in a Binarizer."""

WeightSide = Callable[[int], nn.Sequential]
"""Output channels -> a fresh pipeline ending in a Binarizer, or an empty one for weights stored as -1/+1."""

OutputScale = Callable[[int], nn.Module]
"""Output channels -> a fresh module applied to the layer's result."""

FilterScale = Callable[[int], nn.Module]
"""Output channels -> a fresh module from the stored weight to one factor for each filter."""

Initializer = Callable[[Tensor], object]
"""Sets the first value of a weight in place."""


class Geometry(TypedDict, total=False):
    """Where a convolution looks; what is left out has torch's default."""

    stride: int | Pair
    padding: int | Pair
    dilation: int | Pair
    groups: int


class Conv2dBuilder(Protocol):
    """Makes a convolution without bias."""

    def __call__(
        self, in_channels: int, out_channels: int, kernel_size: int | Pair, **geometry: Unpack[Geometry]
    ) -> nn.Module: ...


class LinearBuilder(Protocol):
    """Makes a linear layer without bias."""

    def __call__(self, in_features: int, out_features: int) -> nn.Module: ...


@dataclass(frozen=True)
class LayerFactory:
    """What a model asks for its layers.

    Attributes
    ----------
    conv2d, linear : the binarized layers of the network.
    input_conv2d : a first convolution with binary weights on a real input.
    activation : the nonlinearity that stands where a following binary layer's sign does the job anyway.
    """

    conv2d: Conv2dBuilder
    linear: LinearBuilder
    input_conv2d: Conv2dBuilder
    activation: Callable[[], nn.Module]


def float_layers() -> LayerFactory:
    """Full-precision layers, for the float twin of a network; hardtanh stands where the binary network takes signs."""

    def conv2d(in_channels: int, out_channels: int, kernel_size: int | Pair, **geometry: Unpack[Geometry]) -> nn.Module:
        return nn.Conv2d(in_channels, out_channels, kernel_size, bias=False, **geometry)

    def linear(in_features: int, out_features: int) -> nn.Module:
        return nn.Linear(in_features, out_features, bias=False)

    return LayerFactory(conv2d, linear, conv2d, nn.Hardtanh)


def binary_layers(
    *,
    input_side: InputSide,
    weight_side: WeightSide,
    output_scale: OutputScale,
    weight_role: Role,
    filter_scale: FilterScale | None = None,
    initialize: Initializer | None = None,
) -> LayerFactory:
    """Binary layers from their parts; every layer gets pipelines of its own."""

    def parts(side: InputSide, inputs: int, outputs: int) -> dict[str, Any]:
        return {
            "input_pipeline": side(inputs),
            "weight_pipeline": weight_side(outputs),
            "output_scale": output_scale(outputs),
            "filter_scale": None if filter_scale is None else filter_scale(outputs),
            "weight_role": weight_role,
        }

    def initialized(layer: BinaryLayer) -> nn.Module:
        if initialize is not None:
            with torch.no_grad():
                initialize(layer.weight)
        return layer

    def conv2d_on(side: InputSide) -> Conv2dBuilder:
        def conv2d(
            in_channels: int, out_channels: int, kernel_size: int | Pair, **geometry: Unpack[Geometry]
        ) -> nn.Module:
            return initialized(
                BinaryConv2d(
                    in_channels, out_channels, kernel_size, **parts(side, in_channels, out_channels), **geometry
                )
            )

        return conv2d

    def linear(in_features: int, out_features: int) -> nn.Module:
        return initialized(BinaryLinear(in_features, out_features, **parts(input_side, in_features, out_features)))

    return LayerFactory(conv2d_on(input_side), linear, conv2d_on(real_input), nn.Identity)


def real_input(_channels: int) -> nn.Sequential:
    """The input side of a layer that reads real numbers: nothing."""
    return nn.Sequential()
