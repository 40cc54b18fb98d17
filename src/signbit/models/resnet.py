"""Residual networks of every depth, and the Bi-Real networks: a plan of widths and depths, and choices with names.

Where papers differ, the defaults are the most common form; the others are these settings:

========================================== ================================================================
published network                          settings
========================================== ================================================================
ResNet-20, Xue et al. 2022                 ``resnet20``
ResNet-20, Fontana et al. 2024             ``resnet20`` shortcuts="block", downsample="average-pad",
                                           stem_activation="none"
ResNet-18 on CIFAR, Xue et al. 2022        ``resnet18`` (small images)
ResNet-18 on CIFAR, Fontana et al. 2024    ``resnet18`` downsample="average-pad", stem_activation="none"
ResNet-18/34 on ImageNet, Fontana 2024     ``resnet18``, ``resnet34`` (large images) norm_scale=1e-8
ResNet-18 on ImageNet, Wang et al. 2020    ``resnet18`` (large images) pre_norm=True, activation="none",
                                           downsample="conv-average", stem_activation="none", head="relu"
ResNet-50 on ImageNet, Wang et al. 2020    ``resnet50``
Bi-Real-18/34 on ImageNet, Liu et al. 2018 ``birealnet18``, ``birealnet34``
Bi-Real-18 with PReLU, Xue et al. 2022     ``birealnet18`` activation="prelu"
========================================== ================================================================

References: He, Zhang, Ren, Sun, "Deep Residual Learning for Image Recognition", 2016. Liu, Wu, Luo, Yang, Liu, Cheng,
"Bi-Real Net", 2018. Wang, He, Li, Zhao, Cheng, "Sparsity-Inducing Binarized Neural Networks", 2020. Xue, Lu, Chang,
Wei, Wei, "Self-Distribution Binary Neural Networks", 2022. Fontana, Lanzino, Diko, Foresti, Cinque, "CycleBNN", 2024.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Literal

from torch import Tensor, flatten, nn

from signbit.layers import LayerFactory
from signbit.models.activation import ACTIVATIONS, Activation
from signbit.models.inputs import InputSize, check_choice, checked_input_size
from signbit.models.residual import BasicBlock, BlockDesign, Bottleneck, Shortcuts
from signbit.models.shortcut import Downsample
from signbit.models.stem import STEMS, Stem, after_stem, float_stem, stem_for

Head = Literal["norm", "relu", "plain"]
"""global mean -> BN -> linear; ReLU -> global mean -> linear; global mean -> linear."""


@dataclass(frozen=True)
class Plan:
    """What the depth of a residual network stands for.

    Attributes
    ----------
    name : for messages.
    widths, depths : of each stage the width of its blocks and their number; all stages but the first halve the sides.
    block : the kind of block.
    """

    name: str
    widths: tuple[int, ...]
    depths: tuple[int, ...]
    block: type[BasicBlock | Bottleneck] = BasicBlock


class ResNet(nn.Module):
    """stem (float) | stages of residual blocks | head (float).

    Parameters
    ----------
    plan : widths and depths.
    layers : what the convolutions of the blocks are made of.
    num_classes : >= 1.
    input_size : (1, channels, height, width), at least 4 x 4.
    stem : "small" (conv 3x3 -> BN -> activation) or "large" (conv 7x7 / 2 -> BN -> activation -> max pool); None, the
        default: small up to 64 x 64, large above.
    stem_activation : "hardtanh" (the default), "prelu" or "none".
    shortcuts : "convolution" or "block", what a shortcut goes around; None: "block" after a small stem, "convolution"
        after a large one, as ResNet-18 is published.
    downsample : what stands in the shortcut where the shape changes, one of ``signbit.models.shortcut.DOWNSAMPLES``.
    activation : of the blocks, "hardtanh" (the default), "prelu" or "none".
    pre_norm : whether a batch norm stands before each binary convolution too; False by default.
    norm_scale : what the scales of the blocks' batch norms start at, 1 by default.
    head : "norm" (global mean -> BN -> linear, the default), "relu" (ReLU -> global mean -> linear) or "plain".

    Shape: ``[N, channels, height, width] -> [N, num_classes]``.

    Errors: ConfigError for settings out of range.
    """

    def __init__(
        self,
        plan: Plan,
        layers: LayerFactory,
        *,
        num_classes: int,
        input_size: InputSize = (1, 3, 224, 224),
        stem: Stem | None = None,
        stem_activation: Activation = "hardtanh",
        shortcuts: Shortcuts | None = None,
        downsample: Downsample = "conv",
        activation: Activation = "hardtanh",
        pre_norm: bool = False,
        norm_scale: float = 1.0,
        head: Head = "norm",
    ) -> None:
        super().__init__()
        channels, height, width = checked_input_size(plan.name, input_size, least=4)
        form = stem_for(height, width) if stem is None else stem
        check_choice(plan.name, "stem", form, STEMS)
        check_choice(plan.name, "stem_activation", stem_activation, ACTIVATIONS)
        check_choice(plan.name, "head", head, ("norm", "relu", "plain"))
        usual: Shortcuts = "block" if form == "small" else "convolution"
        design = BlockDesign(usual if shortcuts is None else shortcuts, downsample, activation, pre_norm, norm_scale)
        design.check(plan.name)

        inputs = plan.widths[0]
        sides = (after_stem(form, height), after_stem(form, width))
        self.stem = float_stem(form, channels, inputs, ACTIVATIONS[stem_activation](inputs))
        blocks: list[nn.Module] = []
        for stage, (stage_width, depth) in enumerate(zip(plan.widths, plan.depths, strict=True)):
            for index in range(depth):
                stride = 2 if stage > 0 and index == 0 else 1
                blocks.append(plan.block(layers, inputs, stage_width, stride, sides, design))
                inputs = stage_width * plan.block.expansion
                sides = (-(-sides[0] // stride), -(-sides[1] // stride))
        self.blocks = nn.Sequential(*blocks)
        self.last = nn.ReLU() if head == "relu" else nn.Identity()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.norm = nn.BatchNorm1d(inputs) if head == "norm" else nn.Identity()
        self.head = nn.Linear(inputs, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits ``[N, num_classes]``."""
        features = self.pool(self.last(self.blocks(self.stem(x))))
        logits: Tensor = self.head(self.norm(flatten(features, 1)))
        return logits


WIDTHS = (64, 128, 256, 512)

resnet20 = partial(
    ResNet, Plan("resnet20", (16, 32, 64), (3, 3, 3)), input_size=(1, 3, 32, 32), stem="small",
    shortcuts="convolution", downsample="subsample",
)  # fmt: skip
"""ResNet-20: a shortcut around every convolution, without parameters where the shape changes."""

resnet18 = partial(ResNet, Plan("resnet18", WIDTHS, (2, 2, 2, 2)), input_size=(1, 3, 32, 32))
"""ResNet-18: by default one shortcut around two convolutions for small images, around each for large ones."""

resnet34 = partial(ResNet, Plan("resnet34", WIDTHS, (3, 4, 6, 3)))
"""ResNet-34: as ResNet-18, with more blocks."""

resnet50 = partial(
    ResNet, Plan("resnet50", WIDTHS, (3, 4, 6, 3), Bottleneck), stem_activation="none", shortcuts="convolution",
    downsample="conv-average", activation="none", pre_norm=True, head="relu",
)  # fmt: skip
"""ResNet-50: bottlenecks with batch norms on both sides of each convolution."""

birealnet18 = partial(
    ResNet, Plan("birealnet18", WIDTHS, (2, 2, 2, 2)), stem_activation="none", shortcuts="convolution",
    downsample="average-conv", activation="none", head="plain",
)  # fmt: skip
"""Bi-Real-Net-18: ``y = BN(conv(sign(x))) + S(x)`` sixteen times, nothing else between stem and head."""

birealnet34 = partial(
    ResNet, Plan("birealnet34", WIDTHS, (3, 4, 6, 3)), stem_activation="none", shortcuts="convolution",
    downsample="average-conv", activation="none", head="plain",
)  # fmt: skip
"""Bi-Real-Net-34: as Bi-Real-Net-18, thirty-two times."""
