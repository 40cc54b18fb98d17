"""BinaryNet: the VGG-like network of the first binarized networks."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Literal

from torch import Tensor, flatten, nn

from signbit.layers import ChannelLayerNorm, LayerFactory, shift_batch_norm1d, shift_batch_norm2d
from signbit.models.inputs import InputSize, check_choice, checked_input_size

MOMENTUM = 0.01
EPS = 1e-3

Norm = Literal["batch", "layer"]
"""Batch norm without gamma (momentum 0.01), or layer norm over the channels of each position; eps 1e-3 in both."""

NORMS_2D: dict[str, Callable[[int], nn.Module]] = {
    "batch": partial(shift_batch_norm2d, momentum=MOMENTUM, eps=EPS),
    "layer": partial(ChannelLayerNorm, eps=EPS),
}
NORMS_1D: dict[str, Callable[[int], nn.Module]] = {
    "batch": partial(shift_batch_norm1d, momentum=MOMENTUM, eps=EPS),
    "layer": partial(ChannelLayerNorm, eps=EPS),
}


class BinaryNet(nn.Module):
    """conv 128 (real input, VALID) | 128, pool | 256 | 256, pool | 512 | 512, pool | 1024 | 1024 | classes.

    The weights of all layers are binary, first and last included; there are no biases and no scaling factors. Order:
    linear operation -> (maxpool2) -> norm -> sign of the next layer.

    Parameters
    ----------
    layers : what every layer is made of.
    num_classes : >= 1.
    input_size : (1, channels, height, width), at least 10 x 10.
    norm : "batch" (batch norm without gamma, momentum 0.01, eps 1e-3), the default, or "layer" (layer norm over the
        channels of each position, eps 1e-3, with gamma and beta).

    Shape: ``[N, channels, height, width] -> [N, num_classes]``.

    Reference: Courbariaux, Hubara, Soudry, El-Yaniv, Bengio, "Binarized Neural Networks", 2016; layer norm after
    Suarez-Ramirez et al., "A Bop and Beyond", 2021.
    """

    def __init__(
        self,
        layers: LayerFactory,
        *,
        num_classes: int,
        input_size: InputSize = (1, 3, 32, 32),
        norm: Norm = "batch",
    ) -> None:
        super().__init__()
        channels, height, width = checked_input_size("binarynet", input_size, least=10)
        check_choice("binarynet", "norm", norm, NORMS_2D)
        norm2d, norm1d = NORMS_2D[norm], NORMS_1D[norm]

        def convolution(inputs: int, outputs: int, *, pool: bool) -> list[nn.Module]:
            pooling: list[nn.Module] = [nn.MaxPool2d(2)] if pool else []
            conv = layers.conv2d(inputs, outputs, 3, padding=1)
            return [conv, *pooling, norm2d(outputs), layers.activation()]

        self.features = nn.Sequential(
            layers.input_conv2d(channels, 128, 3),
            norm2d(128), layers.activation(),
            *convolution(128, 128, pool=True),
            *convolution(128, 256, pool=False), *convolution(256, 256, pool=True),
            *convolution(256, 512, pool=False), *convolution(512, 512, pool=True),
        )  # fmt: skip
        flat = 512 * ((height - 2) // 8) * ((width - 2) // 8)
        self.classifier = nn.Sequential(
            layers.linear(flat, 1024), norm1d(1024), layers.activation(),
            layers.linear(1024, 1024), norm1d(1024), layers.activation(),
            layers.linear(1024, num_classes), norm1d(num_classes),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        """Logits ``[N, num_classes]``."""
        logits: Tensor = self.classifier(flatten(self.features(x), 1))
        return logits
