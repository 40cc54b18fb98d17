from __future__ import annotations

import io
from pathlib import Path

import pytest
import torch
from lightning.pytorch import LightningModule, Trainer
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from signbit.callbacks import EpochRecord, FlipRates, Progress
from signbit.callbacks.progress import epoch_line
from signbit.callbacks.record import format_rows, read_rows
from signbit.roles import Role

# Lightning warns about loaders of one batch, missing validation and its own use of torch.
pytestmark = pytest.mark.filterwarnings("ignore:::lightning")


class Binary(nn.Module):
    """Ten weights of -1/+1 that the test flips by hand; one more parameter gives the optimizer something to do."""

    parameter_roles = {"weight": Role.BINARY}  # noqa: RUF012 - a fact about the class

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(10), requires_grad=False)
        self.other = nn.Parameter(torch.zeros(1))


class Scripted(LightningModule):
    """Flips the weights that a script names, one entry per step."""

    def __init__(self, script: list[list[int]]) -> None:
        super().__init__()
        self.network = Binary()
        self.script = script

    def training_step(self, batch: Tensor, batch_idx: int) -> Tensor:  # noqa: ARG002
        self.network.weight.data[self.script[self.global_step]] *= -1
        return self.network.other.sum()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.network.parameters(), lr=0.25)


def train(module: LightningModule, *callbacks: object, epochs: int, steps: int) -> Trainer:
    trainer = Trainer(
        max_epochs=epochs, callbacks=list(callbacks), logger=False, accelerator="cpu", enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, log_every_n_steps=1,
    )  # fmt: skip
    trainer.fit(module, DataLoader(TensorDataset(torch.zeros(steps))))
    return trainer


def test_flip_rates_and_record_and_progress(tmp_path: Path) -> None:
    # Weight 0 flips and flips back within the first epoch: no flip of the epoch. The second epoch flips three of ten.
    module = Scripted([[0], [0], [1], [2, 3]])
    screen = io.StringIO()
    record = EpochRecord(tmp_path / "metrics.csv")
    train(module, FlipRates(module.network), record, Progress(screen), epochs=2, steps=2)
    rows = read_rows(tmp_path / "metrics.csv")
    assert [row["sign_flip_rate"] for row in rows] == [0, pytest.approx(0.3)]
    assert [row["sign_flip_rate/weight"] for row in rows] == [0, pytest.approx(0.3)]
    assert [(row["epoch"], row["step"], row["learning_rate"]) for row in rows] == [(0, 2, 0.25), (1, 4, 0.25)]
    lines = screen.getvalue().splitlines()
    assert [line.split("  ")[:2] for line in lines] == [["epoch 1/2", "flips 0.000%"], ["epoch 2/2", "flips 30.000%"]]


def test_a_network_without_binary_weights_logs_no_flips(tmp_path: Path) -> None:
    module = Scripted([[]])
    module.network.parameter_roles = {}  # type: ignore[misc]
    train(module, FlipRates(module.network), EpochRecord(tmp_path / "m.csv"), epochs=1, steps=1)
    assert not any("flip" in key for row in read_rows(tmp_path / "m.csv") for key in row)


def test_the_record_drops_rows_of_epochs_that_come_again(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    path.write_bytes(format_rows([{"epoch": 0, "val_loss": 7.0}, {"epoch": 1, "val_loss": 8.0}]))
    train(Scripted([[]]), EpochRecord(path), epochs=1, steps=1)
    assert [(row["epoch"], "val_loss" in row) for row in read_rows(path)] == [(0, False)]


def test_rows_survive_the_file(tmp_path: Path) -> None:
    rows = [{"epoch": 0.0, "a": 0.1 + 0.2}, {"epoch": 1.0, "b": float("inf")}]
    (tmp_path / "m.csv").write_bytes(format_rows(rows))
    assert read_rows(tmp_path / "m.csv") == rows
    assert read_rows(tmp_path / "none.csv") == []


def test_epoch_lines_align() -> None:
    lines = [epoch_line(epoch, 100, 1.0, {"train_loss": 1.0}) for epoch in (0, 98, 99)]
    assert {len(line) for line in lines} == {len(lines[0])}
