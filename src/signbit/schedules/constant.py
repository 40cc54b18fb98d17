"""The schedule that does not move."""

from __future__ import annotations

from dataclasses import dataclass

from signbit.schedules.base import Schedule


@dataclass(frozen=True)
class Constant(Schedule):
    """``value`` at every step.

    >>> Constant(0.5)(1000)
    0.5
    """

    value: float

    def __call__(self, step: int) -> float:  # noqa: ARG002
        """The value."""
        return self.value
