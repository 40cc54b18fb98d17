"""How many binary weights changed sign: per epoch, and per step now and then."""

from __future__ import annotations

from lightning.pytorch import Callback, LightningModule, Trainer
from torch import nn

from signbit.metrics.flips import FlipTracker

EVERY_STEPS = 50


class FlipRates(Callback):  # type: ignore[misc]
    """Logs ``sign_flip_rate`` (and ``sign_flip_rate/LAYER``) once an epoch: signs at its end against those before it.

    Every 50 steps the loggers also get ``step/flips``, the share that flipped in that one step: a weight that flips
    back within an epoch counts there and not in the epoch's rate. A network without binary weights logs nothing.

    Parameters
    ----------
    network : the network, whose names the layers are logged under.
    """

    def __init__(self, network: nn.Module) -> None:
        self._network = network
        self._epoch: FlipTracker | None = None
        self._step: FlipTracker | None = None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Note the signs, after a checkpoint's weights have been loaded."""
        epoch, step = FlipTracker(self._network), FlipTracker(self._network)
        if epoch.sizes:
            self._epoch, self._step = epoch, step

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
            self._step.update()
            for logger in trainer.loggers:
                logger.log_metrics({"step/flips": self._step.rate}, trainer.global_step - 1)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Log the epoch's rates."""
        if self._epoch is not None:
            self._epoch.update()
            pl_module.log("sign_flip_rate", self._epoch.rate)
            pl_module.log_dict({f"sign_flip_rate/{name}": rate for name, rate in self._epoch.rates.items()})
