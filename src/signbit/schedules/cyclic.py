"""A number of bits that rises and jumps back, again and again."""

from __future__ import annotations

import math
from dataclasses import dataclass

from signbit.errors import ConfigError
from signbit.schedules.base import Schedule


@dataclass(frozen=True)
class CyclicBits(Schedule):
    """``rint(low + (high - low) / 2 * (1 + cos(pi * (step mod P) / P + pi)))``, ``P = floor(steps / cycles)``.

    In every cycle the bits rise from ``low`` to ``high`` along half a cosine and then jump back. Halves are rounded to
    the even neighbour. The steps that ``P`` leaves over begin one more cycle.

    Parameters
    ----------
    low, high : bits, 1 <= low <= high.
    cycles : rises in a run, 1 .. steps.
    steps : of the whole run, >= 1.

    Reference: Fontana, Lanzino, Diko, Foresti, Cinque, "CycleBNN", 2024.

    >>> [CyclicBits(2, 6, cycles=2, steps=12)(step) for step in range(12)]
    [2.0, 2.0, 3.0, 4.0, 5.0, 6.0, 2.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    """

    low: int
    high: int
    cycles: int
    steps: int

    def __post_init__(self) -> None:
        if not 1 <= self.low <= self.high:
            raise ConfigError(f"CyclicBits: 1 <= low <= high; got low {self.low}, high {self.high}")
        if not 1 <= self.cycles <= self.steps:
            raise ConfigError(
                f"CyclicBits: a cycle takes at least one step; got {self.cycles} cycles in {self.steps} steps; "
                "train for longer or with fewer cycles"
            )

    def __call__(self, step: int) -> float:
        """The bits at ``step``."""
        rise = (1 + math.cos(math.pi * (step % self.period) / self.period + math.pi)) / 2
        return float(round(self.low + (self.high - self.low) * rise))

    @property
    def period(self) -> int:
        """Steps of one cycle."""
        return self.steps // self.cycles

    def jumps(self) -> tuple[int, ...]:
        """The steps of the run at which the bits fall back to ``low``.

        >>> CyclicBits(2, 6, cycles=2, steps=13).jumps()
        (6, 12)
        """
        return tuple(range(self.period, self.steps, self.period))
