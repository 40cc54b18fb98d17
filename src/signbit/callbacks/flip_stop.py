"""Layers whose signs have settled freeze; a run whose signs have settled stops."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor, nn

from signbit.callbacks.compiled import compile_anew
from signbit.callbacks.warm_up import warm_epochs
from signbit.errors import ConfigError
from signbit.metrics.flips import FlipTracker
from signbit.optimizers.sfao import forget
from signbit.schedules import Schedule


@dataclass(frozen=True)
class StopRule:
    """When to freeze and when to stop. The numbers are ours: the paper publishes none.

    Attributes
    ----------
    freeze_rate : r0 > 0; a layer is quiet in an epoch whose sign flip rate is at most ``r0 eta_e / eta_0``, with eta_e
        the learning rate of the epoch and eta_0 the largest of the run. Once the loss is low, flips fall about as
        eta_e does: what decides is their number relative to it, and in short runs it stays far above the default.
    patience : K >= 1; epochs in a row that a layer must be quiet to freeze.
    stop_rate : > 0; the run is calm in an epoch whose flip rate over all layers is at most this.
    stop_patience : P >= 1; epochs in a row that the run must be calm to stop.
    warm_up : 0 .. 1; share of the run in which nothing is counted, see
        :func:`~signbit.callbacks.warm_up.warm_epochs`.
    tuning : 0 .. 2; epochs that follow the stop, in which only what is not binary learns.
    freeze, stop : switches.
    """

    freeze_rate: float = 1e-3
    patience: int = 2
    stop_rate: float = 1e-4
    stop_patience: int = 3
    warm_up: float = 0.1
    tuning: int = 1
    freeze: bool = True
    stop: bool = True

    def __post_init__(self) -> None:
        for name in ("freeze_rate", "stop_rate"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"StopRule: {name} > 0; got {getattr(self, name)}")
        for name, least, most in (("patience", 1, None), ("stop_patience", 1, None), ("tuning", 0, 2)):
            value = getattr(self, name)
            if not isinstance(value, int) or value < least or (most is not None and value > most):
                allowed = f">= {least}" if most is None else f"{least} .. {most}"
                raise ConfigError(f"StopRule: {name} is an integer {allowed}; got {value!r}")
        if not 0 <= self.warm_up <= 1:
            raise ConfigError(f"StopRule: 0 <= warm_up <= 1; got {self.warm_up}")


@dataclass(frozen=True)
class Watch:
    """What is known at the end of an epoch.

    Attributes
    ----------
    quiet : layer -> epochs in a row that it has been quiet.
    calm : epochs in a row that the whole run has been calm.
    frozen : layers that are.
    tuning_left : None while training; afterwards the epochs that are left until the end: 0 means over.
    """

    quiet: Mapping[str, int] = field(default_factory=dict)
    calm: int = 0
    frozen: frozenset[str] = frozenset()
    tuning_left: int | None = None


def decide(watch: Watch, rates: Mapping[str, float], total: float, *, rule: StopRule, rate: float, warm: bool) -> Watch:
    """What follows from the flips of one more epoch.

    Parameters
    ----------
    watch : before it.
    rates, total : sign flip rate of every layer, and of all together.
    rate : eta_e / eta_0 of the epoch, 0 .. 1.
    warm : False during a warm-up, in which counting starts over; what is frozen stays so.

    >>> rule = StopRule(patience=1, tuning=0)
    >>> decide(Watch(), {"a": 0.0, "b": 0.1}, 0.05, rule=rule, rate=1.0, warm=True).frozen
    frozenset({'a'})
    """
    if watch.tuning_left is not None:
        return replace(watch, tuning_left=max(0, watch.tuning_left - 1))
    if not warm:
        return replace(watch, quiet={}, calm=0)
    quiet = {name: watch.quiet.get(name, 0) + 1 if sfr <= rule.freeze_rate * rate else 0 for name, sfr in rates.items()}
    calm = watch.calm + 1 if total <= rule.stop_rate else 0
    settled = {name for name, count in quiet.items() if count >= rule.patience} if rule.freeze else set()
    frozen = watch.frozen | settled
    over = rule.stop and (frozen >= set(rates) or calm >= rule.stop_patience)
    return Watch(quiet, calm, frozenset(rates) if over else frozen, rule.tuning if over else None)


class FlipStop(Callback):  # type: ignore[misc]
    """Freezes layers and stops the run as :func:`decide` says, at the ends of epochs.

    A frozen layer gets no weight gradient and no update, and its optimizer state is freed; its norms and scales go on
    learning. The gradient with respect to its input is left out by torch where nothing trainable lies below; with a
    trainable first layer or norm below, which is the rule, it is still computed. ``freeze_below`` changes that.

    Logs once an epoch: ``frozen_layers`` (share of layers, 0 .. 1).

    Its counts, the signs and what is frozen are in the checkpoint. A network without binary weights is left alone.

    Parameters
    ----------
    network : the network.
    rule : when.
    rate : learning rate by 0-based step; only ratios matter.
    epochs, steps_per_epoch : of the run.
    restarts : epochs in which what is trained changes; each is followed by a warm-up.
    freeze_below : also freeze what is not binary but registered in the network before the first binary layer that is
        not frozen (first layer, norms, shortcuts), once there is a frozen one before it, so that no gradient is
        computed there at all. Default no.
    """

    def __init__(
        self,
        network: nn.Module,
        rule: StopRule,
        *,
        rate: Schedule,
        epochs: int,
        steps_per_epoch: int,
        restarts: tuple[int, ...] = (),
        freeze_below: bool = False,
    ) -> None:
        self._network, self._rule, self._rate = network, rule, rate
        self._epochs, self._steps, self._restarts = epochs, steps_per_epoch, restarts
        self.freezes = rule.freeze or rule.stop
        """Whether weights may lose their gradient in the course of the run."""
        self._below = freeze_below
        self._peak = max(rate(epoch * steps_per_epoch) for epoch in range(epochs))
        self.watch = Watch()
        self._tracker = FlipTracker(network)
        self._signs: dict[str, Tensor] | None = None

    def freeze(self, layers: Iterable[str]) -> None:
        """Freeze these layers too when training starts."""
        self.watch = replace(self.watch, frozen=self.watch.frozen | set(layers))

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Note the signs that training starts from; freeze again what was frozen before an interruption."""
        self._tracker = FlipTracker(self._network)
        if self._signs is not None:
            self._tracker.load_state_dict(self._signs)
            self._signs = None
        self._act(trainer)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Count, decide, act."""
        self._tracker.update()
        if not self._tracker.sizes:
            return
        epoch = trainer.current_epoch
        before = self.watch
        self.watch = decide(
            before,
            self._tracker.rates,
            self._tracker.rate,
            rule=self._rule,
            rate=self._rate(epoch * self._steps) / self._peak,
            warm=warm_epochs(epoch, self._epochs, self._restarts, self._rule.warm_up) is not None,
        )
        self._act(trainer)
        if self.watch.frozen != before.frozen:
            compile_anew()
        pl_module.log("frozen_layers", len(self.watch.frozen) / len(self._tracker.sizes))

    def _act(self, trainer: Trainer) -> None:
        frozen = [p for name, p in self._network.named_parameters() if self._is_frozen(name)]
        for parameter in frozen:
            parameter.requires_grad_(False)
        for optimizer in trainer.optimizers:
            forget(optimizer, frozen)
        if self.watch.tuning_left == 0:
            trainer.should_stop = True

    def _is_frozen(self, name: str) -> bool:
        return name in self.watch.frozen or (self._below and name in self._prefix())

    def _prefix(self) -> set[str]:
        """The parameters registered before the first binary weight that still learns, if any before it is frozen.

        None as long as nothing is frozen there, or the first layer would never learn; none once all are frozen.
        """
        layers = list(self._tracker.sizes)
        learning = [layer for layer in layers if layer not in self.watch.frozen]
        if not learning or learning[0] == layers[0]:
            return set()
        names = [name for name, _ in self._network.named_parameters()]
        return set(names[: names.index(learning[0])])

    def state_dict(self) -> dict[str, Any]:
        """Counts, frozen layers and signs, as tensors and plain values."""
        watch = self.watch
        return {
            "quiet": dict(watch.quiet),
            "calm": watch.calm,
            "frozen": sorted(watch.frozen),
            "tuning_left": watch.tuning_left,
            "signs": self._tracker.state_dict(),
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what :meth:`state_dict` gave."""
        state = dict(state_dict)
        self._signs = state.pop("signs")  # the network gets its weights, and its device, only later
        self.watch = Watch(**{**state, "frozen": frozenset(state["frozen"])})
