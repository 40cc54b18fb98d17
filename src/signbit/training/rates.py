"""Shapes of the learning rate over a run, as factors of its peak."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from signbit.errors import ConfigError
from signbit.registry import Registry
from signbit.schedules import Constant, Cosine, Linear, Schedule


@dataclass(frozen=True)
class OneCycle(Schedule):
    """Half a cosine up from 1/25 to 1 over the first 30 % of the steps, then half a cosine down to 1/250,000.

    Parameters
    ----------
    steps : length of the cycle, >= 2.

    Reference: Smith, Topin, "Super-Convergence", 2019; the constants are torch's defaults.

    >>> [round(OneCycle(10)(step), 3) for step in (0, 3, 10)]
    [0.04, 1.0, 0.0]
    """

    steps: int

    def __post_init__(self) -> None:
        if self.steps < 2:
            raise ConfigError(f"OneCycle: steps >= 2; got {self.steps}; train for longer or choose another schedule")

    def __call__(self, step: int) -> float:
        """The factor at ``step``."""
        warm_up = max(1, round(0.3 * self.steps))
        if step < warm_up:
            return Cosine(1 / 25, 1.0, warm_up)(step)
        return Cosine(1.0, 1 / 250_000, self.steps - warm_up)(step - warm_up)


SHAPES: Registry[Callable[[int], Schedule]] = Registry("learning-rate schedule")
SHAPES.add("constant", "the peak all along", lambda _: Constant(1.0))
SHAPES.add("linear", "a straight line from the peak to zero", lambda steps: Linear(1.0, 0.0, steps))
SHAPES.add("cosine", "half a cosine from the peak to zero", lambda steps: Cosine(1.0, 0.0, steps))
SHAPES.add("one-cycle", "up to the peak in 30 % of the run, then down to almost zero", OneCycle)


def rate_shape(name: str, steps: int) -> Schedule:
    """The factor of the peak learning rate at each 0-based step of a run of ``steps`` steps.

    >>> [rate_shape("linear", 4)(step) for step in (0, 2, 4)]
    [1.0, 0.5, 0.0]
    """
    return SHAPES[name].target(steps)
