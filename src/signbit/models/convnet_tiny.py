"""A network for digits that trains in seconds."""

from __future__ import annotations

from torch import Tensor, flatten, nn

from signbit.errors import ConfigError
from signbit.layers import LayerFactory
from signbit.models.inputs import InputSize, checked_input_size


class ConvnetTiny(nn.Module):
    """conv 3x3 (float) -> BN | 2 x (binary conv 3x3 -> maxpool2 -> BN) | binary conv 3x3 -> BN | mean -> linear.

    Hardtanh stands before the mean.

    Parameters
    ----------
    layers : what the inner convolutions are made of.
    num_classes : >= 1.
    input_size : (1, channels, height, width), at least 4 x 4.
    width : channels of the first convolution, >= 1; the binary ones have twice as many. 32 by default.
    """

    def __init__(
        self, layers: LayerFactory, *, num_classes: int, input_size: InputSize = (1, 1, 8, 8), width: int = 32
    ) -> None:
        super().__init__()
        channels, _, _ = checked_input_size("convnet-tiny", input_size, least=4)
        if width < 1:
            raise ConfigError(f"convnet-tiny: width is at least 1; got {width}")
        wide = 2 * width
        self.stem = nn.Sequential(
            nn.Conv2d(channels, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), layers.activation()
        )
        self.body = nn.Sequential(
            layers.conv2d(width, wide, 3, padding=1), nn.MaxPool2d(2), nn.BatchNorm2d(wide), layers.activation(),
            layers.conv2d(wide, wide, 3, padding=1), nn.MaxPool2d(2), nn.BatchNorm2d(wide), layers.activation(),
            layers.conv2d(wide, wide, 3, padding=1), nn.BatchNorm2d(wide), nn.Hardtanh(),
        )  # fmt: skip
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(wide, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits ``[N, num_classes]``."""
        logits: Tensor = self.head(flatten(self.pool(self.body(self.stem(x))), 1))
        return logits
