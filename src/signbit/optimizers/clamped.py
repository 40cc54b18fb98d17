"""Latent weights kept in an interval around zero."""

from __future__ import annotations

import torch
from torch.optim import Optimizer

from signbit.errors import ConfigError
from signbit.optimizers.joined import JoinedOptimizer


class Clamped(JoinedOptimizer):
    """Steps another optimizer and then clamps its parameters: ``w <- min(max(w, -bound), bound)``.

    A latent weight far from zero needs many steps before its sign can change again; the clamp keeps it within reach,
    and inside the interval where a clipped straight-through gradient is not zero.

    Parameters
    ----------
    optimizer : the optimizer of the latent weights.
    bound : > 0; 1 (Courbariaux, Hubara, Soudry, El-Yaniv, Bengio, "Binarized Neural Networks", 2016).
    """

    def __init__(self, optimizer: Optimizer, bound: float = 1.0) -> None:
        if not bound > 0:
            raise ConfigError(f"Clamped: bound > 0; got {bound}")
        super().__init__({"inner": optimizer})
        for group in self.param_groups:
            group["bound"] = bound

    def update(self) -> None:
        """Step the inner optimizer, then clamp."""
        self.parts["inner"].step()
        for group in self.param_groups:
            torch._foreach_clamp_min_(group["params"], -group["bound"])
            torch._foreach_clamp_max_(group["params"], group["bound"])
