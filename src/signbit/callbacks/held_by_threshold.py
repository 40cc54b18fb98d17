"""How many weights the threshold of a flip rule holds back."""

from __future__ import annotations

from lightning.pytorch import Callback, LightningModule, Trainer

from signbit.optimizers import Composite
from signbit.optimizers.flip import FlipOptimizer


class HeldByThreshold(Callback):  # type: ignore[misc]
    """Logs ``held_by_threshold`` once an epoch: share of the stored weights with ``|r| <= tau`` after its last step.

    At 0 the threshold decides nothing: every weight takes the sign opposite to its r, and only the rates of the moments
    matter. A run without a flip rule logs nothing.
    """

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log the share."""
        for optimizer in trainer.optimizers:
            for part in optimizer.parts.values() if isinstance(optimizer, Composite) else [optimizer]:
                if isinstance(part, FlipOptimizer):
                    pl_module.log("held_by_threshold", part.inactive_share())
