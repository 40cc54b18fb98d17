"""Sign whose surrogate gradient sharpens over the run."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from signbit.alphabet import Alphabet
from signbit.binarizers.base import Binarizer, sign
from signbit.errors import ConfigError

T_MAX = 10.0


def ede_sharpness(epoch: int, epochs: int, t_min: float, t_max: float = T_MAX) -> float:
    """``t = 10^(log10 t_min + (log10 t_max - log10 t_min) e / E)``: from t_min almost up to t_max.

    Parameters
    ----------
    epoch : e, 0-based.
    epochs : E, length of the run, > epoch.
    t_min : > 0; published with SD-BNN: 1e-3 for ResNet-20 and ResNet-18, 1e-1 for VGG-small.
    t_max : > 0; 10 as published.

    Reference: Qin, Gong, Liu, Shen, Wei, Yu, Song, "Forward and Backward Information Retention for Accurate Binary
    Neural Networks" (IR-Net), 2020.

    >>> [round(ede_sharpness(epoch, 4, t_min=1e-3), 4) for epoch in range(4)]
    [0.001, 0.01, 0.1, 1.0]
    """
    if not (0 <= epoch < epochs and t_min > 0 and t_max > 0):
        raise ConfigError(
            f"ede_sharpness: 0 <= epoch < epochs, t_min and t_max > 0; got epoch={epoch}, epochs={epochs}, "
            f"t_min={t_min}, t_max={t_max}"
        )
    low, high = math.log10(t_min), math.log10(t_max)
    return float(10 ** (low + (high - low) * epoch / epochs))


class SignEDE(Binarizer):
    """Sign with the error-decay estimator: nearly the identity at first, nearly a clip in between, at last a spike.

    Forward: ``y = sign(x)``, ``sign(0) = +1``.
    Backward, upstream gradient G: ``dL/dx = G * k t (1 - tanh(t x)^2)`` with ``k = max(1 / t, 1)``.

    The sharpness is state: t and k are buffers, saved with the model. It stays as it is until somebody calls
    :meth:`sharpen`; over a run :class:`signbit.callbacks.EdeSchedule` does.

    Parameters
    ----------
    t : > 0; 1 by default, the middle of the published course, where ``k t = 1``.

    Shape: any, kept. Alphabet: {-1, +1}. NaN stays NaN and gives a NaN gradient.

    Errors: ConfigError for t <= 0.

    Reference: Qin et al., "Forward and Backward Information Retention for Accurate Binary Neural Networks", 2020;
    used by Xue, Lu, Chang, Wei, Wei, "Self-Distribution Binary Neural Networks", 2022.

    >>> x = torch.tensor([-1.0, 0.0, 3.0], requires_grad=True)
    >>> SignEDE()(x).sum().backward(); x.grad
    tensor([0.4200, 1.0000, 0.0099])
    """

    alphabet = Alphabet.PM1
    t: Tensor
    k: Tensor

    def __init__(self, t: float = 1.0) -> None:
        super().__init__()
        self.register_buffer("t", torch.empty(()))
        self.register_buffer("k", torch.empty(()))
        self.sharpen(t)

    def sharpen(self, t: float) -> None:
        """Use the sharpness ``t`` and the factor ``k = max(1 / t, 1)`` from now on."""
        if not t > 0:
            raise ConfigError(f"SignEDE: t > 0; got {t}")
        self.t.fill_(t)
        self.k.fill_(max(1 / t, 1.0))

    def forward(self, x: Tensor) -> Tensor:
        """The sign of ``x``."""
        result: Tensor = _SignEDE.apply(x, self.t, self.k)  # type: ignore[no-untyped-call]
        return result


def sharpen_all(network: nn.Module, t: float) -> int:
    """Set the sharpness of every :class:`SignEDE` inside ``network``; returns how many there are."""
    binarizers = [module for module in network.modules() if isinstance(module, SignEDE)]
    for binarizer in binarizers:
        binarizer.sharpen(t)
    return len(binarizers)


class _SignEDE(torch.autograd.Function):
    @staticmethod
    def forward(x: Tensor, t: Tensor, k: Tensor) -> Tensor:  # noqa: ARG004
        return sign(x)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, Tensor], output: Tensor) -> None:  # noqa: ARG004
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        x, t, k = ctx.saved_tensors
        # In half precision 1 - tanh^2 would leave nothing of a small slope.
        wide = torch.promote_types(x.dtype, torch.float32)
        slope = torch.tanh(x.to(wide) * t).square_().neg_().add_(1).mul_(k * t)
        return (gradient.to(wide) * slope).to(x.dtype), None, None
