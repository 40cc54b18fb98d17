"""Batch norm that shifts but does not scale."""

from __future__ import annotations

from torch import nn


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
