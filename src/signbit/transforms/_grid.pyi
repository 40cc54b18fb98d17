"""Grids and rounding noise, a pass over memory each; users take the transforms.

Flat, contiguous float32 tensors on a CPU. ``threads`` : 1 or more; the result does not depend on it.
"""

from torch import Tensor

def on_grid(
    x: Tensor, noise: Tensor | None, y: Tensor, low: Tensor, scale: Tensor, levels: float, threads: int = 1
) -> None:
    """``y <- rint(clamp((x - low) / scale + noise, 0, levels)) * scale + low``; x in as many equal rows as low has."""

def rounding_noise(y: Tensor, key: int, threads: int = 1) -> None:
    """Fill ``y`` with numbers even in [-1/2, 1/2) that follow from ``key``, 0 .. 2^64 - 1, and their place."""
