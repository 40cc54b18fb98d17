"""Sign with the identity as gradient."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from signbit.alphabet import Alphabet
from signbit.binarizers.base import Binarizer, sign


class SignIdentity(Binarizer):
    """Sign whose gradient passes unchanged everywhere.

    Forward: ``y = sign(x)``, ``sign(0) = +1``. Backward, upstream gradient G: ``dL/dx = G``.

    Shape: any, kept. Alphabet: {-1, +1}. NaN stays NaN.

    Reference: Bengio, Leonard, Courville, "Estimating or Propagating Gradients Through Stochastic Neurons", 2013.

    >>> x = torch.tensor([-3.0, 0.0], requires_grad=True)
    >>> SignIdentity()(x).sum().backward(); x.grad
    tensor([1., 1.])
    """

    alphabet = Alphabet.PM1

    def forward(self, x: Tensor) -> Tensor:
        """The sign of ``x``."""
        result: Tensor = _SignIdentity.apply(x)  # type: ignore[no-untyped-call]
        return result


class _SignIdentity(torch.autograd.Function):
    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return sign(x)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:
        """Nothing is needed for the backward pass."""

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:  # noqa: ARG004
        return gradient
