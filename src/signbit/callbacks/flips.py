"""How many binary weights changed sign: per epoch, and per step now and then."""

from __future__ import annotations

from collections.abc import Mapping

from lightning.pytorch import Callback, LightningModule, Trainer
from torch import nn

from signbit.metrics.flips import FlipTracker
from signbit.roles import Role, parameter_roles

EVERY_STEPS = 50


def flip_rates(flips: Mapping[str, int], sizes: Mapping[str, int]) -> tuple[float, dict[str, float]]:
    """The share of weights that flipped, of all and by layer.

    >>> flip_rates({"a": 1, "b": 0}, {"a": 2, "b": 8})
    (0.1, {'a': 0.5, 'b': 0.0})
    """
    return sum(flips.values()) / sum(sizes.values()), {name: count / sizes[name] for name, count in flips.items()}


class FlipRates(Callback):  # type: ignore[misc]
    """Logs ``sign_flip_rate`` (and ``sign_flip_rate/LAYER``) once an epoch: signs at its end against those before it.

    Every 50 steps the loggers also get ``step/flips``, the share that flipped in that one step: a weight that flips
    back within an epoch counts there and not in the epoch's rate. A network without binary weights logs nothing.

    Parameters
    ----------
    network : the network, whose names the layers are logged under.
    """

    def __init__(self, network: nn.Module) -> None:
        roles = parameter_roles(network)
        self._network = network
        self._sizes = {
            name: parameter.numel()
            for name, parameter in network.named_parameters()
            if roles[name] in (Role.BINARY, Role.LATENT)
        }
        self._epoch: FlipTracker | None = None
        self._step: FlipTracker | None = None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Note the signs, after a checkpoint's weights have been loaded."""
        if self._sizes:
            self._epoch, self._step = FlipTracker(self._network), FlipTracker(self._network)

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: object, batch_idx: int) -> None:  # noqa: ARG002
        """Note the signs before a step that is watched."""
        if self._step is not None and trainer.global_step % EVERY_STEPS == 0:
            self._step.update()

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,  # noqa: ARG002
        outputs: object,  # noqa: ARG002
        batch: object,  # noqa: ARG002
        batch_idx: int,  # noqa: ARG002
    ) -> None:
        """Log the flips of a step that was watched."""
        if self._step is not None and (trainer.global_step - 1) % EVERY_STEPS == 0:
            share, _ = flip_rates(self._step.update(), self._sizes)
            for logger in trainer.loggers:
                logger.log_metrics({"step/flips": share}, trainer.global_step - 1)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Log the epoch's rates."""
        if self._epoch is not None:
            share, layers = flip_rates(self._epoch.update(), self._sizes)
            pl_module.log("sign_flip_rate", share)
            pl_module.log_dict({f"sign_flip_rate/{name}": rate for name, rate in layers.items()})
