"""The shipped networks with few channels, in every published form, for tests that compute with them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import torch
from torch import nn

from signbit.binarizers import SignClip
from signbit.layers import LayerFactory, binary_layers
from signbit.models import MODELS
from signbit.models.alexnet import AlexPlan
from signbit.models.resnet import Plan
from signbit.roles import Role

Size = tuple[int, int, int, int]

OTHER_SHORTCUTS = {"shortcuts": "block", "downsample": "average-pad", "stem_activation": "none"}
BOTH_NORMS = {
    "pre_norm": True, "activation": "none", "downsample": "conv-average", "stem_activation": "none", "head": "relu",
}  # fmt: skip

SHIPPED: dict[str, tuple[Size, dict[str, object]]] = {
    "convnet-tiny": ((1, 1, 8, 8), {"width": 8}),
    "mlp": ((1, 1, 8, 8), {"width": 32}),
    "binarynet": ((1, 1, 10, 12), {}),
    "vgg-small": ((1, 1, 8, 9), {}),
    "resnet20": ((1, 2, 9, 8), {}),
    "resnet18": ((1, 2, 9, 8), {}),
    "resnet34": ((1, 2, 9, 8), {}),
    "resnet50": ((1, 2, 9, 8), {}),
    "alexnet": ((1, 2, 15, 17), {}),
    "xnornet": ((1, 2, 15, 17), {}),
    "birealnet18": ((1, 2, 9, 8), {}),
    "birealnet34": ((1, 2, 9, 8), {}),
}
"""Model -> a small input, and settings."""

VARIANTS: dict[str, tuple[str, Size, dict[str, object]]] = {
    **{name: (name, size, settings) for name, (size, settings) in SHIPPED.items()},
    "binarynet, layer norm": ("binarynet", (1, 1, 10, 12), {"norm": "layer"}),
    "vgg-small, no activation": ("vgg-small", (1, 1, 8, 8), {"activation": "none"}),
    "vgg-small, large": ("vgg-small", (1, 1, 66, 31), {"activation": "prelu"}),
    "resnet20, other shortcuts": ("resnet20", (1, 2, 9, 8), OTHER_SHORTCUTS),
    "resnet18, other shortcuts": ("resnet18", (1, 2, 9, 8), OTHER_SHORTCUTS),
    "resnet18, large": ("resnet18", (1, 2, 66, 50), {"norm_scale": 0.5}),
    "resnet18, both norms": ("resnet18", (1, 2, 66, 50), BOTH_NORMS),
    "resnet50, hardtanh": ("resnet50", (1, 2, 8, 9), {"activation": "hardtanh", "downsample": "subsample"}),
    "birealnet18, large, prelu": ("birealnet18", (1, 2, 66, 50), {"activation": "prelu"}),
    "alexnet, large": ("alexnet", (1, 2, 70, 63), {}),
    "alexnet, float ends": ("alexnet", (1, 2, 15, 17), {"ends": "float"}),
}
"""Readable name -> model, a small input, settings."""


def binary() -> LayerFactory:
    """Layers of plain signs."""

    def signs(_channels: int) -> nn.Sequential:
        return nn.Sequential(SignClip())

    return binary_layers(
        input_side=signs, weight_side=signs, output_scale=lambda _: nn.Identity(), weight_role=Role.LATENT
    )


def narrow(name: str) -> Callable[..., nn.Module]:
    """The model with few channels where its widths are a plan; the others are small enough."""
    target = MODELS[name].target
    if not isinstance(target, partial):
        return target
    (plan,) = target.args
    if isinstance(plan, Plan):
        plan = replace(plan, widths=(4, 6, 9, 10)[: len(plan.widths)])
    else:
        assert isinstance(plan, AlexPlan)
        plan = replace(plan, widths=(4, 6, 8, 8, 7), dense=33)
    return partial(target.func, plan, **target.keywords)


def built(key: str, layers: LayerFactory, classes: int = 5) -> tuple[nn.Module, Size]:
    """A variant and its input size; the same numbers each time."""
    name, size, settings = VARIANTS[key]
    torch.manual_seed(0)
    return narrow(name)(layers, num_classes=classes, input_size=size, **settings), size
