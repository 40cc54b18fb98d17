"""A trained threshold and a trained slope per channel."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from signbit.errors import ConfigError
from signbit.roles import Role
from signbit.transforms.base import Transform

LEAST_SLOPE = 1e-2


class ChannelThreshold(Transform):
    """Every channel measured from its threshold, in units of the width of its window.

    Forward: ``y = s_c (x - t_c)``, with ``s_c = max(slope_c, 0.01)`` kept positive: then ``y > 0`` where ``x > t``,
    and s changes where a following :class:`~signbit.binarizers.StepWindow` lets gradients pass, but none of its bits.
    Backward, upstream gradient G: ``dL/dx = s G``, ``dL/dt = -s sum(G)``, ``dL/ds = sum((x - t) G)``, sums over batch,
    height and width. Below the bound only a gradient that makes slope larger passes to it, so that it can come back.

    In the reference's words theta = t and Delta = 1 / s. Both parameters have the role ``THRESHOLD``: no weight decay.

    Folds: into the threshold of the binarizer that follows.

    Parameters
    ----------
    channels : C >= 1. t starts at 0 and s at 1 (released code).

    Shape: ``[N, C, H, W]``, kept.

    Errors: ConfigError for channels < 1.

    Reference: Wang, He, Li, Zhao, Cheng, "Sparsity-Inducing Binarized Neural Networks", 2020. The bound on s is ours.

    >>> threshold = ChannelThreshold(1)
    >>> _ = threshold.threshold.data.fill_(0.5); _ = threshold.slope.data.fill_(2.0)
    >>> threshold(torch.tensor([0.0, 0.5, 1.0]).view(1, 1, 1, 3)).flatten().tolist()
    [-1.0, 0.0, 1.0]
    """

    folds = True

    def __init__(self, channels: int) -> None:
        super().__init__()
        if channels < 1:
            raise ConfigError(f"ChannelThreshold: channels >= 1; got {channels}")
        self.threshold = nn.Parameter(torch.zeros(channels))
        self.slope = nn.Parameter(torch.ones(channels))
        self.parameter_roles = {"threshold": Role.THRESHOLD, "slope": Role.THRESHOLD}

    def forward(self, x: Tensor) -> Tensor:
        """The measured ``x``."""
        return (x - self.threshold.view(-1, 1, 1)) * bounded_below(self.slope).view(-1, 1, 1)

    def extra_repr(self) -> str:
        """The settings, for ``print(model)``."""
        return f"{len(self.slope)}"


def bounded_below(x: Tensor) -> Tensor:
    """``max(x, 0.01)``; backward, upstream gradient G: ``G * 1[x >= 0.01 or G < 0]``."""
    bounded: Tensor = _BoundedBelow.apply(x)  # type: ignore[no-untyped-call]
    return bounded


class _BoundedBelow(torch.autograd.Function):
    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return x.clamp(min=LEAST_SLOPE)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:  # noqa: ARG004
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return torch.where((x >= LEAST_SLOPE) | (gradient < 0), gradient, 0.0)
