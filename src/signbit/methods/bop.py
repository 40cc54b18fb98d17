"""Bop: stored -1/+1 weights, trained by flipping them.

Helwegen, Widdicombe, Geiger, Liu, Cheng, Nusselder, "Latent Weights Do Not Exist: Rethinking Binarized Neural Network
Optimization", 2019.

Rates: tau 1e-8, gamma 1e-4 (the paper's CIFAR-10 start; it multiplies gamma by 0.1 every 100 of 500 epochs, here every
fifth of the run once the run's length is known). Everything that is not binary: Adam with learning rate 0.01.
"""

from __future__ import annotations

from signbit.methods.method import Method, Scale, TrainingDefaults, UpdateRule
from signbit.methods.parts import STORED, Surrogate, adam, held_by_threshold, surrogate_sign
from signbit.optimizers import Bop
from signbit.roles import Role
from signbit.schedules import Staircase

GAMMA, TAU = 1e-4, 1e-8


def _gamma_over(total_steps: int) -> Staircase:
    return Staircase(GAMMA, factor=0.1, every=-(-total_steps // 5))


def bop(*, surrogate: Surrogate = "clip") -> Method:
    """Flips where the mean gradient exceeds a threshold.

    Parameters
    ----------
    surrogate : gradient of the activations' sign: "clip", the default, or "polynomial", as Bi-Real networks have it.

    Errors: UnknownNameError for another surrogate.
    """
    return Method(
        name="bop",
        activations=surrogate_sign(surrogate),
        weights=STORED,
        scale=Scale(),
        rules={
            Role.BINARY: UpdateRule(Bop, {"gamma": GAMMA, "tau": TAU}, {"gamma": _gamma_over}),
            Role.ORDINARY: adam(1e-2),
        },
        callbacks=(held_by_threshold,),
        defaults=TrainingDefaults(learning_rate=1e-2, schedule="constant"),
    )
