"""Callbacks that methods bring along, in real runs of a few steps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from signbit.binarizers import SignClip, SignEDE, StepWindow, ede_sharpness
from signbit.callbacks import EdeSchedule, WindowRates
from signbit.errors import ConfigError

# Lightning warns about loaders of one batch, missing validation and its own use of torch.
pytestmark = pytest.mark.filterwarnings("ignore:::lightning")


class Module(LightningModule):
    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.weight = nn.Parameter(torch.zeros(1))

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:  # noqa: ARG002
        return self.network(batch[0] + self.weight).sum()

    def validation_step(self, batch: list[Tensor], batch_idx: int) -> None:  # noqa: ARG002
        self.network(batch[0])

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD([self.weight], lr=0.0)


class Watch(Callback):
    """Notes t during every epoch and the metrics at its end."""

    def __init__(self) -> None:
        self.seen: list[float] = []
        self.metrics: list[dict[str, float]] = []

    def on_train_batch_end(self, trainer: Trainer, pl_module: Module, *_: object) -> None:  # noqa: ARG002
        self.seen += [module.t.item() for module in pl_module.modules() if isinstance(module, SignEDE)]

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        self.metrics.append({name: value.item() for name, value in trainer.callback_metrics.items()})


def fit(module: Module, epochs: int, *callbacks: Callback, resume: Path | None = None) -> Trainer:
    trainer = Trainer(
        max_epochs=epochs, callbacks=list(callbacks), logger=False, accelerator="cpu", enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, log_every_n_steps=1, num_sanity_val_steps=0,
    )  # fmt: skip
    images = DataLoader(TensorDataset(torch.linspace(-2, 2, 8)), batch_size=4)
    trainer.fit(module, images, images, ckpt_path=resume, weights_only=False)
    return trainer


def test_ede_follows_its_course_and_survives_an_interruption(tmp_path: Path) -> None:
    expected = [ede_sharpness(epoch, 6, t_min=0.1) for epoch in range(6)]

    def network() -> nn.Module:
        return nn.Sequential(SignEDE())

    whole, watch = Module(network()), Watch()
    fit(whole, 6, EdeSchedule(whole.network, 6, t_min=0.1), watch)
    np.testing.assert_allclose(watch.seen, np.repeat(expected, 2), rtol=1e-6)
    assert [metrics["ede_t"] for metrics in watch.metrics] == pytest.approx(expected)

    first, watch = Module(network()), Watch()
    trainer = fit(first, 2, EdeSchedule(first.network, 6, t_min=0.1), watch)
    trainer.save_checkpoint(tmp_path / "last.ckpt")
    second = Module(network())
    second.load_state_dict(torch.load(tmp_path / "last.ckpt", weights_only=False)["state_dict"])
    assert second.network[0].t.item() == pytest.approx(expected[1])  # type: ignore[index]
    fit(second, 6, EdeSchedule(second.network, 6, t_min=0.1), watch, resume=tmp_path / "last.ckpt")
    np.testing.assert_allclose(watch.seen, np.repeat(expected, 2), rtol=1e-6)


def test_ede_leaves_other_networks_alone() -> None:
    module, watch = Module(nn.Sequential(SignClip())), Watch()
    fit(module, 1, EdeSchedule(module.network, 1, t_min=0.1), WindowRates(module.network), watch)
    assert watch.metrics == [{}]


def test_ede_refuses_settings_before_the_run() -> None:
    with pytest.raises(ConfigError, match="t_min=0"):
        EdeSchedule(nn.Identity(), 5, t_min=0)


def test_window_rates() -> None:
    module, watch = Module(nn.Sequential(StepWindow(0.3), StepWindow(0.0))), Watch()
    fit(module, 2, WindowRates(module.network), watch)
    x = np.linspace(-2, 2, 8, dtype=np.float32)
    first, second = (x > 0).mean(), ((x > 0) > 0).mean()
    passing = ((x > -0.3) & (x < 1)).mean(), 0.0  # the second layer sees 0 and 1, and its window holds neither
    expected = {
        "fraction_on": (first + second) / 2, "fraction_on/0": first, "fraction_on/1": second,
        "pass_through": sum(passing) / 2, "pass_through/0": passing[0], "pass_through/1": passing[1],
    }  # fmt: skip
    assert watch.metrics == [pytest.approx(expected)] * 2
    assert not module.network[0]._forward_pre_hooks  # type: ignore[index]
