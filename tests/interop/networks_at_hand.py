"""Whole networks whose norms have random statistics, as graphs: thresholds lie anywhere, some channels fall."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import torch
from torch import nn

from signbit.exporter import lower_model
from signbit.format import Graph
from signbit.methods.compose import resolve
from signbit.models import MODELS
from signbit.models.alexnet import AlexPlan

NETWORKS = (
    ("birealnet18", "ste", 33),
    ("birealnet18", "ste", 66),
    ("resnet18", "si-bnn", 32),
    ("resnet20", "sd-bnn", 16),
    ("binarynet", "ste", 12),
    ("vgg-small", "si-bnn", 8),
    ("alexnet", "ste", 67),
    ("xnornet", "ste", 67),
)
"""Model, method, image size. The alphabets are {-1, +1} and {0, 1}; few channels, but multiples of 8."""


def network(model: str, method: str, size: int) -> tuple[Graph, np.ndarray]:
    """The graph, and four images."""
    build = MODELS[model].target
    if isinstance(build, partial):
        (plan,) = build.args
        plan = replace(plan, widths=(16, 24, 32, 40, 48)[: len(plan.widths)])
        plan = replace(plan, dense=56) if isinstance(plan, AlexPlan) else plan
        build = partial(build.func, plan, **build.keywords)
    torch.manual_seed(0)
    module = build(resolve(method, None).layers(), num_classes=7, input_size=(1, 3, size, size))
    images = torch.randn(4, 3, size, size)
    for norm in module.modules():
        if isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.normal_(norm.bias)
            if norm.weight is not None:
                nn.init.normal_(norm.weight)
    with torch.no_grad():
        module(images)
    return lower_model(module.eval(), images), images.numpy()
