"""Finished runs, read from their folders: nothing in a comparison comes from anywhere else."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import isclose
from pathlib import Path
from typing import Any

from signbit.callbacks.record import read_rows
from signbit.errors import DataError
from signbit.training.config import RunConfig
from signbit.training.folder import CONFIG, ENVIRONMENT, METRICS, RESULT, read_config, read_json

DEPLOYMENT = "deployment.json"
FIGURES = ("test_accuracy", "val_accuracy", "epochs", "seconds")
"""What the result of a finished run must hold."""


@dataclass(frozen=True)
class RunRecord:
    """What the folder of a finished run holds.

    Attributes
    ----------
    folder : where.
    config : its resolved settings.
    environment : versions, commit, processor.
    result : what it claims; ``cpu_seconds`` is missing in old records.
    epochs : the figures of every epoch.
    deployment : size and latency of its exported file; empty where it was not exported by a comparison.
    """

    folder: Path
    config: RunConfig
    environment: Mapping[str, Any]
    result: Mapping[str, Any]
    epochs: tuple[Mapping[str, float], ...]
    deployment: Mapping[str, Any]


def is_finished(run: Path) -> bool:
    """Whether a run has made its claim."""
    return (run / RESULT).is_file()


def read_record(run: Path) -> RunRecord:
    """The record of one finished run.

    Errors: :class:`ConfigError` if ``run`` is not the folder of a run, :class:`DataError` if the run is not finished
    or its folder is damaged.
    """
    config = read_config(run)
    if not is_finished(run):
        raise DataError(f"run {run} is not finished: it holds no {RESULT}; signbit train --resume {run} finishes it")
    result, epochs = read_json(run / RESULT), read_rows(run / METRICS)
    missing = [name for name in FIGURES if result.get(name) is None]
    if missing or not epochs:
        what = f"{RESULT} lacks {', '.join(missing)}" if missing else f"{METRICS} is missing or empty"
        raise DataError(f"the record of run {run} is incomplete: {what}; train it again")
    deployment = read_json(run / DEPLOYMENT) if (run / DEPLOYMENT).is_file() else {}
    return RunRecord(run, config, read_json(run / ENVIRONMENT), result, tuple(epochs), deployment)


def find_runs(paths: Iterable[Path]) -> list[Path]:
    """The run folders among ``paths`` and directly in them or in their ``runs`` folder, in the order given.

    Errors: :class:`DataError` if one of the paths holds none.
    """
    found: list[Path] = []
    for path in paths:
        inside = [path, *sorted(path.glob("*")), *sorted(path.glob("runs/*"))]
        runs = [folder for folder in inside if (folder / CONFIG).is_file()]
        if not runs:
            raise DataError(f"{path} is neither the folder of a run nor a folder of runs; signbit train makes runs")
        found += [run for run in runs if run not in found]
    return found


@dataclass(frozen=True)
class InstructionCounts:
    """Instructions of one training step, counted apart from the runs.

    Attributes
    ----------
    model, batch_size, tool : of the steps that were counted, and with what.
    counts : method -> instructions; ``sfao:6`` is sfao with its first six binary layers frozen.
    """

    model: str
    batch_size: int
    tool: str
    counts: Mapping[str, float]


def read_instructions(paths: Sequence[Path]) -> InstructionCounts:
    """What ``signbit bench-train --count instructions --out`` wrote into one file, or into several, method by method.

    Errors: :class:`DataError` for a file of another kind, and for files about different steps: another network, batch
    or tool, or a method in both of them whose counts are more than 1 % apart.
    """
    first, *others = map(_read_instructions, paths)
    counts = dict(first.counts)
    for path, other in zip(paths[1:], others, strict=True):
        differences = [name for name in ("model", "batch_size", "tool") if getattr(other, name) != getattr(first, name)]
        differences += [
            name for name, count in other.counts.items() if not isclose(count, counts.get(name, count), rel_tol=0.01)
        ]
        if differences:
            raise DataError(
                f"{path} and {paths[0]} count different steps ({', '.join(differences)}); count all methods in one go"
            )
        counts = {**counts, **other.counts, **counts}
    return replace(first, counts=counts)


def _read_instructions(path: Path) -> InstructionCounts:
    try:
        content = json.loads(path.read_text())
        counts = {name: float(row["instructions"]) for name, row in content["counts"].items()}
        return InstructionCounts(content["model"], content["batch_size"], content["tool"], counts)
    except (AttributeError, KeyError, OSError, TypeError, ValueError) as error:
        raise DataError(
            f"{path} holds no instruction counts: {error!r}; signbit bench-train --count instructions --out makes one"
        ) from error
