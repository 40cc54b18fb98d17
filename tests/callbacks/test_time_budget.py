"""A run ends with the last epoch that fits its budget, before and after an interruption."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from signbit.callbacks import TimeBudget, time_budget
from signbit.errors import ConfigError
from signbit.training import RunConfig, fit, load_run, resume
from signbit.training.checkpoints import LAST


def train(budget: TimeBudget, clock: list[float], seconds: list[float]) -> int:
    """Epochs of these lengths, as many as are trained."""
    alone = SimpleNamespace(reduce_boolean_decision=lambda decision, **_: decision)
    trainer: Any = SimpleNamespace(should_stop=False, strategy=alone)
    budget.on_train_start(trainer, trainer)
    for epoch, length in enumerate(seconds):
        if trainer.should_stop:
            return epoch
        budget.on_train_epoch_start(trainer, trainer)
        clock[0] += length
        budget.on_train_epoch_end(trainer, trainer)
    return len(seconds)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(time_budget.time, "perf_counter", lambda: now[0])
    return now


@pytest.mark.parametrize(
    ("budget", "seconds", "trained"),
    [(10.0, [3, 3, 3, 3], 3), (9.0, [3, 3, 3, 3], 3), (8.9, [3, 3, 3, 3], 2), (10.0, [2, 5, 1], 2), (1.0, [3, 3], 1)],
)
def test_as_many_epochs_as_fit_and_at_least_one(
    clock: list[float], budget: float, seconds: list[float], trained: int
) -> None:
    assert train(TimeBudget(budget), clock, seconds) == trained


def test_an_interruption_takes_no_time(clock: list[float]) -> None:
    before, after = TimeBudget(10.0), TimeBudget(10.0)
    assert train(before, clock, [3, 3]) == 2
    clock[0] += 1000
    after.load_state_dict(before.state_dict())
    assert train(after, clock, [3, 3]) == 1
    assert train(after, clock, [3]) == 0, "what is used up stays so"


def test_a_run_within_a_budget(tmp_path: Path) -> None:
    """One that allows a single epoch, whatever the machine; its end is a finished run."""
    config = RunConfig(epochs=50, time_budget=1e-3, threads=1, tensorboard=False, out=str(tmp_path / "run"))
    result = fit(config)
    assert result.epochs == 1
    (tmp_path / "run" / "result.json").unlink()
    assert (tmp_path / "run" / LAST).is_file()
    assert resume(tmp_path / "run").test_accuracy == result.test_accuracy, "concluded, not trained on"
    assert load_run(tmp_path / "run")[1].time_budget == 1e-3


@pytest.mark.parametrize("wrong", [0, -1.0, float("inf"), "1h"])
def test_a_budget_is_a_positive_number(wrong: Any) -> None:
    with pytest.raises(ConfigError, match="time_budget"):
        replace(RunConfig(), time_budget=wrong)
