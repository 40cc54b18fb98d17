"""Bop: training by flipping bits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from signbit.optimizers import _flips
from signbit.optimizers.flip import FlipOptimizer, Group, Setting


def update_mean_(m: Tensor, gradient: Tensor, *, gamma: float) -> None:
    """``m <- m + gamma (g - m)``, in place."""
    m.add_((gradient - m).mul_(gamma))


class Bop(FlipOptimizer):
    """Flips a weight when the running mean of its gradient agrees with it in sign and exceeds a threshold.

    ``m <- m + gamma (g - m)``, m = 0 at first; ``w <- -w`` where ``w m > tau`` (strictly). There is no learning rate,
    no decay and no clipping.

    Parameters
    ----------
    params : weights that are exactly -1 or +1, float32 or float64; or parameter groups of them.
    gamma : adaptivity rate, 0 < gamma <= 1, number or schedule; 1e-4 (paper, CIFAR-10).
    tau : flip threshold, >= 0, number or schedule; 1e-8 (paper, CIFAR-10).

    Reference: Helwegen, Widdicombe, Geiger, Liu, Cheng, Nusselder, "Latent Weights Do Not Exist: Rethinking Binarized
    Neural Network Optimization", 2019.
    """

    MOMENTS = ("m",)

    def __init__(self, params: Any, *, gamma: Setting = 1e-4, tau: Setting = 1e-8) -> None:
        super().__init__(params, {"gamma": gamma, "tau": tau}, {})

    def update_moments(self, gradient: Tensor, state: Mapping[str, Any], group: Group) -> None:
        """Advance m."""
        update_mean_(state["m"], gradient, gamma=group["gamma"])

    def update_in_one_pass(
        self, weight: Tensor, gradient: Tensor, state: Mapping[str, Any], group: Group, threads: int
    ) -> int:
        """Mean and weight, compiled."""
        return _flips.bop(weight, gradient, state["m"], gamma=group["gamma"], tau=group["tau"], threads=threads)

    def statistic(self, state: Mapping[str, Any], group: Group) -> Tensor:  # noqa: ARG002
        """``r = m``."""
        m: Tensor = state["m"]
        return m
