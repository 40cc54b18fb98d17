"""Half a cosine."""

from __future__ import annotations

import math
from dataclasses import dataclass

from signbit.errors import ConfigError
from signbit.schedules.base import Schedule


@dataclass(frozen=True)
class Cosine(Schedule):
    """``stop + (start - stop) / 2 * (1 + cos(pi * min(step / steps, 1)))``.

    Parameters
    ----------
    start : value of step 0.
    stop : value of step ``steps`` and all later ones.
    steps : length of the half wave, >= 1.

    Reference: Loshchilov, Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts", 2017.

    >>> [round(Cosine(1.0, 0.0, steps=4)(step), 3) for step in (0, 1, 2, 4, 9)]
    [1.0, 0.854, 0.5, 0.0, 0.0]
    """

    start: float
    stop: float
    steps: int

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ConfigError(f"Cosine: steps >= 1; got {self.steps}")

    def __call__(self, step: int) -> float:
        """The value at ``step``."""
        if step >= self.steps:
            return self.stop
        return self.stop + (self.start - self.stop) / 2 * (1 + math.cos(math.pi * step / self.steps))
