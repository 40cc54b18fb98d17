"""Runs that differ in nothing but their seed, taken together: the rows of a comparison."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from statistics import fmean
from typing import Any

from signbit.compare.accounting import TrainingCost, training_cost
from signbit.compare.freezing import frozen_saving
from signbit.compare.records import InstructionCounts, RunRecord
from signbit.compare.reproduce import ELSEWHERE
from signbit.compare.statistics import Estimate, Pair, compare_pairs, estimate
from signbit.errors import DataError

OWN = {"method", "model", "method_options", "model_options", "optimizer", "learning_rate", "final_learning_rate",
       "schedule"}  # fmt: skip
"""Settings that make a method or a network; all others belong to the protocol, which should be one for all."""
FLIPS = "sign_flip_rate"


@dataclass(frozen=True)
class Setting:
    """One row: the same settings under one or more seeds.

    Attributes
    ----------
    name : unique in the comparison; the method's where that is enough.
    runs : its records, by seed.
    """

    name: str
    runs: tuple[RunRecord, ...]

    @property
    def method(self) -> str:
        """The method's name."""
        return self.runs[0].config.method

    @property
    def model(self) -> str:
        """The network's name."""
        return self.runs[0].config.model

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds, ascending."""
        return tuple(run.config.seed for run in self.runs)

    @cached_property
    def cost(self) -> TrainingCost:
        """What the first seed's training costs on paper: seeds differ at most in when they stop."""
        return training_cost(self.runs[0])

    def figure(self, name: str) -> Estimate | None:
        """A figure of the results over the seeds; None where a record lacks it."""
        values = [run.result.get(name) for run in self.runs]
        return None if None in values else estimate([float(value) for value in values if value is not None])

    def logged(self, name: str, epoch: int) -> float | None:
        """A metric in an epoch (-1: the last), mean over the seeds; None where it was not logged."""
        values = [run.epochs[epoch].get(name) for run in self.runs]
        return None if None in values else fmean(value for value in values if value is not None)

    def flips(self, epoch: int) -> float | None:
        """Share of the signs that changed in an epoch (-1: the last), mean over the seeds; None without signs."""
        return self.logged(FLIPS, epoch)


@dataclass(frozen=True)
class Comparison:
    """Settings side by side.

    Attributes
    ----------
    settings : in the order in which their first runs were given; the order says nothing about their merit.
    counted : instructions of a training step, where they were counted.
    """

    settings: tuple[Setting, ...]
    counted: InstructionCounts | None = None

    @property
    def runs(self) -> list[RunRecord]:
        """All records."""
        return [run for setting in self.settings for run in setting.runs]

    def instructions(self, setting: Setting) -> float | None:
        """Of one training step of a row; None where they were not counted, or on another network."""
        if self.counted is None or self.counted.model != setting.model:
            return None
        return self.counted.counts.get(setting.method)

    def frozen_saving(self, setting: Setting) -> float | None:
        """Share of a row's instructions that frozen layers saved; None where it was not counted, or nothing freezes."""
        if self.counted is None or self.counted.model != setting.model:
            return None
        return frozen_saving(setting.runs, self.counted)

    @cached_property
    def pairs(self) -> list[Pair]:
        """Test accuracy, each setting against each of the same data set: other images say nothing of a difference."""
        return compare_pairs(
            {
                s.name: {(run.config.data, run.config.seed): run.result["test_accuracy"] for run in s.runs}
                for s in self.settings
            }
        )

    def protocol_breaks(self) -> dict[str, list[Any]]:
        """Settings of the protocol that are not the same in all runs, with the values found."""
        shared = self.runs[0].config.to_dict().keys() - OWN - ELSEWHERE - {"seed", "threads"}
        found = {name: _distinct(getattr(run.config, name) for run in self.runs) for name in sorted(shared)}
        return {name: values for name, values in found.items() if len(values) > 1}


def compare(records: Sequence[RunRecord], counted: InstructionCounts | None = None) -> Comparison:
    """Group finished runs into settings.

    Errors: :class:`DataError` for no runs at all, or two runs of one setting with the same seed.
    """
    if not records:
        raise DataError("a comparison needs at least one finished run; signbit compare and signbit train make them")
    groups: dict[str, list[RunRecord]] = {}
    for record in records:
        groups.setdefault(json.dumps(_without_seed(record), sort_keys=True, default=str), []).append(record)
    members = [sorted(group, key=lambda run: run.config.seed) for group in groups.values()]
    for group in members:
        for one, two in pairwise(group):
            if one.config.seed == two.config.seed:
                raise DataError(
                    f"{one.folder} and {two.folder} are the same run, seed {one.config.seed}; give one of them"
                )
    names = _names([group[0] for group in members])
    settings = (Setting(name, tuple(group)) for name, group in zip(names, members, strict=True))
    return Comparison(tuple(settings), counted)


def _without_seed(record: RunRecord) -> dict[str, Any]:
    return {k: v for k, v in record.config.to_dict().items() if k not in ELSEWHERE | {"seed", "threads"}}


def _names(records: Sequence[RunRecord]) -> list[str]:
    """Short unique names: the method, the model of several, then whatever else tells two settings apart."""
    several = len({run.config.model for run in records}) > 1
    naming: list[Callable[[RunRecord], str]] = [
        lambda run: run.config.method,
        lambda run: f"{run.config.method} {run.config.model}",
        lambda run: " ".join([run.config.method, *[run.config.model] * several, *_peculiar(run, records)]),
    ]
    for name in naming:
        names = [name(record) for record in records]
        if len(set(names)) == len(names):
            break
    return names


def _peculiar(record: RunRecord, records: Sequence[RunRecord]) -> list[str]:
    """The settings of a run that other runs of the same method and model have not."""
    own = _flat(_without_seed(record))
    rivals = [
        _flat(_without_seed(other)) for other in records
        if (other.config.method, other.config.model) == (record.config.method, record.config.model)
    ]  # fmt: skip
    found = {key: [rival.get(key) for rival in rivals] for rival in rivals for key in rival}
    return [
        f"{key.rpartition('.')[2]}={own.get(key, 'default')}"
        for key in sorted(found)
        if any(value != own.get(key) for value in found[key])
    ]


def _flat(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of settings by dotted names."""
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        flat |= (
            {f"{key}.{inner}": part for inner, part in value.items()} if isinstance(value, Mapping) else {key: value}
        )
    return flat


def _distinct(values: Any) -> list[Any]:
    found: list[Any] = []
    for value in values:
        if value not in found:
            found.append(value)
    return found
