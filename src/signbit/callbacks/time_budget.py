"""A run may take only so long: it ends with the last epoch that fits."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer


def fits(seconds: Sequence[float], budget: float) -> bool:
    """Whether one more epoch, if it takes as long as the longest so far, ends within the budget.

    >>> fits([10.0, 12.0], 34.0), fits([10.0, 12.0], 33.9)
    (True, False)
    """
    return sum(seconds) + max(seconds, default=0.0) <= budget


class TimeBudget(Callback):  # type: ignore[misc]
    """Ends training after the epoch that no other one fits behind; the first epoch is always trained.

    The clock runs from the start of an epoch to its end, validation included, and goes on where it stood after an
    interruption. How many epochs fit depends on the machine and on what else it does: such a run cannot be repeated
    to the bit.

    Parameters
    ----------
    seconds : the budget, > 0.
    """

    def __init__(self, seconds: float) -> None:
        self._budget = seconds
        self._spent: list[float] = []
        self._started = 0.0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Stay stopped where the budget was used up before an interruption."""
        self._act(trainer)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Start the clock."""
        self._started = time.perf_counter()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Decide."""
        self._spent.append(time.perf_counter() - self._started)
        self._act(trainer)

    def _act(self, trainer: Trainer) -> None:
        # Clocks of several processes differ; they stop together, as soon as one of them has to.
        if trainer.strategy.reduce_boolean_decision(not fits(self._spent, self._budget), all=False):
            trainer.should_stop = True

    def state_dict(self) -> dict[str, Any]:
        """The seconds of every epoch."""
        return {"spent": list(self._spent)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what :meth:`state_dict` gave."""
        self._spent = list(state_dict["spent"])
