"""What every schedule is."""

from __future__ import annotations

from abc import ABC, abstractmethod


class Schedule(ABC):
    """A pure function of the 0-based step."""

    @abstractmethod
    def __call__(self, step: int) -> float:
        """The value that step number ``step`` uses."""
