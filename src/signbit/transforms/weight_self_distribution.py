"""Weights shifted by a trained share of their filter's mean."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from signbit.errors import ConfigError
from signbit.transforms.base import Transform

STRENGTH = 0.01


class WeightSelfDistribution(Transform):
    """Weight self-distribution (WSD): moves every filter along its own mean, by a trained amount.

    Forward, filter o of n numbers: ``w~_o = w_o + strength * sigmoid(alpha_o) * mu_o``, ``mu_o = mean(w_o)``.
    Backward, upstream gradient G; mu_o counts as a constant: ``dL/dw = G``,
    ``dL/dalpha_o = strength * sigmoid(alpha_o) (1 - sigmoid(alpha_o)) mu_o sum(G_o)``.

    Folds: the weight is constant once training is over.

    At the published strength nearly nothing happens: one or two signs in 2,300 weights differ from those of w.

    Parameters
    ----------
    channels : filters O >= 1; alpha_o is trained, from 0 on.
    strength : 0.01 from the released code, where it is a constant.

    Shape: ``[O, ...]``, kept.

    Errors: ConfigError for channels < 1.

    Reference: Xue, Lu, Chang, Wei, Wei, "Self-Distribution Binary Neural Networks", 2022.

    >>> WeightSelfDistribution(1, strength=1.0)(torch.tensor([[-1.0, 5.0]])).detach()
    tensor([[0., 6.]])
    """

    folds = True

    def __init__(self, channels: int, strength: float = STRENGTH) -> None:
        super().__init__()
        if channels < 1:
            raise ConfigError(f"WeightSelfDistribution: channels >= 1; got {channels}")
        self.strength = strength
        self.alpha = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """The shifted filters of ``x``."""
        rest = x.dim() - 1
        mean = x.detach().mean(dim=tuple(range(1, x.dim())), keepdim=True)
        return x + self.alpha.sigmoid().view(-1, *(1,) * rest) * (self.strength * mean)

    def extra_repr(self) -> str:
        """The settings, for ``print(model)``."""
        return f"{len(self.alpha)}, strength={self.strength:g}"
