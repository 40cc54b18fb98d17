"""The LightningModule: loss, metrics, optimizer and learning rate of a run. The loop itself is Lightning's."""

from __future__ import annotations

from typing import Any

import torch
from lightning.pytorch import LightningModule
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR
from torchmetrics import MeanMetric
from torchmetrics.classification import MulticlassAccuracy

from signbit.errors import NonFiniteLossError
from signbit.schedules import Schedule
from signbit.training.diagnosis import first_not_finite

CHECK_STEPS = 50
"""How often, in steps, the host reads what an accelerator has summed up: reading every step would make it wait."""


class Classifier(LightningModule):  # type: ignore[misc]
    """Trains a network with cross entropy.

    Logs once an epoch: ``train_loss``, ``train_accuracy``, ``val_loss``, ``val_accuracy``.

    Parameters
    ----------
    network : maps images ``[N, C, H, W]`` to logits ``[N, num_classes]``.
    optimizer : of every parameter of ``network``.
    rate : factor of the optimizer's learning rates by 0-based step.
    num_classes : >= 1.
    compile : compile forward and loss of the training step, without graph breaks. Evaluation is not compiled.

    Errors: :class:`NonFiniteLossError` when the loss of any process becomes NaN or infinite, naming the step. On the
    CPU at that step and before its update, so that the layer can be named too; elsewhere at most 50 steps later. What
    the last update of an epoch breaks shows in the loss of its validation, before the epoch is saved.
    """

    def __init__(
        self, network: nn.Module, optimizer: Optimizer, rate: Schedule, *, num_classes: int, compile: bool = False
    ) -> None:
        super().__init__()
        self.network = network
        self._optimizer, self._rate = optimizer, rate
        self._loss_of = torch.compile(self._loss, fullgraph=True, dynamic=False) if compile else self._loss
        self.train_loss, self.val_loss = MeanMetric(), MeanMetric()
        self.train_accuracy = _accuracy(num_classes)
        self.val_accuracy = _accuracy(num_classes)
        self._bad_step = torch.tensor(-1)
        self._bad_images: Tensor | None = None

    def forward(self, images: Tensor) -> Tensor:
        """Logits."""
        logits: Tensor = self.network(images)
        return logits

    def _loss(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        logits = self.network(images)
        return cross_entropy(logits, labels), logits

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """The loss of one batch; metrics are accumulated on the device."""
        images, labels = batch
        loss, logits = self._loss_of(images, labels)
        value = loss.detach()
        self._look_at(value, images, self.global_step)
        if value.device.type == "cpu":
            self._check_loss("training")
        # A loss that is not finite ends the run at the next check; until then torchmetrics need not warn about it.
        self.train_loss.update(torch.nan_to_num(value))
        self.train_accuracy.update(logits.detach(), labels)
        if (batch_idx + 1) % CHECK_STEPS == 0:
            self._check_loss("training")
            if self.logger is not None:
                rate = max(group["lr"] for group in self._optimizer.param_groups)
                for logger in self.loggers:
                    logger.log_metrics({"step/loss": value.item(), "step/learning_rate": rate}, self.global_step)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:  # noqa: ARG002
        """Accumulate loss and accuracy of one batch."""
        images, labels = batch
        logits = self.network(images)
        loss = cross_entropy(logits, labels)
        self._look_at(loss, images, self.global_step - 1)
        self.val_loss.update(torch.nan_to_num(loss), len(labels))
        self.val_accuracy.update(logits, labels)

    def on_validation_epoch_start(self) -> None:
        """Validation comes last in an epoch: all of its training is counted."""
        self._check_loss("training")
        for name in ("train_loss", "train_accuracy"):
            self._log_and_reset(name)

    def on_validation_epoch_end(self) -> None:
        """Log the figures of validation, if there are any."""
        self._check_loss("validation")
        for name in ("val_loss", "val_accuracy"):
            self._log_and_reset(name)

    def _log_and_reset(self, name: str) -> None:
        metric = getattr(self, name)
        self.log(name, metric.compute())
        metric.reset()

    def _look_at(self, loss: Tensor, images: Tensor, step: int) -> None:
        """Remember the first step whose loss is not finite; on the CPU, where looking costs nothing, its images too."""
        fine = torch.isfinite(loss) | (self._bad_step >= 0)
        self._bad_step = torch.where(fine, self._bad_step, step)
        if loss.device.type == "cpu" and not fine:
            self._bad_images = images

    def _check_loss(self, kind: str) -> None:
        """Stop all processes alike. With the images that gave a bad loss the first bad layer is looked for."""
        strategy = self.trainer.strategy
        own = self._bad_step.to(self.device)
        step = int(strategy.reduce(own.clone(), reduce_op="max"))
        if step < 0:
            return
        place = None if self._bad_images is None else first_not_finite(self.network, self._bad_images)
        places = [strategy.broadcast(place, src=rank) for rank in range(self.trainer.world_size)]
        where = next((f"; the first not to be finite was {place}" for place in places if place), "")
        raise NonFiniteLossError(
            f"the {kind} loss must be finite; it became NaN or infinite in epoch {self.current_epoch + 1}, step "
            f"{step} of the run, while the learning rate went up to {self._peak():.3g}{where}; lower --learning-rate "
            "or choose another schedule; the checkpoints of earlier epochs are intact"
        )

    def _peak(self) -> float:
        return max(float(group["initial_lr"]) for group in self._optimizer.param_groups)

    def configure_optimizers(self) -> Any:
        """The optimizer, with the learning rate set before every step."""
        scheduler = LambdaLR(self._optimizer, self._rate)
        return {"optimizer": self._optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}


def _accuracy(num_classes: int) -> MulticlassAccuracy:
    return MulticlassAccuracy(num_classes, average="micro", validate_args=False)
