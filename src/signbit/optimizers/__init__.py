"""Flip rules as pure functions with a thin torch optimizer each, and optimizers that join others by parameter role."""

from collections.abc import Callable

from torch.optim import Optimizer

from signbit.optimizers.bop import Bop, update_mean_
from signbit.optimizers.bop2nd import Bop2ndOrder, flip_ratio, update_moments_
from signbit.optimizers.claims import check_claims, parameters_by_role
from signbit.optimizers.clamped import Clamped
from signbit.optimizers.composite import Composite
from signbit.optimizers.flip import FlipOptimizer, flip_
from signbit.optimizers.sfao import FlipAware
from signbit.registry import Registry

OPTIMIZERS: Registry[Callable[..., Optimizer]] = Registry("optimizer")
OPTIMIZERS.add(
    "bop", "flips weights whose mean gradient exceeds a threshold", Bop,
    "Helwegen, Widdicombe, Geiger, Liu, Cheng, Nusselder, Latent Weights Do Not Exist, 2019",
)  # fmt: skip
OPTIMIZERS.add(
    "bop2nd", "flips weights whose normalised mean gradient exceeds a threshold", Bop2ndOrder,
    "Suarez-Ramirez, Gonzalez-Mendoza, Chang, Ochoa-Ruiz, Duran-Vega, A Bop and Beyond, 2021",
)  # fmt: skip

__all__ = [
    "OPTIMIZERS",
    "Bop",
    "Bop2ndOrder",
    "Clamped",
    "Composite",
    "FlipAware",
    "FlipOptimizer",
    "check_claims",
    "flip_",
    "flip_ratio",
    "parameters_by_role",
    "update_mean_",
    "update_moments_",
]
