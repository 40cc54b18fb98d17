"""One row of figures per epoch, kept in files that are whole at every moment."""

from __future__ import annotations

import csv
import io
import json
import math
import time
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from signbit.files import write_bytes_atomically

Row = dict[str, float]


def read_rows(path: Path) -> list[Row]:
    """The rows of a metrics file; none if it does not exist."""
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return [{key: float(value) for key, value in row.items() if value != ""} for row in csv.DictReader(file)]


def format_rows(rows: list[Row]) -> bytes:
    """CSV text of ``rows``; columns in order of first appearance, a missing figure is an empty cell.

    >>> print(format_rows([{"epoch": 0, "loss": 2.5}, {"epoch": 1, "flips": 0.25}]).decode())
    epoch,loss,flips
    0,2.5,
    1,,0.25
    <BLANKLINE>
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, list(dict.fromkeys(key for row in rows for key in row)), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


class EpochRecord(Callback):  # type: ignore[misc]
    """Keeps ``metrics.csv``: epoch (0-based), step, seconds by the clock and of processor time, the learning rate that
    the next step would take, and every metric that was logged. ``metrics.jsonl`` beside it has the same rows, for
    programs: a JSON object a line.

    Put it after the callbacks whose metrics it shall see. Resuming drops rows of epochs that will be trained again. Of
    several processes the first one writes; the processor time is that of all of them.

    Parameters
    ----------
    path : the CSV file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: list[Row] = []
        self._started = self._cpu_started = 0.0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Take up the rows of the epochs that are behind."""
        self.rows = [row for row in read_rows(self.path) if row["epoch"] < trainer.current_epoch]

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Start the clocks."""
        self._started, self._cpu_started = time.perf_counter(), time.process_time()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Add this epoch's row and write the file."""
        # Says what a run costs even where other work shared the processor.
        cpu = torch.tensor(time.process_time() - self._cpu_started, device=pl_module.device)
        row: dict[str, Any] = {
            "epoch": trainer.current_epoch,
            "step": trainer.global_step,
            "seconds": round(time.perf_counter() - self._started, 3),
            "cpu_seconds": round(trainer.strategy.reduce(cpu, reduce_op="sum").item(), 3),
            "learning_rate": max(group["lr"] for group in trainer.optimizers[0].param_groups),
        }
        row.update({key: value.item() for key, value in trainer.callback_metrics.items()})
        self.rows.append(row)
        if trainer.is_global_zero:
            write_bytes_atomically(self.path, format_rows(self.rows))
            # JSON has no word for infinity.
            plain = [{key: value if math.isfinite(value) else None for key, value in r.items()} for r in self.rows]
            lines = [json.dumps(row) + "\n" for row in plain]
            write_bytes_atomically(self.path.with_suffix(".jsonl"), "".join(lines).encode())
