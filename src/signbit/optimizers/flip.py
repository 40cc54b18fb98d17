"""What every optimizer of stored -1/+1 weights has in common: state, step count, scheduled rates, flip counts."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from signbit.errors import ConfigError

Setting = float | Callable[[int], float]
"""A rate: constant, or a function of the 0-based step, read before the step is counted."""

Group = Mapping[str, Any]
"""A parameter group: the rates in use, the fixed options, and ``step``, the steps taken including this one."""


def value_at(rate: Setting, step: int) -> float:
    """What a rate is worth at ``step``."""
    return rate(step) if callable(rate) else rate


def apply_flips(weight: Tensor, flips: Tensor) -> Tensor:
    """``weight`` with its sign changed where ``flips`` is true."""
    return torch.where(flips, -weight, weight)


class FlipOptimizer(Optimizer, ABC):
    """Base of the optimizers that change -1/+1 weights by flipping them and by nothing else.

    Each parameter group shows the rates of its last step under their names, counts its steps under ``step`` and
    carries ``lr = 0``, which no rule reads: torch's learning-rate schedulers want to find it and write to it.

    Errors: ConfigError for a weight that is not exactly -1 or +1, a dtype below float32, a rate out of range.
    """

    def __init__(self, params: Any, rates: Mapping[str, Setting], options: Mapping[str, Any]) -> None:
        self._rates = dict(rates)
        self._flips: list[Tensor] = []
        self._check({name: value_at(rate, 0) for name, rate in rates.items()}, 0)
        super().__init__(params, {"lr": 0.0, "step": 0, **options})

    @abstractmethod
    def update(self, weight: Tensor, gradient: Tensor, state: dict[str, Any], group: Group) -> Tensor:
        """Advance ``state`` by one gradient; the mask of weights to flip."""

    @abstractmethod
    def statistic(self, state: dict[str, Any], group: Group) -> Tensor:
        """The r that the rule compares with the threshold ``tau``, from the state alone."""

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Take charge of more -1/+1 parameters."""
        super().add_param_group(param_group)
        for index, weight in enumerate(self.param_groups[-1]["params"]):
            if weight.dtype not in (torch.float32, torch.float64):
                raise ConfigError(
                    f"{type(self).__name__}: moments move too slowly for anything below float32; got weights in "
                    f"{weight.dtype}; keep them in float32 and train under autocast"
                )
            if not weight.is_meta and not bool((weight.detach().abs() == 1).all()):
                raise ConfigError(
                    f"{type(self).__name__}: every weight is exactly -1 or +1; parameter {index} of this group, shape "
                    f"{list(weight.shape)}, is not; build its layer with weight_role=Role.BINARY"
                )

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """One update of every weight that has a gradient; the closure's loss."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        self._flips = []
        for group in self.param_groups:
            rates = {name: value_at(rate, group["step"]) for name, rate in self._rates.items()}
            self._check(rates, group["step"])
            group.update(rates)
            group["step"] += 1
            for weight in group["params"]:
                if weight.grad is not None:
                    flips = self.update(weight, weight.grad, self.state[weight], group)
                    weight.copy_(apply_flips(weight, flips))
                    self._flips.append(torch.count_nonzero(flips))
        return loss

    def flips(self) -> int:
        """Weights flipped by the last step."""
        return int(torch.stack(self._flips).sum()) if self._flips else 0

    @torch.no_grad()
    def inactive_share(self) -> float:
        """Share of weights with ``|r| <= tau``, held by the threshold whatever their sign; 0 before the first step."""
        inactive = total = 0
        for group in self.param_groups:
            for weight in group["params"]:
                if weight in self.state:
                    r = self.statistic(self.state[weight], group)
                    inactive += int(torch.count_nonzero(r.abs() <= group["tau"]))
                    total += weight.numel()
        return inactive / total if total else 0.0

    def __getstate__(self) -> dict[str, Any]:
        """What pickling and deepcopy keep: torch's part and the rates."""
        return {**super().__getstate__(), "_rates": self._rates, "_flips": self._flips}

    def _check(self, rates: Mapping[str, float], step: int) -> None:
        for name, rate in rates.items():
            allowed = rate >= 0 if name == "tau" else 0 < rate <= 1
            if not allowed:
                rule = "tau >= 0" if name == "tau" else f"0 < {name} <= 1"
                raise ConfigError(f"{type(self).__name__}: {rule}; got {rate} at step {step}")
