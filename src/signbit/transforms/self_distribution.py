"""Activations shifted by what the whole image says about each channel."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from signbit.errors import ConfigError
from signbit.transforms.base import Transform

REDUCTION = 16


class SelfDistribution(Transform):
    """Activation self-distribution (ASD): each channel of each sample gets a shift in (0, 1), computed from the sample.

    Forward: ``z = mean_{H,W}(x)``, ``beta = sigmoid(A2 relu(A1 z))``, ``u = x + beta``; A1 ``[h, C]``, A2 ``[C, h]``,
    h = max(1, C // reduction), no biases.
    Backward, upstream gradient G, ``g = sum_{H,W}(G)``: ``dL/dx = G + (dbeta/dz)^T g / (H W)``, and the gradients of
    A1 and A2 by the chain rule from ``dL/dbeta = g``.

    Does not fold: beta depends on the sample, so the deployed network computes it in float before it packs bits.

    Parameters
    ----------
    channels : C >= 1.
    reduction : how many times narrower the middle is, >= 1; 16 as published for CIFAR, where ImageNet has 8.

    Shape: ``[N, C, H, W]``, kept. A1 and A2 are stored as 1 x 1 convolutions, ``[h, C, 1, 1]`` and ``[C, h, 1, 1]``.

    Errors: ConfigError for settings out of range.

    Reference: Xue, Lu, Chang, Wei, Wei, "Self-Distribution Binary Neural Networks", 2022.

    >>> import torch
    >>> shift = SelfDistribution(32)
    >>> torch.nn.init.zeros_(shift.expand.weight).shape
    torch.Size([32, 2, 1, 1])
    >>> shift(torch.zeros(1, 32, 4, 4)).unique()
    tensor([0.5000], grad_fn=<Unique2Backward0>)
    """

    folds = False

    def __init__(self, channels: int, reduction: int = REDUCTION) -> None:
        super().__init__()
        if channels < 1 or reduction < 1:
            raise ConfigError(
                f"SelfDistribution: channels and reduction are >= 1; got channels={channels}, reduction={reduction}"
            )
        hidden = max(1, channels // reduction)
        self.squeeze = nn.Conv2d(channels, hidden, 1, bias=False)
        self.expand = nn.Conv2d(hidden, channels, 1, bias=False)

    def shift(self, x: Tensor) -> Tensor:
        """beta, ``[N, C, 1, 1]``."""
        shift: Tensor = self.expand(F.relu(self.squeeze(F.adaptive_avg_pool2d(x, 1)))).sigmoid()
        return shift

    def forward(self, x: Tensor) -> Tensor:
        """The shifted ``x``."""
        return x + self.shift(x)
