"""A straight line."""

from __future__ import annotations

from dataclasses import dataclass

from signbit.errors import ConfigError
from signbit.schedules.base import Schedule


@dataclass(frozen=True)
class Linear(Schedule):
    """``start + (stop - start) * min(step / steps, 1)``.

    Parameters
    ----------
    start : value of step 0.
    stop : value of step ``steps`` and all later ones.
    steps : length of the line, >= 1.

    >>> [Linear(1.0, 0.0, steps=4)(step) for step in (0, 1, 4, 9)]
    [1.0, 0.75, 0.0, 0.0]
    """

    start: float
    stop: float
    steps: int

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ConfigError(f"Linear: steps >= 1; got {self.steps}")

    def __call__(self, step: int) -> float:
        """The value at ``step``."""
        if step >= self.steps:
            return self.stop
        return self.start + (self.stop - self.start) * (step / self.steps)
