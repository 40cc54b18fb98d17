"""VGG-small: the plain network that binary methods are compared on."""

from __future__ import annotations

from torch import Tensor, flatten, nn

from signbit.layers import LayerFactory
from signbit.models.activation import ACTIVATIONS, Activation
from signbit.models.inputs import InputSize, check_choice, checked_input_size
from signbit.models.stem import after_stem, float_stem, stem_for


class VGGSmall(nn.Module):
    """stem 128 (float) | 128, pool | 256 | 256, pool | 512 | 512, pool | linear (float).

    Order: binary convolution -> (maxpool2) -> BN -> activation. The stem is conv 3x3 -> BN -> activation; for images
    above 64 x 64, which nobody publishes this network for, conv 7x7 / 2 -> BN -> activation -> max pool.

    Parameters
    ----------
    layers : what the inner convolutions are made of.
    num_classes : >= 1.
    input_size : (1, channels, height, width), at least 8 x 8, or 29 x 29 if a side is larger than 64.
    activation : "hardtanh" (the default), "prelu" or "none".

    Shape: ``[N, channels, height, width] -> [N, num_classes]``.

    Reference: Zhang, Yang, Ye, Hua, "LQ-Nets", 2018; hardtanh after Xue, Lu, Chang, Wei, Wei, "Self-Distribution Binary
    Neural Networks", 2022; none after Wang, He, Li, Zhao, Cheng, "Sparsity-Inducing Binarized Neural Networks", 2020.
    """

    def __init__(
        self,
        layers: LayerFactory,
        *,
        num_classes: int,
        input_size: InputSize = (1, 3, 32, 32),
        activation: Activation = "hardtanh",
    ) -> None:
        super().__init__()
        channels, height, width = checked_input_size("vgg-small", input_size, least=8)
        form = stem_for(height, width)
        checked_input_size("vgg-small", input_size, least=8 if form == "small" else 29)
        check_choice("vgg-small", "activation", activation, ACTIVATIONS)

        def act(channels: int) -> nn.Module:
            return layers.activation() if activation == "none" else ACTIVATIONS[activation](channels)

        def convolution(inputs: int, outputs: int, *, pool: bool) -> list[nn.Module]:
            pooling: list[nn.Module] = [nn.MaxPool2d(2)] if pool else []
            conv = layers.conv2d(inputs, outputs, 3, padding=1)
            return [conv, *pooling, nn.BatchNorm2d(outputs), act(outputs)]

        self.stem = float_stem(form, channels, 128, act(128))
        self.body = nn.Sequential(
            *convolution(128, 128, pool=True),
            *convolution(128, 256, pool=False), *convolution(256, 256, pool=True),
            *convolution(256, 512, pool=False), *convolution(512, 512, pool=True),
        )  # fmt: skip
        rows, columns = (after_stem(form, side) // 8 for side in (height, width))
        self.head = nn.Linear(512 * rows * columns, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits ``[N, num_classes]``."""
        logits: Tensor = self.head(flatten(self.body(self.stem(x)), 1))
        return logits
