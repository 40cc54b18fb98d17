"""Latent weights whose sign will not change soon, or never again, rest."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor, nn

from signbit.callbacks.compiled import compile_anew
from signbit.callbacks.warm_up import warm_epochs
from signbit.errors import ConfigError
from signbit.optimizers.sfao import (
    FlipAware,
    can_flip_soon,
    decoupled_decay,
    find_flip_aware,
    largest_step,
    out_of_reach,
)
from signbit.schedules import Schedule

Granularity = Literal["weight", "filter"]

Focus = Callable[[Mapping[nn.Parameter, Tensor]], None]
"""Weight -> bool mask ``[O]`` of the filters that need a gradient; weights that are not named need all of it."""


@dataclass(frozen=True)
class MaskRule:
    """Which weights rest in the next epoch. The numbers are ours: the paper publishes none.

    Attributes
    ----------
    by_movement : rule R2, approximate: a weight rests unless it :func:`~signbit.optimizers.sfao.can_flip_soon`.
    by_reach : rule R3, exact on signs: a weight rests that is :func:`~signbit.optimizers.sfao.out_of_reach`. Without
        effect under optimizers whose steps have no bound, such as SGD.
    clipping_aware : R2's other test: a weight rests when it is at its bound, whatever it moves.
    kappa : > 0; epochs that a weight must be away from 0 to rest, at the speed of its layer's fastest.
    quantile : 0 < quantile <= 1; of the movements in a layer, taken for the fastest.
    history : h >= 1; a weight that flipped in the last h epochs is active.
    warm_up : 0 .. 1; share of the run in which R2 lets nothing rest.
    refresh : >= 2; every so many epochs after the warm-up R2 lets nothing rest for one, so that weights can come back.
    granularity : "filter": a filter rests when all of its weights may, and costs no weight gradient. "weight": each for
        itself; nothing is saved in dense arithmetic.
    tolerance : 0 <= tolerance < 1; share of a filter's weights that R2 may override to let all of it rest.
    """

    by_movement: bool = True
    by_reach: bool = True
    clipping_aware: bool = False
    kappa: float = 1.0
    quantile: float = 1.0
    history: int = 1
    warm_up: float = 0.1
    refresh: int = 5
    granularity: Granularity = "filter"
    tolerance: float = 0.0

    def __post_init__(self) -> None:
        for holds, text, value in (
            (self.kappa > 0, "kappa > 0", self.kappa),
            (0 < self.quantile <= 1, "0 < quantile <= 1", self.quantile),
            (self.history >= 1, "history >= 1", self.history),
            (0 <= self.warm_up <= 1, "0 <= warm_up <= 1", self.warm_up),
            (self.refresh >= 2, "refresh >= 2", self.refresh),
            (0 <= self.tolerance < 1, "0 <= tolerance < 1", self.tolerance),
            (self.granularity in ("weight", "filter"), "granularity is 'weight' or 'filter'", self.granularity),
        ):
            if not holds:
                raise ConfigError(f"MaskRule: {text}; got {value!r}")

    def movement_counts(self, epoch: int, epochs: int, restarts: tuple[int, ...]) -> bool:
        """Whether R2 lets weights rest in ``epoch``: past the warm-up, and not in one that refreshes.

        >>> [int(MaskRule(refresh=3).movement_counts(e, 10, ())) for e in range(10)]
        [0, 1, 1, 0, 1, 1, 0, 1, 1, 0]
        """
        warm = warm_epochs(epoch, epochs, restarts, self.warm_up)
        return self.by_movement and warm is not None and warm % self.refresh != self.refresh - 1


def resting(
    weight: Tensor,
    start: Tensor,
    flipped: Tensor,
    *,
    rule: MaskRule,
    movement: bool,
    bound: float | None,
    reach: Tensor,
) -> Tensor:
    """Which weights of a layer rest in the next epoch, by weight or by filter as ``rule.granularity`` says.

    Parameters
    ----------
    weight, start : latent weights ``[O, ...]`` at the end and at the start of the epoch that is over.
    flipped : which changed their sign in the last epochs; bool, same shape.
    movement : whether R2 counts now.
    bound : where weights are clamped, for the clipping-aware variant.
    reach : which are out of reach (R3); bool, same shape.
    """
    rest = reach
    if movement and rule.clipping_aware:
        if bound is None:
            raise ConfigError("clipping_aware needs weights that are clamped; this method's are not: use kappa")
        rest = rest | (weight.abs() >= bound)
    elif movement:
        active = can_flip_soon(weight, weight - start, flipped, kappa=rule.kappa, quantile=rule.quantile)
        rest = rest | ~active
    if rule.granularity == "weight":
        return rest
    active_share = (~rest).flatten(1).double().mean(1)
    return active_share <= (rule.tolerance if movement else 0)


class FlipMasks(Callback):  # type: ignore[misc]
    """Sets at the end of every epoch which weights rest in the next one, see :func:`resting`.

    Logs once an epoch ``resting_weights`` (share of the latent weights, frozen ones included, 0 .. 1). Without a
    :class:`~signbit.optimizers.sfao.FlipAware` in the optimizer (no latent weights) it does nothing. What rests and the
    recent flips are in the checkpoint.

    Parameters
    ----------
    network : the network.
    rule : which weights.
    focus : told which filters need a weight gradient, when the granularity is "filter".
    rate : factor of the peak learning rate by 0-based step.
    epochs, steps_per_epoch : of the run.
    restarts : epochs in which what is trained changes; each is followed by a warm-up.
    """

    def __init__(
        self,
        network: nn.Module,
        rule: MaskRule,
        focus: Focus,
        *,
        rate: Schedule,
        epochs: int,
        steps_per_epoch: int,
        restarts: tuple[int, ...] = (),
    ) -> None:
        self._names = {parameter: name for name, parameter in network.named_parameters()}
        self._rule, self._focus, self._rate = rule, focus, rate
        self._epochs, self._steps, self._restarts = epochs, steps_per_epoch, restarts
        self._start: dict[nn.Parameter, Tensor] = {}
        self._flips: dict[str, deque[Tensor]] = {}
        self._resting: dict[str, Tensor] = {}

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Let rest what rested before an interruption."""
        self._apply(find_flip_aware(trainer.optimizers[0]))

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Note where the weights are."""
        owners = find_flip_aware(trainer.optimizers[0])
        self._start = {w: w.detach().clone() for w in _weights(*owners) if w.requires_grad}

    @torch.no_grad()
    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Choose what rests in the next epoch, if there is one."""
        owners = find_flip_aware(trainer.optimizers[0])
        if owners:
            if trainer.current_epoch + 1 < self._epochs:
                self._choose_all(trainer, owners)
            pl_module.log("resting_weights", self._share(owners))

    def _choose_all(self, trainer: Trainer, owners: list[FlipAware]) -> None:
        before, self._resting = self._resting, {}
        movement = self._rule.movement_counts(trainer.current_epoch + 1, self._epochs, self._restarts)
        left = sum(self._rate(step) for step in range(trainer.global_step, self._epochs * self._steps))
        for owner in owners:
            for group in owner.param_groups:
                self._choose(group, left, largest_step(owner.parts["inner"], group), movement)
        if not _same(before, self._resting):
            self._apply(owners)

    def _choose(self, group: Mapping[str, Any], left: float, k: float, movement: bool) -> None:
        """Choose for the weights of a group that still learn.

        Parameters
        ----------
        left : factors of the learning rate that are still to come, summed up.
        k : largest step as a multiple of the learning rate.
        movement : whether R2 counts in the next epoch.
        """
        bounds = {
            "steps": left * group.get("initial_lr", group["lr"]),
            "largest_step": k if self._rule.by_reach else math.inf,
            "decay": decoupled_decay(group),
        }
        for weight in (w for w in group["params"] if w in self._start):
            start, name = self._start[weight], self._names[weight]
            recent = self._flips.setdefault(name, deque(maxlen=self._rule.history))
            recent.append((weight < 0) != (start < 0))
            self._resting[name] = resting(
                weight,
                start,
                torch.stack([mask.to(weight.device) for mask in recent]).any(0),
                rule=self._rule,
                movement=movement,
                bound=group.get("bound"),
                reach=out_of_reach(weight, **bounds),
            )

    def _apply(self, owners: list[FlipAware]) -> None:
        masks = {w: self._resting[self._names[w]].to(w.device) for w in self._names if self._names[w] in self._resting}
        for owner in owners:
            owner.rest({w: masks[w] for w in _weights(owner) if w in masks})
        if owners and self._rule.granularity == "filter":
            self._focus({w: ~mask for w, mask in masks.items()})
            compile_anew()

    def _share(self, owners: list[FlipAware]) -> float:
        weights = _weights(*owners)
        rest = 0
        for w in weights:
            mask = self._resting.get(self._names[w])
            if not w.requires_grad:
                rest += w.numel()
            elif mask is not None:
                rest += int(mask.sum()) * (w.numel() // mask.numel())
        return float(rest / sum(w.numel() for w in weights))

    def state_dict(self) -> dict[str, Any]:
        """What rests, and the recent flips."""
        return {
            "resting": {name: mask.cpu() for name, mask in self._resting.items()},
            "flips": {name: [mask.cpu() for mask in masks] for name, masks in self._flips.items()},
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what :meth:`state_dict` gave."""
        self._resting = dict(state_dict["resting"])
        self._flips = {name: deque(masks, maxlen=self._rule.history) for name, masks in state_dict["flips"].items()}


def _weights(*owners: FlipAware) -> list[nn.Parameter]:
    return [w for owner in owners for group in owner.param_groups for w in group["params"]]


def _same(a: Mapping[str, Tensor], b: Mapping[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name].to(b[name].device), b[name]) for name in a)
