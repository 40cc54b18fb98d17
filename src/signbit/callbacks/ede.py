"""The surrogate gradient of EDE sharpens from epoch to epoch."""

from __future__ import annotations

from lightning.pytorch import Callback, LightningModule, Trainer
from torch import nn

from signbit.binarizers.ede import T_MAX, ede_sharpness, sharpen_all


class EdeSchedule(Callback):  # type: ignore[misc]
    """Sets t of every :class:`~signbit.binarizers.SignEDE` at the start of each epoch, and logs it as ``ede_t``.

    The value follows from the epoch alone, see :func:`~signbit.binarizers.ede_sharpness`, and is saved with the
    network: a run that is resumed goes on as if it had not been interrupted. A network without such binarizers is left
    alone and nothing is logged.

    Parameters
    ----------
    network : the network.
    epochs : length of the run, >= 1.
    t_min, t_max : > 0.
    """

    def __init__(self, network: nn.Module, epochs: int, *, t_min: float, t_max: float = T_MAX) -> None:
        self._network, self._epochs = network, epochs
        self._t_min, self._t_max = t_min, t_max
        ede_sharpness(0, epochs, t_min, t_max)  # settings out of range are refused before the run starts

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Set and log this epoch's t."""
        t = ede_sharpness(trainer.current_epoch, self._epochs, self._t_min, self._t_max)
        if sharpen_all(self._network, t):
            pl_module.log("ede_t", t)
