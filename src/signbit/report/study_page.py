"""The page of a study: what was best, what mattered, and how every trial went."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import yaml
from matplotlib.figure import Figure
from optuna import Study
from optuna.importance import get_param_importances
from optuna.trial import FrozenTrial, TrialState

from signbit.report.charts import Line, bars, contour, curves, history, scatter
from signbit.report.environments import Grouped, environment_section, grouped
from signbit.report.page import Page, Section
from signbit.sweep.definition import StudyDefinition
from signbit.sweep.ranges import Choice, Range
from signbit.sweep.table import cells, header, parameters, ranking, trials_of, value_of
from signbit.sweep.trial import COMMAND, HELD, PLACE

ACCURACY = "validation accuracy, %"
BEST_CURVES = 8
PAIRED = 4
"""Numeric parameters whose pairs are drawn: the most important ones."""


def study_page(study: Study, definition: StudyDefinition, command: str) -> Page:
    """Everything that a study's storage holds, as a page. Sections that there is nothing for are left out.

    Parameters
    ----------
    study, definition : the study and what it looks for.
    command : what ran it.
    """
    trials, best = trials_of(study), ranking(study)
    names = parameters(trials)
    pruned = sum(trial.state is TrialState.PRUNED for trial in trials)
    failed = sum(trial.state is TrialState.FAIL for trial in trials)
    importances = _importances(study)
    fixed = definition.settings
    sections = [
        _results(best, names),
        _importance(importances, len(best)),
        _slices(definition, trials),
        _contours(definition, best, importances),
        _learning(best),
        _held(best),
        Section("All trials", header=header(names), rows=[cells(trial, names) for trial in trials]) if trials else None,
        Section("Do it again", "The study, and the run of its best trial.",
                code="\n".join([command, *(t.user_attrs[COMMAND] for t in best[:1])])),
        Section("What was searched", code=yaml.safe_dump(definition.to_dict(), sort_keys=False)),
        environment_section(_environments(trials)),
    ]  # fmt: skip
    return Page(
        title=f"Study {definition.name}",
        lead=definition.about
        or f"{fixed.get('method', 'ste')} on {fixed.get('data', 'digits')}: {', '.join(definition.ranges())}",
        cards=[
            (f"{100 * value_of(best[0]):.2f} %" if best else "-", "validation accuracy of the best trial"),
            (str(len(trials)), f"trials: {len(best)} to their end, {pruned} given up, {failed} failed"),
            (definition.sampler, "sampler"),
            (definition.pruner, "pruner"),
        ],
        sections=[section for section in sections if section is not None],
    )


def _results(best: list[FrozenTrial], names: list[str]) -> Section | None:
    if not best:
        return None
    by_number = sorted(best, key=lambda trial: trial.number)
    numbers = [trial.number for trial in by_number]
    values = [100 * value_of(trial) for trial in by_number]
    return Section(
        "Results",
        "Accuracy on the validation images after the last epoch; below, the ten best trials. The test images were not "
        "looked at. The best of many trials is partly luck: its accuracy here is an optimistic estimate. Repeat it "
        "under several seeds, signbit compare does so, before it is said to be better than another.",
        [history(numbers, values, ("trial", ACCURACY))],
        header(names),
        [cells(trial, names) for trial in best[:10]],
    )


def _importances(study: Study) -> dict[str, float]:
    """Share of each parameter, most important first; empty where the trials do not allow one to say."""
    ended = [trial for trial in study.get_trials(deepcopy=False) if trial.state is TrialState.COMPLETE]
    if len({trial.value for trial in ended}) < 2:
        return {}
    return {name: share for name, share in get_param_importances(study).items() if share == share}


def _importance(importances: dict[str, float], count: int) -> Section | None:
    if not importances:
        return None
    return Section(
        "What mattered",
        f"How much of what sets the better trials apart each parameter explains (PED-ANOVA over {count} trials that "
        "ran to their end, shares of the sum). With few trials this says little.",
        [bars(list(importances), [100 * share for share in importances.values()], "importance, %")],
    )


def _slices(definition: StudyDefinition, trials: list[FrozenTrial]) -> Section | None:
    figures = []
    for name, spread in definition.ranges().items():
        seen = [(t, _last(t)) for t in trials if name in t.params and t.intermediate_values]
        if seen:
            options = list(spread.options) if isinstance(spread, Choice) else []
            x = [options.index(t.params[name]) if options else t.params[name] for t, _ in seen]
            faint = [trial.state is not TrialState.COMPLETE for trial, _ in seen]
            log = isinstance(spread, Range) and spread.logarithmic
            y = [100 * value for _, value in seen]
            figures.append(scatter(x, y, (name, ACCURACY), log=log, options=options, faint=faint))
    if not figures:
        return None
    text = "One dot a trial, the other parameters wherever they were; hollow: given up or failed, at its last epoch."
    return Section("One parameter at a time", text, figures)


def _contours(definition: StudyDefinition, best: list[FrozenTrial], importances: dict[str, float]) -> Section | None:
    ranges = definition.ranges()
    order = [*importances, *(name for name in ranges if name not in importances)]
    numeric = [name for name in order if isinstance(ranges.get(name), Range)][:PAIRED]
    figures = []
    for first, second in combinations(numeric, 2):
        seen = [trial for trial in best if first in trial.params and second in trial.params]
        if len(seen) > 2:
            figures.append(_contour(ranges, first, second, seen))
    if not figures:
        return None
    return Section("Two parameters at a time", "Dots are trials; between them the levels are interpolated.", figures)


def _contour(ranges: dict[str, Any], first: str, second: str, seen: list[FrozenTrial]) -> Figure:
    x, y = ([trial.params[name] for trial in seen] for name in (first, second))
    log = (ranges[first].logarithmic, ranges[second].logarithmic)
    return contour(x, y, [100 * value_of(trial) for trial in seen], (first, second, ACCURACY), log=log)


def _learning(best: list[FrozenTrial]) -> Section | None:
    lines = []
    for place, trial in enumerate(best[:BEST_CURVES]):
        epochs = sorted(trial.intermediate_values)
        values = [100 * trial.intermediate_values[epoch] for epoch in epochs]
        lines.append(Line(f"trial {trial.number}", place, [epoch + 1 for epoch in epochs], values))
    if not lines:
        return None
    return Section("Learning curves", f"The best {len(lines)} trials.", [curves(lines, ("epoch", ACCURACY))])


def _held(best: list[FrozenTrial]) -> Section | None:
    """What a flip rule's threshold does, where there is one."""
    seen = [trial for trial in best if HELD in trial.user_attrs]
    if not seen:
        return None
    x, y = [100 * trial.user_attrs[HELD] for trial in seen], [100 * value_of(trial) for trial in seen]
    return Section(
        "Does the threshold decide anything?",
        "Share of the binary weights that the threshold held back in the last step, |r| <= tau. Where it is 0, every "
        "weight simply takes the sign opposite to its r, and only the rates of the moments matter.",
        [scatter(x, y, ("weights held by the threshold, %", ACCURACY))],
    )


def _environments(trials: list[FrozenTrial]) -> Grouped:
    known = [trial for trial in trials if PLACE in trial.user_attrs]
    groups = grouped((str(trial.number), trial.user_attrs[PLACE]) for trial in known)
    return [([f"{len(numbers)} trials"], environment) for numbers, environment in groups]


def _last(trial: FrozenTrial) -> float:
    return trial.intermediate_values[max(trial.intermediate_values)]
