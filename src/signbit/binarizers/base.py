"""What every binarizer is, and the one sign and the one step that all of them share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from signbit.alphabet import Alphabet


class Binarizer(nn.Module, ABC):
    """A module whose forward maps a real tensor to an alphabet and whose backward uses a surrogate gradient.

    Shape: any, kept. Dtype: kept. Values: exactly ``alphabet.low`` and ``alphabet.high``, and NaN where ``x`` is NaN.
    No symbol stands for NaN: it reaches the loss, and the run stops instead of going on without having noticed.
    """

    alphabet: ClassVar[Alphabet]

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """The binarized ``x``."""


def sign(x: Tensor) -> Tensor:
    """-1 where ``x < 0`` and +1 elsewhere, so ``sign(0) = sign(-0) = +1``; NaN stays NaN. Not differentiable.

    >>> sign(torch.tensor([-2.0, -0.0, 0.0, 0.5]))
    tensor([-1.,  1.,  1.,  1.])
    """
    # 1 + 2 floor(clamp(x, -1, 0)): the floor of anything below zero is -1, and each of the three keeps NaN. They run
    # vectorised in x's dtype, where a selection by way of a bool tensor is several times slower; using one memory for
    # all of them matters as much: fresh memory costs more than the arithmetic.
    y = torch.clamp(x, -1, 0, out=torch.empty_like(x))
    torch.floor(y, out=y)
    return torch.add(x.new_ones(()), y, alpha=2, out=y)


def step(x: Tensor) -> Tensor:
    """1 where ``x > 0`` and 0 elsewhere, so ``step(0) = step(-0) = 0``; NaN stays NaN. Not differentiable.

    >>> step(torch.tensor([-2.0, 0.0, 0.5, float("nan")]))
    tensor([0., 0., 1., nan])
    """
    # The ceiling of anything in (0, 1] is 1, and both keep NaN; like sign, vectorised and in one memory. The zero that
    # -0 gives is -0, which equals 0 and adds nothing.
    y = torch.clamp(x, 0, 1, out=torch.empty_like(x))
    return torch.ceil(y, out=y)


class SignFunction(torch.autograd.Function):
    """The sign, which keeps its input for the surrogate gradient that a subclass gives it as ``backward``."""

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return sign(x)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:  # noqa: ARG004
        ctx.save_for_backward(*inputs)
