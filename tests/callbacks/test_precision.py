"""The callback that sets precision: which bits when, and what an interruption changes (nothing)."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from signbit.callbacks import PrecisionSchedule
from signbit.callbacks.precision import set_precision
from signbit.errors import ConfigError
from signbit.schedules import Constant, CyclicBits
from signbit.transforms import QuantizeActivation, QuantizeGradient, QuantizeWeight

pytestmark = pytest.mark.filterwarnings("ignore:::lightning")

STEPS, EPOCHS = 3, 4
BITS, GRADIENT_BITS = CyclicBits(2, 6, cycles=2, steps=STEPS * EPOCHS), CyclicBits(5, 8, 3, STEPS * EPOCHS)


class Gridded(LightningModule):
    """One trained vector behind grids; remembers the bits of every step."""

    def __init__(self) -> None:
        super().__init__()
        self.network = nn.Sequential(QuantizeGradient(seed=1), QuantizeActivation(), QuantizeGradient(seed=2))
        self.filters = nn.Sequential(QuantizeWeight())
        self.weight = nn.Parameter(torch.linspace(-1, 1, 12).view(3, 4))
        self.seen: list[tuple[int, ...]] = []

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:  # noqa: ARG002
        self.seen.append(tuple(int(m.bits) for m in (*self.network, *self.filters)))  # type: ignore[arg-type]
        loss: Tensor = (self.network(self.filters(self.weight)) * batch[0] - batch[0].sin()).square().sum()
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.01, momentum=0.9)


def train(
    module: Gridded, *, epochs: int = EPOCHS, resume: Path | None = None, callback: Callback | None = None
) -> Trainer:
    callback = PrecisionSchedule(module, BITS, GRADIENT_BITS) if callback is None else callback
    trainer = Trainer(
        max_epochs=epochs, callbacks=[callback], logger=False, accelerator="cpu",
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip
    trainer.fit(module, DataLoader(TensorDataset(torch.arange(1.0, STEPS + 1).view(STEPS, 1))), ckpt_path=resume)
    return trainer


def expected(step: int) -> tuple[int, ...]:
    return int(GRADIENT_BITS(step)), int(BITS(step)), int(GRADIENT_BITS(step)), int(BITS(step))


def test_every_step_uses_the_bits_of_its_schedule() -> None:
    module = Gridded()
    trainer = train(module)
    assert module.seen == [expected(step) for step in range(STEPS * EPOCHS)]
    last = expected(STEPS * EPOCHS - 1)
    assert {name: value.item() for name, value in trainer.callback_metrics.items()} == {
        "bits": last[1], "gradient_bits": last[0],
    }  # fmt: skip


def test_an_interrupted_run_ends_like_an_uninterrupted_one(tmp_path: Path) -> None:
    through, begun = Gridded(), Gridded()
    train(through)
    train(begun, epochs=2).save_checkpoint(tmp_path / "half.ckpt")
    resumed = Gridded()
    train(resumed, resume=tmp_path / "half.ckpt")
    assert resumed.seen == through.seen[2 * STEPS :]
    for name, value in through.state_dict().items():
        assert torch.equal(resumed.state_dict()[name], value), name


def test_rounding_is_part_of_the_run() -> None:
    """Else the test above would hold without the noise being saved."""
    one, other = Gridded(), Gridded()
    other.network[2] = QuantizeGradient(seed=3)
    train(one)
    train(other)
    assert not torch.equal(one.weight, other.weight)


def test_a_network_without_grids_is_left_alone() -> None:
    module = Gridded()
    before = copy.deepcopy(module.seen)
    trainer = train(module, callback=PrecisionSchedule(nn.Linear(2, 2), BITS, GRADIENT_BITS))
    assert before == []
    assert set(module.seen) == {(8, 2, 8, 2)}
    assert trainer.callback_metrics == {}


def test_bits_of_gradients_are_set_apart() -> None:
    module = Gridded()
    assert set_precision(module, 3, 7) == 4
    assert [int(grid.bits) for grid in (*module.network, *module.filters)] == [7, 3, 7, 3]  # type: ignore[arg-type]


def test_bits_out_of_range_are_refused() -> None:
    with pytest.raises(ConfigError, match="1 to 16 bits"):
        train(Gridded(), callback=PrecisionSchedule(Gridded(), Constant(17), Constant(8)))
