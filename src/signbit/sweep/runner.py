"""Trial after trial, until the study has as many as it is to have; several workers may do so at once."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from optuna import Study, Trial
from optuna.trial import FixedTrial, FrozenTrial, TrialState

from signbit.compare.check import check_run
from signbit.errors import ConfigError
from signbit.sweep.definition import StudyDefinition
from signbit.sweep.display import Display
from signbit.sweep.ranges import Range
from signbit.sweep.storage import continued
from signbit.sweep.trial import FAILURE, FOLDER, TRIALS, drop_weights, objective

ENDED = (TrialState.COMPLETE, TrialState.PRUNED)


class SurplusError(Exception):
    """Another worker has taken the last trial."""


def check(definition: StudyDefinition, where: Mapping[str, Any]) -> None:
    """Find what would make every trial fail before the first one: names, data, settings that nobody has.

    Parameters
    ----------
    where : settings that the study does not vary, such as ``data_dir``.

    Errors: those of :func:`signbit.training.fit`.
    """
    ranges = definition.ranges().items()
    lowest = {name: r.low if isinstance(r, Range) else next(iter(r.options)) for name, r in ranges}
    # A folder that is only named: nothing is written there.
    config = definition.config(FixedTrial(lowest), **where, out=TRIALS, tensorboard=False)
    if config.processes > 1:
        raise ConfigError(
            f"a trial is one process; got {config.processes}; start several workers on one --storage instead"
        )
    check_run(config, config.load_data())


def sweep(definition: StudyDefinition, study: Study, out: Path, where: Mapping[str, Any], display: Display) -> None:
    """Run trials until the study has ``definition.size`` of them, those of other workers included.

    A trial that fails is one of them, with its reason; one that is interrupted is not, and the next worker continues
    it. The checkpoints of the best trial are kept, those of the others deleted.

    Parameters
    ----------
    study : made by :func:`signbit.sweep.storage.open_study`.
    out : folder of this worker, which runs are kept in; workers may share it.
    where : settings that the study does not vary, such as ``data_dir`` and ``threads``.
    display : is told what happens.
    """

    under_way: list[int] = []

    def run(trial: Trial) -> float:
        earlier = [other for other in study.get_trials(deepcopy=False) if other.number < trial.number]
        if len(counted(earlier)) >= definition.size:
            raise SurplusError
        under_way.append(trial.number)
        display.started(trial.number)
        return objective(trial, definition, out, dict(where), display.epoch)

    def told(_: Study, trial: FrozenTrial) -> None:
        if FOLDER in trial.user_attrs:
            display.ended(trial, len(counted(study.get_trials(deepcopy=False))))

    while len(counted(study.get_trials(deepcopy=False))) < definition.size:
        try:
            study.optimize(run, n_trials=1, catch=(Exception,), callbacks=[told])
        except KeyboardInterrupt:
            for trial in (study.get_trials(deepcopy=False)[number] for number in under_way):
                if trial.state is TrialState.FAIL and FAILURE not in trial.user_attrs:
                    continued(study, trial)
            raise
        under_way.clear()
        _tidy(study, out)


def counted(trials: list[FrozenTrial]) -> list[FrozenTrial]:
    """Those that a study is made of: ended, failed for a reason of their own, or under way."""
    return [t for t in trials if t.state in (*ENDED, TrialState.RUNNING) or FAILURE in t.user_attrs]


def _tidy(study: Study, out: Path) -> None:
    # A trial that has ended and is not the best will never be: no worker can take this decision wrongly.
    trials = [t for t in study.get_trials(deepcopy=False) if t.state in ENDED or FAILURE in t.user_attrs]
    best = max((t for t in trials if t.state is TrialState.COMPLETE), key=lambda t: t.value or 0.0, default=None)
    for trial in trials:
        if trial is not best:
            drop_weights(out, trial.user_attrs[FOLDER])
