"""A study as figures: one row a trial, for the terminal, for CSV and for programs."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

from optuna import Study
from optuna.trial import FrozenTrial, TrialState

from signbit.sweep.display import outcome
from signbit.sweep.runner import counted
from signbit.sweep.trial import COMMAND, SECONDS


def trials_of(study: Study) -> list[FrozenTrial]:
    """The trials that the study is made of, by number."""
    return counted(study.get_trials(deepcopy=False))


def ranking(study: Study) -> list[FrozenTrial]:
    """The trials that ran to their end, best first; of equals the earlier one."""
    ended = [trial for trial in trials_of(study) if trial.state is TrialState.COMPLETE]
    return sorted(ended, key=lambda trial: (-value_of(trial), trial.number))


def value_of(trial: FrozenTrial) -> float:
    """Validation accuracy of a trial that ran to its end."""
    assert trial.value is not None
    return trial.value


def parameters(trials: Sequence[FrozenTrial]) -> list[str]:
    """Names of what the trials varied, in the order of first appearance."""
    return list(dict.fromkeys(name for trial in trials for name in trial.params))


def header(names: Sequence[str]) -> list[str]:
    """Names of the columns of :func:`cells`."""
    return ["trial", "validation, %", "epochs", "minutes", *names, "outcome"]


def cells(trial: FrozenTrial, names: Sequence[str]) -> list[str]:
    """One row for people; ``names`` of the parameters."""
    seconds = trial.user_attrs.get(SECONDS)
    told = {name: f"{value:.4g}" if isinstance(value, float) else str(value) for name, value in trial.params.items()}
    minutes = "-" if seconds is None else f"{seconds / 60:.1f}"
    epochs = sorted(trial.intermediate_values)
    accuracy = f"{100 * trial.intermediate_values[epochs[-1]]:.2f}" if epochs else "-"
    values = (told.get(name, "-") for name in names)
    return [str(trial.number), accuracy, str(len(epochs)), minutes, *values, _ended(trial)]


def to_dict(study: Study) -> dict[str, Any]:
    """The study as plain values."""
    trials = trials_of(study)
    best = next(iter(ranking(study)), None)
    states = {state: [t for t in trials if t.state is state] for state in TrialState}
    return {
        "study": study.study_name,
        "trials": len(trials),
        "completed": len(states[TrialState.COMPLETE]),
        "pruned": len(states[TrialState.PRUNED]),
        "failed": {trial.number: outcome(trial) for trial in states[TrialState.FAIL]},
        "best": best
        and {
            "trial": best.number,
            "val_accuracy": best.value,
            "parameters": best.params,
            "command": best.user_attrs[COMMAND],
        },
    }


def to_csv(study: Study) -> str:
    """One line a trial."""
    text = io.StringIO()
    trials = trials_of(study)
    columns = ["trial", "state", "outcome", "val_accuracy", "epochs", "seconds", *parameters(trials), "command"]
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    for trial in trials:
        attributes = {"seconds": trial.user_attrs.get(SECONDS), "command": trial.user_attrs.get(COMMAND)}
        writer.writerow({"trial": trial.number, "state": trial.state.name.lower(), "outcome": outcome(trial),
                         "val_accuracy": trial.value, "epochs": len(trial.intermediate_values),
                         **trial.params, **attributes})  # fmt: skip
    return text.getvalue()


def _ended(trial: FrozenTrial) -> str:
    """How a trial ended, beside its figures."""
    named = {TrialState.COMPLETE: "to its end", TrialState.PRUNED: "given up"}
    return named.get(trial.state) or outcome(trial)
