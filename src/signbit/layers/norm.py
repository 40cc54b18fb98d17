"""Norms that torch has no module for: batch norm that shifts but does not scale, layer norm over channels."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from signbit.errors import ConfigError, ShapeError


def shift_batch_norm2d(channels: int, *, momentum: float = 0.1, eps: float = 1e-5) -> nn.BatchNorm2d:
    """``y = (x - mean) / sqrt(var + eps) + bias`` on ``[N, C, H, W]``: a ``BatchNorm2d`` whose ``weight`` is None."""
    norm = nn.BatchNorm2d(channels, momentum=momentum, eps=eps)
    norm.register_parameter("weight", None)
    return norm


def shift_batch_norm1d(features: int, *, momentum: float = 0.1, eps: float = 1e-5) -> nn.BatchNorm1d:
    """``y = (x - mean) / sqrt(var + eps) + bias`` on ``[N, C]``: a ``BatchNorm1d`` whose ``weight`` is None."""
    norm = nn.BatchNorm1d(features, momentum=momentum, eps=eps)
    norm.register_parameter("weight", None)
    return norm


class ChannelLayerNorm(nn.Module):
    """Normalizes the channels of every position of every image by their own mean and variance.

    Forward: ``y = (x - mean) / sqrt(var + eps) * weight[c] + bias[c]``, mean and (biased) variance over the channels.
    The same in training and evaluation. Computed in float32 at least, and so that a whole number which equals the mean
    gives exactly ``bias[c]``: sums of bits are whole, and the sign that follows must not hang on a rounding.

    Parameters
    ----------
    channels : >= 1.
    eps : > 0; 1e-3 by default, as in the published LayerNorm variant of BinaryNet (Suarez-Ramirez et al. 2021).

    Shape: ``[N, C, H, W] -> [N, C, H, W]``, also ``[N, C] -> [N, C]``.

    Reference: Ba, Kiros, Hinton, "Layer Normalization", 2016.

    >>> ChannelLayerNorm(2, eps=1e-12)(torch.tensor([3.0, 7.0]).view(1, 2, 1, 1)).flatten().tolist()
    [-1.0, 1.0]
    """

    def __init__(self, channels: int, *, eps: float = 1e-3) -> None:
        super().__init__()
        if channels < 1 or not eps > 0:
            raise ConfigError(f"ChannelLayerNorm: channels >= 1 and eps > 0; got {channels}, {eps}")
        self.channels, self.eps = channels, eps
        self.weight, self.bias = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Normalize ``x``."""
        if x.dim() not in (2, 4) or x.shape[1] != self.channels:
            raise ShapeError(
                f"ChannelLayerNorm takes [N, {self.channels}, H, W] or [N, {self.channels}]; got {list(x.shape)}"
            )
        per_channel = (self.channels, 1, 1) if x.dim() == 4 else (self.channels,)
        exact = x.to(torch.promote_types(x.dtype, torch.float32))
        # torch's layer_norm rounds the mean as it goes, and misses ties; a sum of whole numbers is exact.
        centred = exact - exact.sum(1, keepdim=True) / self.channels
        deviation = (centred.square().mean(1, keepdim=True) + self.eps).sqrt()
        y = centred / deviation * self.weight.view(per_channel) + self.bias.view(per_channel)
        return y.to(x.dtype)

    def extra_repr(self) -> str:
        """The settings, for ``print(model)``."""
        return f"{self.channels}, eps={self.eps:g}"
