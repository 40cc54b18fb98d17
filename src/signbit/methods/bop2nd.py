"""Bop2ndOrder: stored -1/+1 weights, trained by flipping them, with a second moment.

Suarez-Ramirez, Gonzalez-Mendoza, Chang, Ochoa-Ruiz, Duran-Vega, "A Bop and Beyond: A Second Order Optimizer for
Binarized Neural Networks", 2021.

Rates, once the run's length is known, run linearly as in the paper's CIFAR-10 headline: tau 1e-5 -> 1e-8, gamma
1e-2 -> 1e-5, sigma 1e-7 -> 1e-2. A run of unknown length keeps the base point of the paper's ablation: tau 1e-6, gamma
1e-7, sigma 1e-3. Everything that is not binary: Adam, learning rate 0.01 -> 0.001 linearly in the paper.
"""

from __future__ import annotations

from signbit.methods.method import Method, Scale, TrainingDefaults, UpdateRule
from signbit.methods.parts import STORED, Surrogate, adam, held_by_threshold, surrogate_sign
from signbit.optimizers import Bop2ndOrder
from signbit.optimizers.bop2nd import EPS
from signbit.roles import Role
from signbit.schedules import Linear


def _tau_over(total_steps: int) -> Linear:
    return Linear(1e-5, 1e-8, total_steps)


def _gamma_over(total_steps: int) -> Linear:
    return Linear(1e-2, 1e-5, total_steps)


def _sigma_over(total_steps: int) -> Linear:
    return Linear(1e-7, 1e-2, total_steps)


def bop2nd(*, surrogate: Surrogate = "clip") -> Method:
    """Flips where the normalised mean gradient exceeds a threshold.

    Parameters
    ----------
    surrogate : gradient of the activations' sign: "clip", the default, or "polynomial", as Bi-Real networks have it.

    Errors: UnknownNameError for another surrogate.
    """
    return Method(
        name="bop2nd",
        activations=surrogate_sign(surrogate),
        weights=STORED,
        scale=Scale(),
        rules={
            Role.BINARY: UpdateRule(
                Bop2ndOrder,
                {"gamma": 1e-7, "sigma": 1e-3, "tau": 1e-6, "eps": EPS, "bias_correction": "none"},
                {"gamma": _gamma_over, "sigma": _sigma_over, "tau": _tau_over},
            ),
            Role.ORDINARY: adam(1e-2),
        },
        callbacks=(held_by_threshold,),
        defaults=TrainingDefaults(learning_rate=1e-2, schedule="linear"),
    )
