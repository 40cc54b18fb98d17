"""Optimizers made of optimizers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch.optim import Optimizer

from signbit.errors import ConfigError
from signbit.optimizers.closure import evaluated


class JoinedOptimizer(Optimizer, ABC):
    """Base of the optimizers that hand their step on to others.

    The parts work on the very groups and state seen here, not on copies: a learning-rate scheduler that writes to
    ``param_groups`` reaches them, and ``state_dict`` is torch's own format over all of them.
    """

    def __init__(self, parts: Mapping[str, Optimizer]) -> None:
        if not parts:
            raise ConfigError(f"{type(self).__name__}: needs at least one optimizer; got none")
        self.parts = dict(parts)
        groups = [group for part in self.parts.values() for group in part.param_groups]
        super().__init__(groups, {})
        for part in self.parts.values():
            self.state.update(part.state)
        self.share()

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Refused for groups that no part owns: nothing would update them."""
        if not any(param_group is owned for part in self.parts.values() for owned in part.param_groups):
            raise ConfigError(
                f"{type(self).__name__}: a group belongs to a part; build the part with it and join again"
            )
        super().add_param_group(param_group)

    @abstractmethod
    def update(self) -> None:
        """Step the parts; gradients are in place."""

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Evaluate the closure once, then step every part; the closure's loss."""
        loss = evaluated(closure)
        self.update()
        return loss

    def share(self) -> None:
        """Make the parts work on this optimizer's groups and state."""
        start = 0
        for part in self.parts.values():
            stop = start + len(part.param_groups)
            part.param_groups = self.param_groups[start:stop]
            part.state = self.state
            start = stop
            if isinstance(part, JoinedOptimizer):
                part.share()

    def __getstate__(self) -> dict[str, Any]:
        """What pickling and deepcopy keep: torch's part and the parts."""
        return {**super().__getstate__(), "parts": self.parts}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Also what torch's ``load_state_dict`` ends with."""
        super().__setstate__(state)
        self.share()
