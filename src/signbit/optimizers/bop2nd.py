"""Bop2ndOrder: flipping by a moment normalised with the second moment."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from signbit.errors import ConfigError
from signbit.optimizers import _flips
from signbit.optimizers.flip import FlipOptimizer, Group, Setting

BiasCorrection = Literal["none", "published", "adam"]

EPS = 1e-10
"""Outside the root, as in the authors' code."""


def update_moments_(m: Tensor, v: Tensor, gradient: Tensor, *, gamma: float, sigma: float) -> None:
    """``m <- m + gamma (g - m)``, ``v <- v + sigma (g g - v)``, in place."""
    m.add_((gradient - m).mul_(gamma))
    v.add_((gradient * gradient).sub_(v).mul_(sigma))


def flip_ratio(m: Tensor, v: Tensor, *, m_weight: float = 1.0, v_weight: float = 1.0, eps: float = EPS) -> Tensor:
    """``r = (m / m_weight) / (sqrt(v / v_weight) + eps)``; the two weights are 1 where there is no bias correction."""
    root = (v / v_weight if v_weight != 1 else v).sqrt().add_(eps)
    return torch.div(m / m_weight if m_weight != 1 else m, root, out=root)


class Bop2ndOrder(FlipOptimizer):
    """Flips a weight when its normalised gradient mean agrees with it in sign and exceeds a threshold.

    ``m <- m + gamma (g - m)``, ``v <- v + sigma (g g - v)``, both 0 at first; ``w <- -w`` where
    ``w r > tau`` (strictly) and

    - ``bias_correction="none"``: ``r = m / (sqrt(v) + eps)``
    - ``"published"``: ``r = (m / gamma) / (sqrt(v / sigma) + eps)`` with the rates in use, as in the authors' code. It
      equals Adam's correction at the first step only; later it is the plain rule with tau rescaled.
    - ``"adam"``: ``r = (m / (1 - prod(1 - gamma_s))) / (sqrt(v / (1 - prod(1 - sigma_s))) + eps)``, the products over
      the steps so far.

    Parameters
    ----------
    params : weights that are exactly -1 or +1, float32 or float64; or parameter groups of them.
    gamma : first-moment rate, 0 < gamma <= 1, number or schedule; 1e-7 (paper, base point of the ablation).
    sigma : second-moment rate, 0 < sigma <= 1, number or schedule; 1e-3 (same).
    tau : flip threshold, >= 0, number or schedule; 1e-6 (same).
    eps : added to the root, > 0; 1e-10 (authors' code).
    bias_correction : see above; "none", with which the paper's best results were made.

    Reference: Suarez-Ramirez, Gonzalez-Mendoza, Chang, Ochoa-Ruiz, Duran-Vega, "A Bop and Beyond: A Second Order
    Optimizer for Binarized Neural Networks", 2021.
    """

    MOMENTS = ("m", "v")

    def __init__(
        self,
        params: Any,
        *,
        gamma: Setting = 1e-7,
        sigma: Setting = 1e-3,
        tau: Setting = 1e-6,
        eps: float = EPS,
        bias_correction: BiasCorrection = "none",
    ) -> None:
        if not eps > 0:
            raise ConfigError(f"Bop2ndOrder: eps > 0; got {eps}")
        if bias_correction not in get_args(BiasCorrection):
            known = ", ".join(get_args(BiasCorrection))
            raise ConfigError(f"Bop2ndOrder: bias_correction is one of {known}; got {bias_correction!r}")
        rates = {"gamma": gamma, "sigma": sigma, "tau": tau}
        super().__init__(params, rates, {"eps": eps, "bias_correction": bias_correction})

    def count_step(self, state: dict[str, Any], group: Group) -> None:
        """Advance the shares that the zeros at the start still have in the moments."""
        for name, rate in (("log_start_m", group["gamma"]), ("log_start_v", group["sigma"])):
            state[name] = state.get(name, 0.0) + _log_kept(rate)

    def update_moments(self, gradient: Tensor, state: Mapping[str, Any], group: Group) -> None:
        """Advance m and v."""
        update_moments_(state["m"], state["v"], gradient, gamma=group["gamma"], sigma=group["sigma"])

    def update_in_one_pass(
        self, weight: Tensor, gradient: Tensor, state: Mapping[str, Any], group: Group, threads: int
    ) -> int:
        """Both moments and the weight, compiled."""
        m_weight, v_weight = self._corrections(state, group)
        rates = {name: group[name] for name in ("gamma", "sigma", "tau", "eps")}
        return _flips.bop2nd(
            weight, gradient, state["m"], state["v"], **rates, m_weight=m_weight, v_weight=v_weight, threads=threads
        )

    def statistic(self, state: Mapping[str, Any], group: Group) -> Tensor:
        """The ratio r."""
        m_weight, v_weight = self._corrections(state, group)
        return flip_ratio(state["m"], state["v"], m_weight=m_weight, v_weight=v_weight, eps=group["eps"])

    def _corrections(self, state: Mapping[str, Any], group: Group) -> tuple[float, float]:
        """What m and v are divided by."""
        if group["bias_correction"] == "published":
            return group["gamma"], group["sigma"]
        if group["bias_correction"] == "adam":
            return -math.expm1(state["log_start_m"]), -math.expm1(state["log_start_v"])
        return 1.0, 1.0


def _log_kept(rate: float) -> float:
    """log(1 - rate), in logarithms because 1 - 1e-7 loses half its digits."""
    return math.log1p(-rate) if rate < 1 else -math.inf
