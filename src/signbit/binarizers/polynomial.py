"""Sign with a triangular gradient."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from signbit.alphabet import Alphabet
from signbit.binarizers.base import Binarizer, SignFunction


class SignPolynomial(Binarizer):
    """Sign whose gradient is that of a piecewise polynomial: a triangle of height 2 over [-1, 1].

    Forward: ``y = sign(x)``, ``sign(0) = +1``. Backward, upstream gradient G: ``dL/dx = G * max(0, 2 - 2|x|)``.

    Shape: any, kept. Alphabet: {-1, +1}. NaN stays NaN and gives a NaN gradient.

    Reference: Liu, Wu, Luo, Yang, Liu, Cheng, "Bi-Real Net", 2018.

    >>> x = torch.tensor([-1.5, -0.25, 0.0, 1.0], requires_grad=True)
    >>> SignPolynomial()(x).sum().backward(); x.grad
    tensor([0.0000, 1.5000, 2.0000, 0.0000])
    """

    alphabet = Alphabet.PM1

    def forward(self, x: Tensor) -> Tensor:
        """The sign of ``x``."""
        result: Tensor = _SignPolynomial.apply(x)  # type: ignore[no-untyped-call]
        return result


class _SignPolynomial(SignFunction):
    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        slope: Tensor = torch.rsub(x.abs(), 2, alpha=2).clamp(min=0)
        return gradient * slope
