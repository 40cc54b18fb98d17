"""Layers that compute with bits, and the factory that decides which layers a network is built from."""

from signbit.layers.conv import BinaryConv2d
from signbit.layers.factory import LayerFactory, binary_layers, float_layers
from signbit.layers.focus import focus_gradients
from signbit.layers.linear import BinaryLinear
from signbit.layers.norm import ChannelLayerNorm, shift_batch_norm1d, shift_batch_norm2d
from signbit.layers.pipeline import BinaryLayer
from signbit.layers.shortcut import SubsamplePad

__all__ = [
    "BinaryConv2d",
    "BinaryLayer",
    "BinaryLinear",
    "ChannelLayerNorm",
    "LayerFactory",
    "SubsamplePad",
    "binary_layers",
    "float_layers",
    "focus_gradients",
    "shift_batch_norm1d",
    "shift_batch_norm2d",
]
