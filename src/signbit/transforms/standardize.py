"""Tensors divided by their standard deviation: filter by filter for weights, sample by sample for activations."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from signbit.errors import ShapeError
from signbit.transforms.base import Transform

EPS = 1e-5
GAIN = 2 * math.sqrt(2)


class StandardizeWeight(Transform):
    """Every filter divided by its standard deviation and multiplied by a gain; not centred.

    Forward, filter o of n numbers: ``y_o = gain * w_o / s_o``, ``s_o = sqrt(Var(w_o) + eps)``, Var unbiased (n - 1).
    Backward, upstream gradient G, m the mean of w_o:
    ``dL/dw_o = gain * (G_o / s_o - (w_o - m) * sum(G_o * w_o) / ((n - 1) * s_o^3))``.

    Folds: a positive factor per filter changes no sign.

    Parameters
    ----------
    gain : > 0; ``2 * sqrt(2)`` from the released code.
    eps : > 0; 1e-5 from the released code.

    Shape: ``[O, ...]``, at least two numbers a filter; kept.

    Errors: ShapeError for filters of one number, which have no variance.

    Reference: Fontana, Lanzino, Diko, Foresti, Cinque, "CycleBNN", 2024.

    >>> StandardizeWeight(gain=1.0)(torch.tensor([[3.0, 5.0], [-1.0, 1.0]]))
    tensor([[ 2.1213,  3.5355],
            [-0.7071,  0.7071]])
    """

    folds = True

    def __init__(self, gain: float = GAIN, eps: float = EPS) -> None:
        super().__init__()
        self.gain, self.eps = gain, eps

    def forward(self, x: Tensor) -> Tensor:
        """The standardized filters of ``x``."""
        return self.gain * _standardized(x, self.eps, "StandardizeWeight")

    def extra_repr(self) -> str:
        """The settings, for ``print(model)``."""
        return f"gain={self.gain:.4g}, eps={self.eps:g}"


class StandardizeActivation(Transform):
    """Every sample divided by its standard deviation while training; nothing in evaluation. Not centred.

    Forward, sample i of n numbers (over C, H, W): ``y_i = x_i / s_i``, ``s_i = sqrt(Var(x_i) + eps)``, Var unbiased.
    Backward: as :class:`StandardizeWeight` with gain 1, sample by sample.

    Evaluation leaves ``x`` as it is, which is what the released code does, and what a sign that follows cannot tell
    from dividing by a positive number. So it folds. A threshold has to come before it, not between it and the sign.

    Parameters
    ----------
    eps : > 0; 1e-5 from the released code.

    Shape: ``[N, ...]``, at least two numbers a sample while training; kept.

    Errors: ShapeError for samples of one number, which have no variance.

    Reference: Fontana, Lanzino, Diko, Foresti, Cinque, "CycleBNN", 2024.
    """

    folds = True

    def __init__(self, eps: float = EPS) -> None:
        super().__init__()
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """The standardized samples of ``x``."""
        return _standardized(x, self.eps, "StandardizeActivation") if self.training else x

    def extra_repr(self) -> str:
        """The settings, for ``print(model)``."""
        return f"eps={self.eps:g}"


def _standardized(x: Tensor, eps: float, who: str) -> Tensor:
    """Every row of ``x`` divided by its ``sqrt(Var + eps)``."""
    if x.dim() < 2 or x[:1].numel() == 1:
        raise ShapeError(f"{who}: a variance takes two numbers or more in every row [row, ...]; got {list(x.shape)}")
    result: Tensor = _Standardized.apply(x, eps)[0]  # type: ignore[no-untyped-call]
    return result


class _Standardized(torch.autograd.Function):
    # Mean, then variance about it: on a CPU torch.var takes some ten times as long, and its gradient more passes.
    @staticmethod
    def forward(x: Tensor, eps: float) -> tuple[Tensor, Tensor, Tensor]:
        rest = tuple(range(1, x.dim()))
        wide = x.to(torch.promote_types(x.dtype, torch.float32))
        mean = wide.mean(rest, keepdim=True)
        variance = (wide - mean).square_().sum(rest, keepdim=True) / (x[:1].numel() - 1)
        deviation = torch.sqrt(variance + eps)
        return (wide / deviation).to(x.dtype), mean, deviation

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor, Tensor]) -> None:
        ctx.save_for_backward(inputs[0], *output[1:])
        ctx.mark_non_differentiable(*output[1:])

    @staticmethod
    def backward(ctx: Any, gradient: Tensor, *_: Any) -> tuple[Tensor, None]:
        x, mean, deviation = ctx.saved_tensors
        rest = tuple(range(1, x.dim()))
        share = (gradient * x).sum(rest, keepdim=True, dtype=mean.dtype) / ((x[:1].numel() - 1) * deviation**3)
        return (gradient / deviation - (x - mean) * share).to(x.dtype), None
