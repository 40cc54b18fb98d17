"""Step to {0, 1} with an asymmetric window as gradient."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from signbit.alphabet import Alphabet
from signbit.binarizers.base import Binarizer, step
from signbit.errors import ConfigError

RHO = 0.3


class StepWindow(Binarizer):
    """Step whose gradient passes unchanged inside the open window (-rho, 1).

    Forward: ``a = 1[y > 0]``, so ``y = 0`` gives 0.
    Backward, upstream gradient G: ``dL/dy = G * 1[-rho < y < 1]``, neither end included.

    After :class:`~signbit.transforms.ChannelThreshold`, ``y = s (x - t)``, the window in terms of x reaches from
    ``t - rho / s`` to ``t + 1 / s``: both the threshold and the width of the window are trained.

    Parameters
    ----------
    rho : in [0, 1]; how far the window reaches below the threshold, in units of how far it reaches above. 0.3 from
        the released code of the reference.

    Shape: any, kept. Alphabet: {0, 1}. NaN stays NaN; its gradient is 0 or G.

    Errors: ConfigError for rho outside of [0, 1].

    Reference: Wang, He, Li, Zhao, Cheng, "Sparsity-Inducing Binarized Neural Networks", 2020.

    >>> y = torch.tensor([-0.5, -0.1, 0.0, 0.5, 1.0], requires_grad=True)
    >>> a = StepWindow()(y)
    >>> a.detach()
    tensor([0., 0., 0., 1., 1.])
    >>> a.sum().backward(); y.grad
    tensor([0., 1., 1., 1., 0.])
    """

    alphabet = Alphabet.ZERO_ONE

    def __init__(self, rho: float = RHO) -> None:
        super().__init__()
        if not 0 <= rho <= 1:
            raise ConfigError(f"StepWindow: rho is in [0, 1]; got {rho}")
        self.rho = float(rho)

    def forward(self, x: Tensor) -> Tensor:
        """1 where ``x`` is positive, 0 elsewhere."""
        result: Tensor = _StepWindow.apply(x, self.rho)  # type: ignore[no-untyped-call]
        return result

    def extra_repr(self) -> str:
        """The settings, for ``print(model)``."""
        return f"rho={self.rho:g}"


class _StepWindow(torch.autograd.Function):
    @staticmethod
    def forward(x: Tensor, rho: float) -> Tensor:  # noqa: ARG004
        return step(x)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, float], output: Tensor) -> None:  # noqa: ARG004
        x, ctx.rho = inputs
        ctx.save_for_backward(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (x,) = ctx.saved_tensors
        # hardtanh's gradient is this window in one vectorised kernel: zero outside and at both ends.
        result: Tensor = torch.ops.aten.hardtanh_backward(gradient, x, -ctx.rho, 1.0)
        return result, None
