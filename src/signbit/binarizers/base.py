"""What every binarizer is, and the one sign and the one step that all of them share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from signbit.alphabet import Alphabet


class Binarizer(nn.Module, ABC):
    """A module whose forward maps a real tensor to an alphabet and whose backward uses a surrogate gradient.

    Shape: any, kept. Dtype: kept. Values: exactly ``alphabet.low`` and ``alphabet.high``.
    """

    alphabet: ClassVar[Alphabet]

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """The binarized ``x``."""


def sign(x: Tensor) -> Tensor:
    """-1 where ``x < 0`` and +1 elsewhere, so ``sign(0) = sign(-0) = +1``; NaN gives +1. Not differentiable.

    >>> sign(torch.tensor([-2.0, -0.0, 0.0, 0.5]))
    tensor([-1.,  1.,  1.,  1.])
    """
    # A comparison written straight into x's dtype runs vectorised, by way of a bool tensor ten times slower; using
    # its memory again for the result matters as much: fresh memory costs more than the arithmetic.
    y = torch.lt(x, 0, out=torch.empty_like(x))
    return torch.sub(x.new_ones(()), y, alpha=2, out=y)


def step(x: Tensor) -> Tensor:
    """1 where ``x > 0`` and 0 elsewhere, so ``step(0) = step(-0) = 0``; NaN gives 0. Not differentiable.

    >>> step(torch.tensor([-2.0, -0.0, 0.0, 0.5]))
    tensor([0., 0., 0., 1.])
    """
    return torch.gt(x, 0, out=torch.empty_like(x))


class SignFunction(torch.autograd.Function):
    """The sign, which keeps its input for the surrogate gradient that a subclass gives it as ``backward``."""

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return sign(x)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:  # noqa: ARG004
        ctx.save_for_backward(*inputs)
