"""When layers freeze and runs stop, as tables; what freezing does to a network, to its gradients and to a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.data import DataLoader, TensorDataset

from signbit.callbacks import FlipRates, FlipStop, StopRule
from signbit.callbacks.flip_stop import Watch, decide
from signbit.callbacks.warm_up import warm_epochs
from signbit.errors import ConfigError
from signbit.methods import RunInfo, create_model, create_optimizer, resolve
from signbit.metrics.flips import FlipTracker
from signbit.optimizers.sfao import find_flip_aware
from signbit.schedules import Constant, Linear, Schedule

# Lightning warns about loaders of one batch, missing validation and its own use of torch.
pytestmark = pytest.mark.filterwarnings("ignore:::lightning")


@pytest.mark.parametrize(
    ("epochs", "restarts", "share", "expected"),
    [
        (5, (), 0.0, [0, 1, 2, 3, 4]),
        (5, (), 0.1, [None, 0, 1, 2, 3]),
        (5, (), 1.0, [None] * 5),
        (6, (0, 3, 6, 9), 0.34, [None, None, 0, None, None, 0]),
        (4, (1, 2, 3), 0.1, [None, None, None, None]),
    ],
)
def test_warm_up(epochs: int, restarts: tuple[int, ...], share: float, expected: list[int | None]) -> None:
    assert [warm_epochs(epoch, epochs, restarts, share) for epoch in range(epochs)] == expected


RULE = StopRule(freeze_rate=0.1, patience=2, stop_rate=0.05, stop_patience=3, tuning=1)


@pytest.mark.parametrize(
    ("title", "epochs", "frozen", "over_after"),
    [
        # Each epoch: rates of layers a and b, eta_e / eta_0, warm.
        ("noisy", [(0.2, 0.3, 1, True)] * 4, "", None),
        ("a quiet twice in a row", [(0.1, 0.3, 1, True)] * 2, "a", None),
        ("a quiet once", [(0.1, 0.3, 1, True)], "", None),
        ("an interruption counts anew", [(0.1, 0.3, 1, True), (0.11, 0.3, 1, True), (0.1, 0.3, 1, True)], "", None),
        ("the bar falls with the rate", [(0.06, 0.3, 0.5, True)] * 3, "", None),
        ("at rate 0 only 0 is quiet", [(0.0, 0.3, 0.0, True)] * 2, "a", None),
        ("nothing counts in a warm-up", [(0.0, 0.0, 1, False)] * 5, "", None),
        ("a warm-up counts anew", [(0.1, 0.3, 1, True), (0.1, 0.3, 1, False), (0.1, 0.3, 1, True)], "", None),
        ("frozen stays frozen", [(0.1, 0.3, 1, True)] * 2 + [(0.9, 0.9, 1, False), (0.9, 0.9, 1, True)], "a", None),
        ("all frozen", [(0.1, 0.1, 1, True)] * 2, "ab", 3),
        ("calm", [(0.06, 0.04, 0.01, True)] * 3, "ab", 4),
        ("not calm for long", [(0.06, 0.04, 0.01, True)] * 2, "", None),
    ],
)
def test_decisions(title: str, epochs: list[tuple[float, float, float, bool]], frozen: str, over_after: int) -> None:
    watch = Watch()
    for a, b, rate, warm in epochs:
        watch = decide(watch, {"a": a, "b": b}, (a + b) / 2, rule=RULE, rate=rate, warm=warm)
    assert watch.frozen == set(frozen), title
    assert (watch.tuning_left is not None) == (over_after is not None), title
    if over_after is not None:
        for _ in range(over_after - len(epochs)):
            assert watch.tuning_left
            watch = decide(watch, {"a": 0.0, "b": 0.0}, 0.0, rule=RULE, rate=1.0, warm=True)
        assert watch.tuning_left == 0


def test_switches() -> None:
    calm = {"a": 0.0, "b": 0.0}
    unfreezing, endless = StopRule(freeze=False, stop_patience=2, tuning=0), StopRule(patience=1, stop=False)
    watch = decide(Watch(), calm, 0.0, rule=unfreezing, rate=1.0, warm=True)
    assert (watch.frozen, watch.tuning_left) == (frozenset(), None)
    assert decide(watch, calm, 0.0, rule=unfreezing, rate=1.0, warm=True).tuning_left == 0
    watch = decide(Watch(), calm, 0.0, rule=endless, rate=1.0, warm=True)
    assert (watch.frozen, watch.tuning_left) == ({"a", "b"}, None)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"freeze_rate": 0.0}, "freeze_rate > 0; got 0.0"),
        ({"stop_rate": float("nan")}, "stop_rate > 0; got nan"),
        ({"patience": 0}, "patience is an integer >= 1; got 0"),
        ({"stop_patience": 1.5}, "stop_patience is an integer >= 1; got 1.5"),
        ({"tuning": 3}, "tuning is an integer 0 .. 2; got 3"),
        ({"warm_up": 1.5}, "0 <= warm_up <= 1; got 1.5"),
    ],
)
def test_settings_out_of_range(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        StopRule(**settings)
    assert message in str(caught.value)


class Task(LightningModule):
    """A tiny binary network on noise with labels; notes what Lightning's own loop leaves behind."""

    def __init__(self, method: str, rate: Schedule | None = None, **options: Any) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.network = create_model("convnet-tiny", method=method, num_classes=4, input_size=(1, 1, 8, 8), width=8)
        self.optimizer = create_optimizer(self.network, method=method, method_options=options, total_steps=100)
        self.rate = rate or Constant(1.0)

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:  # noqa: ARG002
        return F.cross_entropy(self.network(batch[0]), batch[1])

    def configure_optimizers(self) -> Any:
        scheduler = torch.optim.lr_scheduler.LambdaLR(self.optimizer, self.rate)
        return {"optimizer": self.optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}


def loader(steps: int = 2) -> DataLoader[Any]:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(16 * steps, 1, 8, 8, generator=generator)
    return DataLoader(TensorDataset(x, torch.arange(16 * steps) % 4), batch_size=16)


def fit(task: Task, *callbacks: Any, epochs: int, checkpoint: Path | None = None) -> Trainer:
    trainer = Trainer(
        max_epochs=epochs, callbacks=list(callbacks), logger=False, accelerator="cpu", enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip
    trainer.fit(task, loader(), ckpt_path=checkpoint)
    return trainer


def stop(task: Task, rule: StopRule, epochs: int, **settings: Any) -> FlipStop:
    return FlipStop(task.network, rule, rate=task.rate, epochs=epochs, steps_per_epoch=2, **settings)


EAGER = StopRule(freeze_rate=1.0, patience=1, warm_up=0.0, stop=False)


def binary_weights(network: nn.Module) -> list[nn.Parameter]:
    named = dict(network.named_parameters())
    return [named[name] for name in FlipTracker(network).sizes]


@pytest.mark.parametrize("method", ["sfao", "bop2nd+sfao"])
def test_a_frozen_layer_keeps_its_bits_and_has_no_state(method: str) -> None:
    task = Task(method)
    callback, rates = stop(task, EAGER, 4), FlipRates(task.network)
    seen: list[list[Tensor]] = []

    class Snapshots(Callback):  # type: ignore[misc]
        def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
            seen.append([w.detach().clone() for w in binary_weights(task.network)])

    trainer = fit(task, callback, rates, Snapshots(), epochs=4)
    weights = binary_weights(task.network)
    assert all(torch.equal(seen[0][i], seen[-1][i]) for i in range(len(weights)))
    assert trainer.callback_metrics["frozen_layers"] == 1.0
    assert all(value == 0 for name, value in trainer.callback_metrics.items() if name.startswith("sign_flip_rate"))
    assert not any(w.requires_grad or w.grad is not None or w in task.optimizer.state for w in weights)
    ordinary = [p for p in task.network.parameters() if p.requires_grad]
    assert ordinary
    assert all(p in task.optimizer.state for p in ordinary)


def test_a_run_whose_layers_are_frozen_stops_after_its_tuning() -> None:
    for tuning in (0, 1, 2):
        task = Task("sfao")
        rule = StopRule(freeze_rate=1.0, patience=2, warm_up=0.1, tuning=tuning)
        trainer = fit(task, stop(task, rule, 10), epochs=10)
        # One epoch of warm-up, two quiet ones, the tuning.
        assert trainer.current_epoch == 3 + tuning


def test_a_network_without_bits_is_left_alone() -> None:
    task = Task("float")
    trainer = fit(task, stop(task, StopRule(freeze_rate=1.0, patience=1, warm_up=0.0), 3), epochs=3)
    assert trainer.current_epoch == 3
    assert all(p.requires_grad for p in task.network.parameters())


class Backward(TorchDispatchMode):
    """Notes of every convolution's backward pass whether the gradients of input and weight were computed."""

    def __init__(self) -> None:
        super().__init__()
        self.masks: list[tuple[bool, bool]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.ops.aten.convolution_backward.default:
            self.masks.append(tuple(args[-1][:2]))
        return func(*args, **(kwargs or {}))


def backward_work(network: nn.Module) -> list[tuple[bool, bool]]:
    """(input gradient, weight gradient) of the convolutions in the order of the network."""
    with Backward() as seen:
        network(torch.randn(4, 1, 8, 8)).sum().backward()
    return seen.masks[::-1]


@pytest.mark.parametrize("below", [False, True])
def test_what_torch_skips_below_a_frozen_layer(below: bool) -> None:
    task = Task("sfao")
    names = list(FlipTracker(task.network).sizes)
    assert len(names) == 3
    full = backward_work(task.network)
    assert full == [(False, True), (True, True), (True, True), (True, True)]
    callback = stop(task, EAGER, 2, freeze_below=below)
    callback.watch = Watch(frozen=frozenset(names[:2]))
    callback.on_train_start(Trainer(logger=False, accelerator="cpu"), task)
    frozen = backward_work(task.network)
    learning = [p for p in task.network.parameters() if p.requires_grad]
    # The first layer and norms below go on learning, which takes input gradients, unless they are frozen too.
    assert frozen == ([(False, True)] if below else [(False, True), (True, False), (True, False), (True, True)])
    assert (len(learning) < len(list(task.network.parameters())) - 2) == below


def test_the_first_layer_learns_until_a_binary_layer_above_it_is_frozen() -> None:
    for frozen, rests in (([], False), ([1, 2], False), ([0], True)):
        task = Task("sfao")
        names = list(FlipTracker(task.network).sizes)
        callback = stop(task, EAGER, 2, freeze_below=True)
        callback.freeze(names[i] for i in frozen)
        callback.on_train_start(Trainer(logger=False, accelerator="cpu"), task)
        assert next(task.network.parameters()).requires_grad != rests


def test_resuming_keeps_counts_frozen_layers_and_signs(tmp_path: Path) -> None:
    rule = StopRule(freeze_rate=0.1, patience=2, warm_up=0.0, stop=False)

    def run(epochs: int, checkpoint: Path | None = None) -> tuple[Task, FlipStop, Trainer]:
        task = Task("sfao", Linear(1.0, 0.1, 16))
        callback = stop(task, rule, 8)
        return task, callback, fit(task, callback, epochs=epochs, checkpoint=checkpoint)

    whole, whole_stop, _ = run(8)
    _, _, trainer = run(5)
    trainer.save_checkpoint(tmp_path / "half.ckpt")
    saved = torch.load(tmp_path / "half.ckpt", weights_only=True)["callbacks"]
    assert any("frozen" in str(state) for state in saved.values())
    resumed, resumed_stop, _ = run(8, tmp_path / "half.ckpt")
    assert whole_stop.watch == resumed_stop.watch
    assert whole_stop.watch.frozen or max(whole_stop.watch.quiet.values()) > 0
    for a, b in zip(whole.network.parameters(), resumed.network.parameters(), strict=True):
        assert torch.equal(a, b)
        assert a.requires_grad == b.requires_grad


def test_the_method_hands_over_epochs_of_jumps() -> None:
    method = resolve("sfao", {"freeze_rate": 0.5, "kappa": 3.0})
    network = create_model("convnet-tiny", method="sfao", num_classes=4, input_size=(1, 1, 8, 8), width=8)
    masks, freezing = method.callbacks(network, RunInfo(10, 7, Constant(1.0)))
    assert isinstance(freezing, FlipStop)
    assert freezing._rule.freeze_rate == 0.5
    assert masks._rule.kappa == 3.0
    with_jumps = resolve("cyclebnn+sfao", {"cycles": 2})
    network = create_model("convnet-tiny", method="cyclebnn+sfao", num_classes=4, input_size=(1, 1, 8, 8), width=8)
    freezing = with_jumps.callbacks(network, RunInfo(10, 7, Constant(1.0)))[-1]
    assert freezing._restarts == (5,)
    optimizer: Optimizer = create_optimizer(network, method="cyclebnn+sfao")
    assert len(find_flip_aware(optimizer)) == 1
