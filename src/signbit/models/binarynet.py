"""BinaryNet: the VGG-like network of the first binarized networks."""

from __future__ import annotations

from torch import Tensor, flatten, nn

from signbit.layers import LayerFactory, shift_batch_norm1d, shift_batch_norm2d
from signbit.models.inputs import InputSize, checked_input_size

MOMENTUM = 0.01
EPS = 1e-3


class BinaryNet(nn.Module):
    """conv 128 (real input, VALID) | 128, pool | 256 | 256, pool | 512 | 512, pool | 1024 | 1024 | classes.

    The weights of all layers are binary, first and last included; there are no biases and no scaling factors. Order:
    linear operation -> (maxpool2) -> BN without gamma (momentum 0.01, eps 1e-3) -> sign of the next layer.

    Parameters
    ----------
    layers : what every layer is made of.
    num_classes : >= 1.
    input_size : (1, channels, height, width), at least 10 x 10.

    Reference: Courbariaux, Hubara, Soudry, El-Yaniv, Bengio, "Binarized Neural Networks", 2016.
    """

    def __init__(self, layers: LayerFactory, *, num_classes: int, input_size: InputSize = (1, 3, 32, 32)) -> None:
        super().__init__()
        channels, height, width = checked_input_size("binarynet", input_size, least=10)

        def convolution(inputs: int, outputs: int, *, pool: bool) -> list[nn.Module]:
            pooling: list[nn.Module] = [nn.MaxPool2d(2)] if pool else []
            conv = layers.conv2d(inputs, outputs, 3, padding=1)
            return [conv, *pooling, shift_batch_norm2d(outputs, momentum=MOMENTUM, eps=EPS), layers.activation()]

        self.features = nn.Sequential(
            layers.input_conv2d(channels, 128, 3),
            shift_batch_norm2d(128, momentum=MOMENTUM, eps=EPS), layers.activation(),
            *convolution(128, 128, pool=True),
            *convolution(128, 256, pool=False), *convolution(256, 256, pool=True),
            *convolution(256, 512, pool=False), *convolution(512, 512, pool=True),
        )  # fmt: skip
        flat = 512 * ((height - 2) // 8) * ((width - 2) // 8)
        self.classifier = nn.Sequential(
            layers.linear(flat, 1024), shift_batch_norm1d(1024, momentum=MOMENTUM, eps=EPS), layers.activation(),
            layers.linear(1024, 1024), shift_batch_norm1d(1024, momentum=MOMENTUM, eps=EPS), layers.activation(),
            layers.linear(1024, num_classes), shift_batch_norm1d(num_classes, momentum=MOMENTUM, eps=EPS),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        """Logits ``[N, num_classes]``."""
        logits: Tensor = self.classifier(flatten(self.features(x), 1))
        return logits
