"""Studies of tiny runs: ended, pruned, failed and interrupted trials, one worker or two on one storage."""

from __future__ import annotations

import csv
import io
import json
import shlex
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import optuna
import pytest
import torch
from optuna.trial import TrialState

from signbit.callbacks.record import read_rows
from signbit.cli import main
from signbit.data import Dataset, load
from signbit.errors import ConfigError, SignbitError
from signbit.sweep import StudyDefinition, open_study, storage, sweep
from signbit.sweep.display import Display
from signbit.sweep.runner import counted
from signbit.sweep.search import SeededByTrial
from signbit.training import RunConfig, resume

TINY: dict[str, Any] = {
    "method": "bop2nd", "data": "digits", "train_images": 60, "batch_size": 30, "epochs": 3,
    "model_options": {"width": 8},
}  # fmt: skip
HERE = {"threads": 1}


class Guarded(Dataset):
    """A data set whose test images must not be touched."""

    armed = False

    def __getattribute__(self, name: str) -> Any:
        assert not (name == "test" and Guarded.armed), "the test split was touched"
        return super().__getattribute__(name)


@pytest.fixture
def guarded(monkeypatch: pytest.MonkeyPatch) -> None:
    digits = load("digits")
    data = Guarded(**{field.name: getattr(digits, field.name) for field in fields(digits)})
    monkeypatch.setattr(Guarded, "armed", True)
    monkeypatch.setattr("signbit.training.config.load", lambda *_: data)


def definition(trials: int, parameters: Mapping[str, Any] | None = None, **changes: Any) -> StudyDefinition:
    spread = parameters or {"optimizer.tau": {"log": [1e-9, 1e-4]}}
    return StudyDefinition("tiny", TINY, spread, **{"trials": trials, "pruner": "none", **changes})


def go_on(study_definition: StudyDefinition, out: Path, display: type[Display] = Display) -> optuna.Study:
    study = open_study(study_definition, f"sqlite:///{out / 'study.db'}")
    with display(study_definition.trials, len(counted(study.trials)), io.StringIO()) as shown:
        sweep(study_definition, study, out, HERE, shown)
    return study


@pytest.mark.usefixtures("guarded")
def test_a_study_from_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ended, pruned and failed trials; the winner's command; continuing; what may not change."""
    torch.set_num_threads(1)
    recipe = tmp_path / "tiny.yaml"
    RunConfig(**TINY).to_yaml(recipe)
    words = ["sweep", str(recipe), "--param", "optimizer.tau=log:1e-9:1e-4", "--param", "batch_size=choice:20,30,100",
             "--pruner", "halving", "--threads", "1", "--out", str(tmp_path / "out"), "--json"]  # fmt: skip
    assert main([*words, "--trials", "5"]) == 0
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    rows = list(csv.DictReader((tmp_path / "out" / "trials.csv").read_text().splitlines()))
    states = [row["state"] for row in rows]
    assert (told["trials"], len(rows)) == (5, 5)
    assert (told["completed"], told["pruned"]) == (states.count("complete"), states.count("pruned"))
    assert {row["state"] for row in rows} == {"complete", "pruned", "fail"}, "change the seed if luck has changed"
    for row in rows:
        large = row["batch_size"] == "100"
        assert (row["state"] == "fail") == large
        assert not large or "batch_size must be 1 .. 60" in row["outcome"]
    best = told["best"]
    assert best["val_accuracy"] == max(float(row["val_accuracy"]) for row in rows if row["val_accuracy"])

    winner = tmp_path / "out" / "trials" / f"{best['trial']:04}"
    kept = [path.parent.name for path in (tmp_path / "out" / "trials").glob("*/checkpoints")]
    assert kept == [winner.name], "only the best trial keeps its weights"
    again: list[RunConfig] = []
    monkeypatch.setattr("signbit.training.fit", lambda config: again.append(config) or resume(winner))
    monkeypatch.setattr(Guarded, "armed", False)
    assert main(shlex.split(best["command"])[1:]) == 0
    recorded = RunConfig.from_yaml(winner / "config.yaml")
    same = {name: getattr(again[0], name) for name in ("optimizer", "batch_size", "model_options", "epochs", "method")}
    assert same == {name: getattr(recorded, name) for name in same}
    assert resume(winner).val_accuracy == pytest.approx(best["val_accuracy"], abs=1e-6), "a trial becomes a run"

    before = sorted((tmp_path / "out" / "trials").iterdir())
    assert main([*words, "--trials", "5"]) == 0
    assert sorted((tmp_path / "out" / "trials").iterdir()) == before, "the same command repeats nothing"
    capsys.readouterr()
    assert main([*words, "--trials", "5", "--sampler", "random"]) == 2
    assert "begun with other sampler" in capsys.readouterr().err
    page = (tmp_path / "out" / "report.html").read_text()
    for title in ("Results", "One parameter at a time", "Learning curves", "Does the threshold decide", "All trials"):
        assert title in page
    assert torch.__version__ in page.partition("<h2>Environment</h2>")[2], "it says with what its trials ran"


@pytest.mark.usefixtures("guarded")
def test_ctrl_c_leaves_a_study_that_goes_on(tmp_path: Path) -> None:
    """The interrupted trial is continued, not repeated, and nothing counts twice."""

    class Impatient(Display):
        def epoch(self, config: RunConfig, epoch: int, accuracy: float) -> None:
            super().epoch(config, epoch, accuracy)
            if self.current == 1 and epoch == 1:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        go_on(definition(3), tmp_path, Impatient)
    folder = tmp_path / "trials" / "0001"
    first = read_rows(folder / "metrics.csv")
    assert len(first) == 1, "the epoch that was interrupted at its end is trained again"
    study = go_on(definition(3), tmp_path)
    assert [trial.state.name for trial in study.trials] == ["COMPLETE", "FAIL", "COMPLETE", "COMPLETE"]
    interrupted, resumed = study.trials[1], study.trials[2]
    assert interrupted.params == resumed.params
    assert resumed.user_attrs["continues"] == 1
    assert sorted(resumed.intermediate_values) == [0, 1, 2]
    assert read_rows(folder / "metrics.csv")[:1] == first
    assert sorted(path.name for path in (tmp_path / "trials").iterdir()) == ["0000", "0001", "0003"]


def test_whatever_ends_a_trial_is_noted_and_counts_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also an error after training, and Ctrl-C after a trial has ended."""

    class LateInterrupt(Display):
        def ended(self, trial: optuna.trial.FrozenTrial, done: int) -> None:
            super().ended(trial, done)
            if trial.number == 1:
                raise KeyboardInterrupt

    rows = [{"epoch": 0.0, "val_accuracy": 0.5, "seconds": 1.0}]
    monkeypatch.setattr("signbit.sweep.trial.fit_trial", lambda *_: rows)  # leaves no folder
    with pytest.raises(KeyboardInterrupt):
        go_on(definition(3), tmp_path, LateInterrupt)
    study = go_on(definition(3), tmp_path)
    assert [trial.state.name for trial in study.trials] == ["FAIL"] * 3
    assert all("is not the folder of a run" in trial.user_attrs["failure"] for trial in study.trials)


@pytest.mark.usefixtures("guarded")
def test_a_trial_whose_worker_died_is_taken_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "HEARTBEAT_SECONDS", 1)
    monkeypatch.setattr(storage, "GRACE_SECONDS", 1)
    one_epoch = replace(definition(1), settings={**TINY, "epochs": 1})
    study = open_study(one_epoch, f"sqlite:///{tmp_path / 'study.db'}")
    with pytest.warns(UserWarning, match="Heartbeat"):  # this trial has no thread that beats: it dies at once
        orphan = study.ask()
    orphan.suggest_float("optimizer.tau", 1e-9, 1e-4, log=True)
    study._storage._backend.record_heartbeat(orphan._trial_id)  # type: ignore[attr-defined]
    time.sleep(2.5)
    longer = replace(one_epoch, trials=2)
    study = go_on(longer, tmp_path)
    assert [t.state for t in study.trials].count(TrialState.COMPLETE) == 2
    assert study.trials[0].state is TrialState.FAIL
    continued = next(trial for trial in study.trials if trial.user_attrs.get("continues") == 0)
    assert continued.params == study.trials[0].params


@pytest.mark.slow
def test_two_workers_on_one_storage(tmp_path: Path) -> None:
    """Two processes from nothing: every trial is run once, none is missing, both see the whole study."""
    recipe = tmp_path / "tiny.yaml"
    RunConfig(**{**TINY, "epochs": 1}).to_yaml(recipe)
    words = [sys.executable, "-m", "signbit", "sweep", str(recipe), "--param", "optimizer.tau=log:1e-9:1e-4",
             "--trials", "6", "--threads", "1", "--storage", f"sqlite:///{tmp_path / 'db' / 'study.db'}", "--json",
             "--sampler", "random", "--out"]  # fmt: skip
    outs = [tmp_path / "a", tmp_path / "b"]
    workers = [subprocess.Popen([*words, str(out)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
               for out in outs]  # fmt: skip
    ends = [worker.communicate(timeout=280) for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0], ends
    url = f"sqlite:///{tmp_path / 'db' / 'study.db'}"
    study = optuna.load_study(study_name="tiny", storage=url)
    complete = [trial for trial in study.trials if trial.state is TrialState.COMPLETE]
    assert len(complete) == len(counted(study.trials)) == 6
    assert len({trial.params["optimizer.tau"] for trial in complete}) == 6, "no settings were drawn twice"
    runs = sorted(path.name for out in outs for path in (out / "trials").glob("*"))
    assert runs == sorted(f"{trial.number:04}" for trial in complete), "each trial was run by one worker"
    assert json.loads(ends[0][0].splitlines()[-1])["trials"] == 6


def test_trial_n_is_drawn_from_the_seed_and_n() -> None:
    def drawn(seed: int, skip: int) -> list[float]:
        study = optuna.create_study(sampler=SeededByTrial("random", seed))
        for _ in range(skip):
            study.ask()  # another worker's
        return [study.ask().suggest_float("x", 0, 1) for _ in range(3)]

    assert drawn(0, 0)[1:] == drawn(0, 1)[:2]
    assert len({*drawn(0, 0), *drawn(1, 0)}) == 6


def test_grid_tries_every_combination_once() -> None:
    study = optuna.create_study(sampler=SeededByTrial("grid", 0))
    study.optimize(lambda t: t.suggest_int("a", 1, 2) + 10 * t.suggest_categorical("b", [1, 2, 3]), n_trials=10)
    assert sorted(trial.value for trial in study.trials) == [11, 12, 21, 22, 31, 32]


def test_settings_that_would_fail_every_trial_are_found_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = tmp_path / "tiny.yaml"
    RunConfig(**TINY).to_yaml(recipe)
    out = tmp_path / "out"
    for param, message in (
        ("optimizer.tua=log:1:2", "did you mean tau"), ("optimizer.tau", "--param takes KEY=RANGE"),
        ("model_options.wdth=int:1:2", "has no setting 'wdth'"),
        ("batch_size=int:100:200", "batch_size must be 1 .. 60"),
    ):  # fmt: skip
        assert main(["sweep", str(recipe), "--param", param, "--out", str(out)]) == 2
        assert message in capsys.readouterr().err
    assert not out.exists()
    with pytest.raises(SignbitError, match="cannot use the storage postgres://nobody"):
        open_study(definition(1), "postgres://nobody/none")


def test_a_journal_is_a_storage_too(tmp_path: Path) -> None:
    url = f"journal:{tmp_path / 'log'}"
    open_study(definition(1), url)
    assert open_study(definition(9), url).study_name == "tiny", "a study may be made longer"
    with pytest.raises(ConfigError, match="other parameters"):
        open_study(definition(1, {"epochs": {"int": [1, 2]}}), url)


def test_a_terminal_sees_bars_and_everybody_else_lines() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    ended = optuna.create_study(direction="maximize")
    ended.optimize(lambda trial: trial.report(0.5, 0) or 0.5, n_trials=1)
    seen = {}
    for stream in (Terminal(), io.StringIO()):
        with Display(3, 1, stream) as display:
            display.started(7)
            display.epoch(RunConfig(epochs=9), 4, 0.25)
            display._bars.refresh()
            display.ended(ended.trials[0], 2)
        seen[stream.isatty()] = stream.getvalue()
    assert seen[False].splitlines() == ["1 of 3 trials are done already", "2/3  trial 0  val 50.00% after 1 epochs"]
    assert "trial 7  val 25.00%" in seen[True]
    assert "5/9" in seen[True]
