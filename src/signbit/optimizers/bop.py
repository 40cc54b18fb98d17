"""Bop: training by flipping bits."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from signbit.optimizers.flip import FlipOptimizer, Group, Setting


class BopStep(NamedTuple):
    """The moment after one gradient, and which weights flip."""

    m: Tensor
    flips: Tensor


def bop_step(weight: Tensor, gradient: Tensor, m: Tensor, *, gamma: float, tau: float) -> BopStep:
    """One step of Bop: ``m <- m + gamma (g - m)``; flip where ``w m > tau``, so a tie keeps the weight.

    >>> w, g = torch.tensor([1.0, 1.0, -1.0]), torch.tensor([0.4, 0.2, 0.4])
    >>> bop_step(w, g, torch.zeros(3), gamma=0.5, tau=0.1).flips
    tensor([ True, False, False])
    """
    m = m + gamma * (gradient - m)
    return BopStep(m, weight * m > tau)


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

    def __init__(self, params: Any, *, gamma: Setting = 1e-4, tau: Setting = 1e-8) -> None:
        super().__init__(params, {"gamma": gamma, "tau": tau}, {})

    def update(self, weight: Tensor, gradient: Tensor, state: dict[str, Any], group: Group) -> Tensor:
        """The mask of weights to flip."""
        m = state["m"] if state else torch.zeros_like(weight)
        state["m"], flips = bop_step(weight, gradient, m, gamma=group["gamma"], tau=group["tau"])
        return flips

    def statistic(self, state: dict[str, Any], group: Group) -> Tensor:  # noqa: ARG002
        """``r = m``."""
        m: Tensor = state["m"]
        return m
