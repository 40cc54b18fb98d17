"""What a person sees of a run: a bar for the epoch that is running, a line for each one that is done."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import TextIO

from lightning.pytorch import Callback, LightningModule, Trainer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from torch import Tensor

REFRESH_SECONDS = 0.5

COLUMNS = (
    ("train_loss", "loss {:.4f}"),
    ("train_accuracy", "train {:.2%}"),
    ("val_accuracy", "val {:.2%}"),
    ("sign_flip_rate", "flips {:.3%}"),
)


def epoch_line(epoch: int, epochs: int, seconds: float, metrics: Mapping[str, float]) -> str:
    """One epoch in one line; metrics that were not logged are left out.

    >>> epoch_line(0, 10, 61.2, {"train_loss": 1.5, "val_accuracy": 0.5, "sign_flip_rate": 0.01})
    'epoch  1/10  loss 1.5000  val 50.00%  flips 1.000%  61.2 s'
    """
    figures = [text.format(metrics[name]) for name, text in COLUMNS if name in metrics]
    return "  ".join([f"epoch {epoch + 1:>{len(str(epochs))}}/{epochs}", *figures, f"{seconds:.1f} s"])


class Progress(Callback):  # type: ignore[misc]
    """Prints :func:`epoch_line` after each epoch and, where the stream is a terminal, a bar during it.

    Of several processes the first one speaks.

    The loss is read (which waits for the device) only when the bar is redrawn.

    Parameters
    ----------
    stream : where to; default standard error, so that standard output stays for results.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._console = Console(file=stream or sys.stderr, highlight=False)
        self._bar: Bar | None = None
        self._started = self._drawn = 0.0

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Start the epoch's clock and bar."""
        self._started = time.perf_counter()
        if self._console.is_terminal and trainer.is_global_zero:
            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
            self._bar = Bar(*columns, console=self._console, transient=True, auto_refresh=False)
            self._bar.add_task(self._title(trainer, ""), total=trainer.num_training_batches)
            self._bar.start()

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,  # noqa: ARG002
        outputs: Tensor | Mapping[str, Tensor] | None,
        batch: object,  # noqa: ARG002
        batch_idx: int,
    ) -> None:
        """Move the bar, at most twice a second."""
        now = time.perf_counter()
        if self._bar is None or now - self._drawn < REFRESH_SECONDS:
            return
        self._drawn = now
        loss = outputs["loss"] if isinstance(outputs, Mapping) else outputs
        text = "" if loss is None else f"  loss {float(loss):.4f}"
        task = self._bar.task_ids[0]
        self._bar.update(task, completed=batch_idx + 1, description=self._title(trainer, text), refresh=True)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Replace the bar by the epoch's line."""
        self._stop()
        if not trainer.is_global_zero:
            return
        metrics = {key: value.item() for key, value in trainer.callback_metrics.items()}
        seconds = time.perf_counter() - self._started
        self._console.print(epoch_line(trainer.current_epoch, trainer.max_epochs or 0, seconds, metrics))

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:  # noqa: ARG002
        """Leave a clean terminal."""
        self._stop()

    def _title(self, trainer: Trainer, text: str) -> str:
        return f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}{text}"

    def _stop(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
