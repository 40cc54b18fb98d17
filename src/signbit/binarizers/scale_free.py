"""Sign of filters whose gradient does not see the filter's scale."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from signbit.alphabet import Alphabet
from signbit.binarizers.base import Binarizer, SignFunction


class SignScaleFree(Binarizer):
    """Sign for weights that are scaled by ``alpha_o = mean|w_o|`` after the product; the gradient undoes the scale.

    Forward: ``b = sign(w)``, ``sign(0) = +1``.
    Backward, upstream gradient G, n numbers in filter o: ``dL/dw = G * (1 - 1/n) / alpha_o * 1[|w| <= 1]``,
    both ends included; 0 in a filter of zeros.

    With :class:`~signbit.transforms.MeanAbsScale` as the layer's ``filter_scale`` the layer computes with
    ``alpha_o b``; G here is ``alpha_o`` times the gradient H of that product, and the two parts' gradients add up to
    the published ``(1 - 1/n) H 1[|w| <= 1] + sign(w) (1/n) sum_j sign(w_j) H_j``.

    Shape: ``[O, ...]``, kept. Alphabet: {-1, +1}. NaN stays NaN; it spoils its filter's gradient.

    Reference: Wang, He, Li, Zhao, Cheng, "Sparsity-Inducing Binarized Neural Networks", 2020 (released code).

    >>> w = torch.tensor([[0.5, -1.5], [0.0, 1.0]], requires_grad=True)
    >>> SignScaleFree()(w).sum().backward(); w.grad
    tensor([[0.5000, 0.0000],
            [1.0000, 1.0000]])
    """

    alphabet = Alphabet.PM1

    def forward(self, x: Tensor) -> Tensor:
        """The sign of ``x``."""
        result: Tensor = _SignScaleFree.apply(x)  # type: ignore[no-untyped-call]
        return result


class _SignScaleFree(SignFunction):
    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (w,) = ctx.saved_tensors
        wide = torch.promote_types(w.dtype, torch.float32)
        magnitude = w.to(wide).abs()
        scale = magnitude.flatten(1).mean(1).view(-1, *(1,) * (w.dim() - 1))
        n = w[:1].numel()
        factor = torch.where(scale > 0, (1 - 1 / max(n, 1)) / scale, 0.0)
        return torch.where(magnitude <= 1, gradient.to(wide) * factor, 0.0).to(w.dtype)
