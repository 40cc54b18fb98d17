"""The bits of a network's grids, step by step."""

from __future__ import annotations

from lightning.pytorch import Callback, LightningModule, Trainer
from torch import nn

from signbit.schedules import Schedule
from signbit.transforms import Precision, QuantizeGradient


def set_precision(network: nn.Module, bits: int, gradient_bits: int) -> int:
    """Give every grid of ``network`` its bits; those of gradients apart. Returns how many grids there are."""
    grids = [module for module in network.modules() if isinstance(module, Precision)]
    for grid in grids:
        grid.set_bits(gradient_bits if isinstance(grid, QuantizeGradient) else bits)
    return len(grids)


class PrecisionSchedule(Callback):  # type: ignore[misc]
    """Sets the bits of all grids before every step, and logs the last of an epoch as ``bits`` and ``gradient_bits``.

    The bits follow from the step alone, and are saved with the network: a run that is resumed goes on as if it had not
    been interrupted. A network without grids is left alone and nothing is logged.

    Parameters
    ----------
    network : the network.
    bits : of weights and activations, by 0-based step; whole numbers in 1 .. 16.
    gradient_bits : of gradients, likewise.

    Reference: Fontana, Lanzino, Diko, Foresti, Cinque, "CycleBNN", 2024.
    """

    def __init__(self, network: nn.Module, bits: Schedule, gradient_bits: Schedule) -> None:
        self._network = network
        self.bits, self.gradient_bits = bits, gradient_bits
        self._now: tuple[int, int] | None = None
        self._grids = 0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """A checkpoint may just have set other bits."""
        self._now = None

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: object, batch_idx: int) -> None:  # noqa: ARG002
        """Set this step's bits where they are not those of the last."""
        now = int(self.bits(trainer.global_step)), int(self.gradient_bits(trainer.global_step))
        if now != self._now:
            self._grids, self._now = set_precision(self._network, *now), now

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Log the bits."""
        if self._now is not None and self._grids:
            pl_module.log_dict({"bits": float(self._now[0]), "gradient_bits": float(self._now[1])})
