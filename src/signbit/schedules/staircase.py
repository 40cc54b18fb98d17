"""Steps down at equal distances."""

from __future__ import annotations

from dataclasses import dataclass

from signbit.errors import ConfigError
from signbit.schedules.base import Schedule


@dataclass(frozen=True)
class Staircase(Schedule):
    """``start * factor ** floor(step / every)``.

    Parameters
    ----------
    start : value of step 0.
    factor : multiplier at each stair.
    every : steps on one stair, >= 1.

    >>> [Staircase(8.0, factor=0.5, every=2)(step) for step in range(5)]
    [8.0, 8.0, 4.0, 4.0, 2.0]
    """

    start: float
    factor: float
    every: int

    def __post_init__(self) -> None:
        if self.every < 1:
            raise ConfigError(f"Staircase: every >= 1 step; got {self.every}")

    def __call__(self, step: int) -> float:
        """The value at ``step``."""
        return self.start * self.factor ** (step // self.every)
