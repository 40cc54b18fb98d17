"""The binarized multilayer perceptron."""

from __future__ import annotations

from torch import Tensor, flatten, nn

from signbit.errors import ConfigError
from signbit.layers import LayerFactory
from signbit.models.inputs import InputSize, checked_input_size


class MLP(nn.Module):
    """linear (real input) | ``depth - 1`` x linear | linear to the classes, each followed by BN; signs in between.

    The weights of all layers are binary, first and last included; there are no biases. The first layer is written as a
    convolution as large as the image, which is the same product.

    Parameters
    ----------
    layers : what every layer is made of.
    num_classes : >= 1.
    input_size : (1, channels, height, width).
    width : units of a hidden layer, >= 1; 4096 (paper, MNIST).
    depth : hidden layers, >= 1; 3 (paper, MNIST).

    Shape: ``[N, channels, height, width] -> [N, num_classes]``.

    Reference: Courbariaux, Hubara, Soudry, El-Yaniv, Bengio, "Binarized Neural Networks", 2016, section 2.1 (MNIST).
    """

    def __init__(
        self,
        layers: LayerFactory,
        *,
        num_classes: int,
        input_size: InputSize = (1, 1, 28, 28),
        width: int = 4096,
        depth: int = 3,
    ) -> None:
        super().__init__()
        channels, height, image_width = checked_input_size("mlp", input_size, least=1)
        if min(width, depth) < 1:
            raise ConfigError(f"mlp: width and depth are at least 1; got width {width}, depth {depth}")
        self.first = nn.Sequential(
            layers.input_conv2d(channels, width, (height, image_width)), nn.BatchNorm2d(width), layers.activation()
        )
        hidden = [
            module
            for _ in range(depth - 1)
            for module in (layers.linear(width, width), nn.BatchNorm1d(width), layers.activation())
        ]
        self.rest = nn.Sequential(*hidden, layers.linear(width, num_classes), nn.BatchNorm1d(num_classes))

    def forward(self, x: Tensor) -> Tensor:
        """Logits ``[N, num_classes]``."""
        logits: Tensor = self.rest(flatten(self.first(x), 1))
        return logits
