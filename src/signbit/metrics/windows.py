"""How many activations are on, and how many pass their gradient on."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass
class WindowShares:
    """Shares of a stream of tensors that stand before a step with the window (-rho, 1); exact, however many there are.

    Parameters
    ----------
    rho : as in :class:`signbit.binarizers.StepWindow`.

    >>> shares = WindowShares(rho=0.3)
    >>> shares.update(torch.tensor([-1.0, -0.1, 0.0, 0.5, 1.0]))
    >>> shares.on, shares.passing
    (0.4, 0.6)
    """

    rho: float
    count: int = 0
    _on: Tensor | int = 0
    _passing: Tensor | int = 0

    @property
    def counts(self) -> tuple[int, int, int]:
        """How many were on, how many passed their gradient, how many there were."""
        return int(self._on), int(self._passing), self.count

    def update(self, y: Tensor) -> None:
        """Count in one more tensor. Nothing waits for a device until a share is read."""
        y = y.detach()
        self.count += y.numel()
        self._on = self._on + torch.count_nonzero(y > 0)
        self._passing = self._passing + torch.count_nonzero((y > -self.rho) & (y < 1))

    @property
    def on(self) -> float:
        """Share that is binarized to 1."""
        return int(self._on) / self.count

    @property
    def passing(self) -> float:
        """Share whose gradient is not cut."""
        return int(self._passing) / self.count
