"""Which weights rest, when, and what that leaves of a run."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from signbit.callbacks import FlipMasks, MaskRule
from signbit.callbacks.compiled import compile_anew
from signbit.callbacks.flip_masks import resting
from signbit.errors import ConfigError
from signbit.layers import BinaryConv2d, focus_gradients
from signbit.methods import RunInfo, create_model, create_optimizer, resolve
from signbit.optimizers.sfao import find_flip_aware
from signbit.schedules import Linear

# Lightning warns about loaders of one batch, missing validation and its own use of torch.
pytestmark = pytest.mark.filterwarnings("ignore:::lightning")

EPOCHS, STEPS = 8, 4
RATE = Linear(1.0, 0.05, EPOCHS * STEPS)


@pytest.mark.parametrize(
    ("changes", "epochs", "restarts", "expected"),
    [
        ({"warm_up": 0.0, "refresh": 5}, 11, (), [1, 1, 1, 1, 0, 1, 1, 1, 1, 0, 1]),
        ({"warm_up": 0.2, "refresh": 2}, 8, (), [0, 0, 1, 0, 1, 0, 1, 0]),
        ({"warm_up": 0.1, "refresh": 5}, 8, (4,), [0, 1, 1, 1, 0, 1, 1, 1]),
        ({"by_movement": False}, 4, (), [0, 0, 0, 0]),
    ],
)
def test_when_movement_counts(
    changes: dict[str, Any], epochs: int, restarts: tuple[int, ...], expected: list[int]
) -> None:
    rule = MaskRule(**changes)
    assert [int(rule.movement_counts(epoch, epochs, restarts)) for epoch in range(epochs)] == expected


W = torch.tensor([[0.05, 0.9], [1.0, -1.0]])
NONE, ALL = torch.zeros(2, 2, dtype=torch.bool), torch.ones(2, 2, dtype=torch.bool)


@pytest.mark.parametrize(
    ("changes", "movement", "flipped", "reach", "expected"),
    [
        ({"granularity": "weight"}, True, NONE, NONE, [[0, 1], [1, 1]]),
        ({"granularity": "weight"}, True, ALL, NONE, [[0, 0], [0, 0]]),
        ({"granularity": "weight"}, False, NONE, NONE, [[0, 0], [0, 0]]),
        ({"granularity": "weight"}, False, NONE, W.abs() >= 1, [[0, 0], [1, 1]]),
        ({"granularity": "weight", "kappa": math.inf}, True, NONE, NONE, [[0, 0], [0, 0]]),
        ({"granularity": "weight", "clipping_aware": True}, True, ALL, NONE, [[0, 0], [1, 1]]),
        ({}, True, NONE, NONE, [0, 1]),
        ({}, True, ALL, NONE, [0, 0]),
        ({}, False, NONE, ALL, [1, 1]),
        ({"tolerance": 0.5}, True, NONE, NONE, [1, 1]),
        ({"tolerance": 0.49}, True, NONE, NONE, [0, 1]),
        ({"tolerance": 0.5}, False, NONE, W.abs() >= 0.9, [0, 1]),
        ({"tolerance": 0.99, "kappa": math.inf}, True, NONE, NONE, [0, 0]),
    ],
)
def test_what_rests(
    changes: dict[str, Any], movement: bool, flipped: Tensor, reach: Tensor, expected: list[Any]
) -> None:
    rule = MaskRule(**changes)
    rest = resting(W, W - 0.1, flipped, rule=rule, movement=movement, bound=1.0, reach=reach)
    assert rest.int().tolist() == expected


def test_settings_that_make_no_sense() -> None:
    for settings, message in (
        ({"kappa": 0.0}, "kappa > 0; got 0.0"),
        ({"quantile": 0.0}, "0 < quantile <= 1; got 0.0"),
        ({"history": 0}, "history >= 1; got 0"),
        ({"warm_up": -0.1}, "0 <= warm_up <= 1; got -0.1"),
        ({"refresh": 1}, "refresh >= 2; got 1"),
        ({"tolerance": 1.0}, "0 <= tolerance < 1; got 1.0"),
        ({"granularity": "layer"}, "granularity is 'weight' or 'filter'; got 'layer'"),
    ):
        with pytest.raises(ConfigError, match=message):
            MaskRule(**settings)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="needs weights that are clamped"):
        resting(W, W, NONE, rule=MaskRule(clipping_aware=True), movement=True, bound=None, reach=NONE)


class Task(LightningModule):
    """A tiny binary network on images with labels that it can learn; keeps the latent weights of every epoch's end."""

    def __init__(self, method: str, **options: Any) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.network = create_model(
            "convnet-tiny", method=method, num_classes=4, input_size=(1, 1, 8, 8), width=4, method_options=options
        )
        # A rate of its own: how far weights come in an epoch decides what rests here, whatever methods have as default.
        self.optimizer = create_optimizer(self.network, method=method, method_options=options, lr=1e-2)
        self.callbacks = resolve(method, options).callbacks(self.network, RunInfo(EPOCHS, STEPS, RATE))
        self.latent = [layer.weight for layer in self.network.modules() if isinstance(layer, BinaryConv2d)]
        self.epochs: list[list[Tensor]] = []
        self.shares: list[float] = []

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:  # noqa: ARG002
        return F.cross_entropy(self.network(batch[0]), batch[1])

    def configure_optimizers(self) -> Any:
        scheduler = torch.optim.lr_scheduler.LambdaLR(self.optimizer, RATE)
        return {"optimizer": self.optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}


class Snapshots(Callback):  # type: ignore[misc]
    def on_train_epoch_end(self, trainer: Trainer, pl_module: Task) -> None:
        pl_module.epochs.append([w.detach().clone() for w in pl_module.latent])
        pl_module.shares.append(float(trainer.callback_metrics.get("resting_weights", math.nan)))


def fit(task: Task, *, epochs: int = EPOCHS, checkpoint: Path | None = None) -> Trainer:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(16 * STEPS, 1, 8, 8, generator=generator)
    y = (x.mean((1, 2, 3)) > 0) * 2 + (x[:, 0, :4].mean((1, 2)) > 0)
    trainer = Trainer(
        max_epochs=epochs, callbacks=[*task.callbacks, Snapshots()], logger=False, accelerator="cpu",
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip
    trainer.fit(task, DataLoader(TensorDataset(x, y), batch_size=16), ckpt_path=checkpoint)
    return trainer


KEEP: dict[str, Any] = {"freeze": False, "stop": False}


def test_an_infinite_kappa_is_the_baseline_bit_for_bit() -> None:
    base, aware = Task("ste"), Task("sfao", kappa=math.inf, by_reach=False, warm_up=0.0, **KEEP)
    fit(base)
    fit(aware)
    assert aware.shares == [0.0] * EPOCHS
    for a, b in zip(base.network.parameters(), aware.network.parameters(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("granularity", ["weight", "filter"])
def test_resting_weights_rest_and_come_back(granularity: str) -> None:
    task = Task("sfao", kappa=0.05, by_reach=False, warm_up=0.2, refresh=3, granularity=granularity, **KEEP)
    fit(task)
    moved = [
        [float((b != a).float().mean()) for a, b in zip(before, after, strict=True)]
        for before, after in zip(task.epochs, task.epochs[1:], strict=False)
    ]
    # Warm-up is epochs 0 and 1; the movement counts in 2, 3, 5 and 6; epoch 4 and 7 refresh.
    for epoch in (1, 4, 7):
        assert min(moved[epoch - 1]) == 1.0, epoch
    for epoch in (2, 3, 5, 6):
        assert min(moved[epoch - 1]) < 1.0, epoch
    # Logged at the end of an epoch is what rests in the next one.
    assert task.shares[0] == task.shares[3] == task.shares[6] == 0
    assert min(task.shares[i] for i in (1, 2, 4, 5)) > 0
    sizes = [w.numel() for w in task.latent]
    still = sum((1 - share) * size for share, size in zip(moved[1], sizes, strict=True)) / sum(sizes)
    assert task.shares[1] == pytest.approx(still)
    assert task.shares[-1] == task.shares[-2], "there is no next epoch: what rested in the last one"


@pytest.mark.parametrize("granularity", ["weight", "filter"])
def test_reach_leaves_all_signs_as_they_were(granularity: str) -> None:
    # Clipped at 1, a weight is out of reach only near the end: small steps make it come earlier.
    changes: dict[str, Any] = {"by_movement": False, "granularity": granularity, **KEEP}
    base, aware = Task("ste"), Task("sfao", **changes)
    for task in (base, aware):
        for group in task.optimizer.param_groups:
            group["lr"] = 2e-3 if "bound" in group else 1e-2
        fit(task)
    assert max(aware.shares[:-1]) > 0.1
    assert any(not torch.equal(a, b) for a, b in zip(base.latent, aware.latent, strict=True))
    for one, other in zip(base.epochs, aware.epochs, strict=True):
        assert all(torch.equal(a < 0, b < 0) for a, b in zip(one, other, strict=True))
    flips = sum(int(((a < 0) != (b < 0)).sum()) for a, b in zip(base.epochs[0], base.epochs[-1], strict=True))
    assert flips > 10


@pytest.mark.parametrize("granularity", ["weight", "filter"])
def test_resuming_keeps_masks_and_history(granularity: str, tmp_path: Path) -> None:
    options: dict[str, Any] = {
        "kappa": 0.05, "history": 2, "warm_up": 0.0, "granularity": granularity, "freeze_rate": 0.02, "stop": False,
    }  # fmt: skip
    whole, half, resumed = (Task("sfao", **options) for _ in range(3))
    fit(whole)
    fit(half, epochs=5).save_checkpoint(tmp_path / "half.ckpt")
    torch.load(tmp_path / "half.ckpt", weights_only=True)
    assert half.shares[4] > 0
    fit(resumed, checkpoint=tmp_path / "half.ckpt")
    assert len(resumed.epochs) == EPOCHS - 5
    assert resumed.shares == whole.shares[5:]
    for one, other in zip(whole.epochs[5:], resumed.epochs, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))
    for a, b in zip(whole.network.parameters(), resumed.network.parameters(), strict=True):
        assert torch.equal(a, b)


def test_without_latent_weights_nothing_rests() -> None:
    task = Task("bop+sfao", **KEEP)
    (masks,) = (callback for callback in task.callbacks if isinstance(callback, FlipMasks))
    assert find_flip_aware(task.optimizer) == []
    fit(task, epochs=2)
    assert masks.state_dict() == {"resting": {}, "flips": {}}
    assert all(math.isnan(share) for share in task.shares)


@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")
@pytest.mark.slow
def test_compiled_steps_survive_many_changes() -> None:
    torch.manual_seed(0)
    network = create_model("convnet-tiny", method="ste", num_classes=4, input_size=(1, 1, 8, 8), width=8)
    compiled = torch.compile(network, backend="eager", fullgraph=True, dynamic=False)
    weight = next(layer.weight for layer in network.modules() if isinstance(layer, BinaryConv2d))
    x = torch.randn(2, 1, 8, 8)
    for active in range(1, 12):  # torch gives up after eight versions
        focus_gradients(network, {weight: torch.arange(16) < active})
        compile_anew()
        network.zero_grad()
        compiled(x).sum().backward()
        assert weight.grad is not None
        assert bool(weight.grad[:active].any())
        assert not weight.grad[active:].any()
