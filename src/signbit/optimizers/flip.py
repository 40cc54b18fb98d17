"""What every optimizer of stored -1/+1 weights has in common: state, step count, scheduled rates, flip counts."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from signbit.errors import ConfigError
from signbit.optimizers.closure import evaluated

Setting = float | Callable[[int], float]
"""A rate: constant, or a function of the 0-based step, read before the step is counted."""

Group = Mapping[str, Any]
"""A parameter group: the rates in use, the fixed options, and ``step``, the steps taken including this one."""


def value_at(rate: Setting, step: int) -> float:
    """What a rate is worth at ``step``."""
    return rate(step) if callable(rate) else rate


def flip_(weight: Tensor, r: Tensor, tau: float) -> Tensor:
    """Change the sign of ``weight`` in place where ``w r > tau``, so that a tie keeps it; the flips, 1 or 0.

    >>> flip_(torch.tensor([1.0, 1.0, -1.0]), torch.tensor([0.4, 0.2, 0.4]), 0.2)
    tensor([1., 0., 0.])
    """
    # The mask has the dtype of the weight: with bools neither the comparison nor what uses it is vectorised on a CPU.
    flips = weight * r
    torch.gt(flips, tau, out=flips)
    weight.addcmul_(weight, flips, value=-2)
    return flips


class FlipOptimizer(Optimizer, ABC):
    """Base of the optimizers that change -1/+1 weights by flipping them and by nothing else.

    Each parameter group shows the rates of its last step under their names, counts its steps under ``step`` and
    carries ``lr = 0``, which no rule reads: torch's learning-rate schedulers want to find it and write to it.

    Attributes
    ----------
    MOMENTS : names of the tensors, of the weight's shape and 0 at first, that the state of each weight holds.

    Errors: ConfigError for a weight that is not exactly -1 or +1, a dtype below float32, a rate out of range.
    """

    MOMENTS: tuple[str, ...]

    def __init__(self, params: Any, rates: Mapping[str, Setting], options: Mapping[str, Any]) -> None:
        self._rates = dict(rates)
        self._flips: list[Tensor | int] = []
        self._check({name: value_at(rate, 0) for name, rate in rates.items()}, 0)
        super().__init__(params, {"lr": 0.0, "step": 0, **options})

    @abstractmethod
    def update_moments(self, gradient: Tensor, state: Mapping[str, Any], group: Group) -> None:
        """Bring the moments of ``state`` up to one more gradient, in place."""

    @abstractmethod
    def update_in_one_pass(
        self, weight: Tensor, gradient: Tensor, state: Mapping[str, Any], group: Group, threads: int
    ) -> int:
        """Moments and weight together, with the same bits as the rule, and the flips; flat float32 tensors on a CPU.

        ``state`` holds the moments flat too.
        """

    @abstractmethod
    def statistic(self, state: Mapping[str, Any], group: Group) -> Tensor:
        """The r that the rule compares with the threshold ``tau``, from the state alone; nobody writes to it."""

    def count_step(self, state: dict[str, Any], group: Group) -> None:
        """Advance what ``state`` keeps besides the moments; nothing, unless a rule says so."""

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Take charge of more -1/+1 parameters."""
        if own := sorted(self._rates.keys() & param_group.keys()):
            raise ConfigError(
                f"{type(self).__name__}: rates hold for all groups; this group has its own {', '.join(own)}; "
                "build an optimizer for it and join both with Composite"
            )
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
        loss = evaluated(closure)
        self._flips = []
        for group in self.param_groups:
            rates = {name: value_at(rate, group["step"]) for name, rate in self._rates.items()}
            self._check(rates, group["step"])
            group.update(rates)
            group["step"] += 1
            for weight in group["params"]:
                if weight.grad is not None:
                    self._flips.append(self._update(weight, weight.grad, self.state[weight], group))
        return loss

    def _update(self, weight: Tensor, gradient: Tensor, state: dict[str, Any], group: Group) -> Tensor | int:
        if not state:
            state.update({name: torch.zeros_like(weight) for name in self.MOMENTS})
        self.count_step(state, group)
        tensors = [weight, gradient, *(state[name] for name in self.MOMENTS)]
        if all(_flattens(tensor) for tensor in tensors):
            w, g, *moments = (tensor.detach().view(-1) for tensor in tensors)
            flat = {**state, **dict(zip(self.MOMENTS, moments, strict=True))}
            return self.update_in_one_pass(w, g, flat, group, torch.get_num_threads())
        self.update_moments(gradient, state, group)
        return torch.count_nonzero(flip_(weight, self.statistic(state, group), group["tau"]))

    def flips(self) -> int:
        """Weights flipped by the last step."""
        return int(sum(self._flips))

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


def _flattens(tensor: Tensor) -> bool:
    """Whether the compiled rules can read the tensor in the order of its elements."""
    return tensor.device.type == "cpu" and tensor.dtype == torch.float32 and tensor.is_contiguous()
