"""ResNet-20 for small images."""

from __future__ import annotations

from torch import Tensor, flatten, nn

from signbit.layers import LayerFactory, SubsamplePad
from signbit.models.inputs import InputSize, checked_input_size


class Block(nn.Module):
    """``h = hardtanh(BN(conv1 x) + S(x))``, ``y = hardtanh(BN(conv2 h) + h)``: a shortcut around each convolution."""

    def __init__(self, layers: LayerFactory, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = layers.conv2d(inputs, outputs, 3, stride=stride, padding=1)
        self.bn1 = nn.BatchNorm2d(outputs)
        added = outputs - inputs
        same = stride == 1 and added == 0
        self.shortcut = nn.Identity() if same else SubsamplePad(stride, added // 2, added - added // 2)
        self.act1 = nn.Hardtanh()
        self.conv2 = layers.conv2d(outputs, outputs, 3, padding=1)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.act2 = nn.Hardtanh()

    def forward(self, x: Tensor) -> Tensor:
        """The block's output."""
        h = self.act1(self.bn1(self.conv1(x)) + self.shortcut(x))
        y: Tensor = self.act2(self.bn2(self.conv2(h)) + h)
        return y


class ResNet20(nn.Module):
    """conv 3x3 16 (float) -> BN -> hardtanh | (16, 32, 64) x 3 blocks | global mean -> BN -> linear (float).

    Every inner convolution has a shortcut of its own, without parameters where the shape changes.

    Parameters
    ----------
    layers : what the inner convolutions are made of.
    num_classes : >= 1.
    input_size : (1, channels, height, width), at least 4 x 4.

    Reference: He, Zhang, Ren, Sun, "Deep Residual Learning for Image Recognition", 2016; one shortcut per convolution
    after Liu et al., "Bi-Real Net", 2018.
    """

    def __init__(self, layers: LayerFactory, *, num_classes: int, input_size: InputSize = (1, 3, 32, 32)) -> None:
        super().__init__()
        channels, _, _ = checked_input_size("resnet20", input_size, least=4)
        self.stem = nn.Sequential(nn.Conv2d(channels, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.Hardtanh())
        self.blocks = nn.Sequential(
            *(Block(layers, 16, 16, 1) for _ in range(3)),
            Block(layers, 16, 32, 2),
            *(Block(layers, 32, 32, 1) for _ in range(2)),
            Block(layers, 32, 64, 2),
            *(Block(layers, 64, 64, 1) for _ in range(2)),
        )
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.norm = nn.BatchNorm1d(64)
        self.head = nn.Linear(64, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits ``[N, num_classes]``."""
        logits: Tensor = self.head(self.norm(flatten(self.pool(self.blocks(self.stem(x))), 1)))
        return logits
