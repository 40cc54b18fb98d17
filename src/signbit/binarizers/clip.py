"""Sign with the clipped straight-through gradient."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from signbit.alphabet import Alphabet
from signbit.binarizers.base import Binarizer, SignFunction


class SignClip(Binarizer):
    """Sign whose gradient passes unchanged inside [-1, 1] and is cut outside.

    Forward: ``y = sign(x)``, ``sign(0) = +1``.
    Backward, upstream gradient G: ``dL/dx = G * 1[|x| <= 1]``, both ends included.

    Shape: any, kept. Alphabet: {-1, +1}. NaN stays NaN; its gradient is 0 or G.

    Reference: Courbariaux, Hubara, Soudry, El-Yaniv, Bengio, "Binarized Neural Networks", 2016.

    >>> x = torch.tensor([-1.5, -0.2, 0.0, 1.0], requires_grad=True)
    >>> y = SignClip()(x)
    >>> y.detach()
    tensor([-1., -1.,  1.,  1.])
    >>> y.sum().backward(); x.grad
    tensor([0., 1., 1., 1.])
    """

    alphabet = Alphabet.PM1

    def forward(self, x: Tensor) -> Tensor:
        """The sign of ``x``."""
        result: Tensor = _SignClip.apply(x)  # type: ignore[no-untyped-call]
        return result


def _just_above_one(dtype: torch.dtype) -> float:
    # Half precision is compared in float32, so float32's neighbour of 1 excludes nothing that it should not.
    return 1.0 + torch.finfo(torch.promote_types(dtype, torch.float32)).eps


class _SignClip(SignFunction):
    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        # hardtanh's gradient is one vectorised kernel but leaves out the ends of its interval: widen it by one step.
        bound = _just_above_one(x.dtype)
        result: Tensor = torch.ops.aten.hardtanh_backward(gradient, x, -bound, bound)
        return result
