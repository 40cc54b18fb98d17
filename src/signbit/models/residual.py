"""The residual blocks: one family, whose members differ in named choices."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn

from signbit.errors import ConfigError
from signbit.layers import LayerFactory
from signbit.models.activation import ACTIVATIONS, Activation
from signbit.models.inputs import check_choice
from signbit.models.shortcut import DOWNSAMPLES, Downsample, Sides, shortcut

Shortcuts = Literal["convolution", "block"]
"""What a shortcut goes around: each convolution (in a bottleneck, those whose shape allows it) or the whole block."""


@dataclass(frozen=True)
class BlockDesign:
    """The choices of a block.

    Attributes
    ----------
    shortcuts : what a shortcut goes around.
    downsample : what stands in the shortcut where the shape changes.
    activation : after each sum, and after each batch norm that no sum follows.
    pre_norm : whether a batch norm stands before each convolution's sign, besides the one after the convolution.
    norm_scale : what the scales of the batch norms after the convolutions start at.
    """

    shortcuts: Shortcuts
    downsample: Downsample
    activation: Activation
    pre_norm: bool
    norm_scale: float

    def check(self, model: str) -> None:
        """ConfigError for a choice that does not exist; ``model`` is named in it."""
        check_choice(model, "shortcuts", self.shortcuts, ("convolution", "block"))
        check_choice(model, "downsample", self.downsample, DOWNSAMPLES)
        check_choice(model, "activation", self.activation, ACTIVATIONS)
        if not math.isfinite(self.norm_scale):
            raise ConfigError(f"{model}: norm_scale is a finite number; got {self.norm_scale}")

    def before(self, layers: LayerFactory, channels: int) -> nn.Module:
        """What a convolution's input passes first; the float twin has its nonlinearity here where a sum has none."""
        parts: list[nn.Module] = [nn.BatchNorm2d(channels)] if self.pre_norm else []
        if self.activation == "none":
            parts.append(layers.activation())
        return nn.Sequential(*parts) if parts else nn.Identity()

    def norm(self, channels: int) -> nn.BatchNorm2d:
        """The batch norm after a convolution."""
        norm = nn.BatchNorm2d(channels)
        nn.init.constant_(norm.weight, self.norm_scale)
        return norm

    def act(self, channels: int) -> nn.Module:
        """A fresh activation."""
        return ACTIVATIONS[self.activation](channels)


class BasicBlock(nn.Module):
    """Two convolutions 3x3, the first with the stride; S is the shortcut, P what stands before a convolution.

    shortcuts "convolution": ``h = act(BN(conv1 P x) + S(x))``, ``y = act(BN(conv2 P h) + h)``;
    shortcuts "block": ``h = act(BN(conv1 P x))``, ``y = act(BN(conv2 P h) + S(x))``.

    Parameters
    ----------
    layers : what the convolutions are made of.
    inputs, width : channels of the input, and of the convolutions and the output.
    stride : 1 or 2.
    sides : height and width of the input.
    design : the choices.
    """

    expansion = 1

    def __init__(
        self, layers: LayerFactory, inputs: int, width: int, stride: int, sides: Sides, design: BlockDesign
    ) -> None:
        super().__init__()
        self.around_each = design.shortcuts == "convolution"
        self.before1 = design.before(layers, inputs)
        self.conv1 = layers.conv2d(inputs, width, 3, stride=stride, padding=1)
        self.bn1 = design.norm(width)
        self.act1 = design.act(width)
        self.before2 = design.before(layers, width)
        self.conv2 = layers.conv2d(width, width, 3, padding=1)
        self.bn2 = design.norm(width)
        self.act2 = design.act(width)
        self.shortcut = shortcut(design.downsample, inputs, width, stride, sides)

    def forward(self, x: Tensor) -> Tensor:
        """The block's output."""
        kept = self.shortcut(x)
        h = self.bn1(self.conv1(self.before1(x)))
        h = self.act1(h + kept) if self.around_each else self.act1(h)
        y: Tensor = self.act2(self.bn2(self.conv2(self.before2(h))) + (h if self.around_each else kept))
        return y


class Bottleneck(nn.Module):
    """Convolutions 1x1 (narrow), 3x3 (with the stride) and 1x1 (four times as wide); S is the shortcut of the block.

    ``h = act(BN(conv1 P x))``, ``g = act(BN(conv2 P h) [+ h])``, ``y = act(BN(conv3 P g) + S(x))``. The bracket stands
    for shortcuts "convolution" and stride 1: the other convolutions change the number of channels, so no shortcut
    without parameters fits around them. That reading of "a shortcut around each convolution" is this library's.

    Parameters
    ----------
    width : channels of the first two convolutions; the output has four times as many.
    layers, inputs, stride, sides, design : as in :class:`BasicBlock`.
    """

    expansion = 4

    def __init__(
        self, layers: LayerFactory, inputs: int, width: int, stride: int, sides: Sides, design: BlockDesign
    ) -> None:
        super().__init__()
        self.around_middle = design.shortcuts == "convolution" and stride == 1
        outputs = self.expansion * width
        self.before1 = design.before(layers, inputs)
        self.conv1 = layers.conv2d(inputs, width, 1)
        self.bn1 = design.norm(width)
        self.act1 = design.act(width)
        self.before2 = design.before(layers, width)
        self.conv2 = layers.conv2d(width, width, 3, stride=stride, padding=1)
        self.bn2 = design.norm(width)
        self.act2 = design.act(width)
        self.before3 = design.before(layers, width)
        self.conv3 = layers.conv2d(width, outputs, 1)
        self.bn3 = design.norm(outputs)
        self.act3 = design.act(outputs)
        self.shortcut = shortcut(design.downsample, inputs, outputs, stride, sides)

    def forward(self, x: Tensor) -> Tensor:
        """The block's output."""
        h = self.act1(self.bn1(self.conv1(self.before1(x))))
        g = self.bn2(self.conv2(self.before2(h)))
        g = self.act2(g + h) if self.around_middle else self.act2(g)
        y: Tensor = self.act3(self.bn3(self.conv3(self.before3(g))) + self.shortcut(x))
        return y
