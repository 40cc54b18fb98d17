"""What became of trained runs: their exported files, how large and how fast, and their signs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from torch import nn

import signbit
from signbit.compare.records import DEPLOYMENT, RunRecord
from signbit.data import Dataset, normalize
from signbit.errors import DataError, ExportError
from signbit.exporter import ExportReport
from signbit.exporter.passes import Explain
from signbit.metrics import sign_balance
from signbit.runtime import Session
from signbit.training.checkpoints import LAST
from signbit.training.config import RunConfig
from signbit.training.folder import load_run, write_json

FILE = "model.sbn"
VERIFIED_IMAGES = 200
REPEATS = 100

Array = np.ndarray[Any, Any]
Timer = Callable[[Mapping[str, Callable[[Array], Array]], Array, int], Mapping[str, list[float]]]
"""(engines, input, repeats) -> seconds of every run of each."""


def deploy(records: Sequence[RunRecord], timer: Timer) -> dict[Path, str]:
    """Export every run to ``model.sbn`` in its folder, time all files in turns, and note both in ``deployment.json``.

    Parameters
    ----------
    records : finished runs.
    timer : measures engines so that drift of the clock hits all alike.

    Returns the folders of the runs that cannot be exported, with the reason.
    """
    reports: dict[Path, Mapping[str, Any]] = {}
    failures: dict[Path, str] = {}
    inputs: dict[Path, Array] = {}
    for record in records:
        target = record.folder / FILE
        try:
            model, config = load_run(record.folder)
            report, images = export_trained(model, config, config.load_data(), target, VERIFIED_IMAGES)
        except (DataError, ExportError) as error:  # a checkpoint that is gone does not undo the comparison
            failures[record.folder] = str(error)
        else:
            reports[record.folder], inputs[record.folder] = report.to_dict(), images[:1]
    for shape in {x.shape for x in inputs.values()}:
        _time({folder: reports[folder] for folder, x in inputs.items() if x.shape == shape}, shape, timer)
    return failures


def export_trained(
    model: nn.Module,
    config: RunConfig,
    dataset: Dataset,
    path: Path,
    images: int | None = None,
    explain: Explain | None = None,
) -> tuple[ExportReport, Array]:
    """Write a trained network as one file, verified on validation images; the report, and these images.

    The test set is for the final accuracy alone. What is known of the data set goes into the file if it is the one that
    the network was trained on.

    Parameters
    ----------
    images : verify on so many at most; None: on all.
    explain : of :func:`signbit.export`.

    Errors
    ------
    ExportError : of :func:`signbit.export`.
    """
    inputs = normalize(dataset.val.images[:images], dataset.mean, dataset.std)
    card = dataset.card.file_metadata() if dataset.name == config.data else {}
    metadata = {"model": config.model, "method": config.method, **card}
    return signbit.export(model, torch.from_numpy(inputs), path, metadata=metadata, explain=explain), inputs


def _time(reports: Mapping[Path, Mapping[str, Any]], shape: tuple[int, ...], timer: Timer) -> None:
    """Time exported files that take images of one shape, and write what is known of each."""
    x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    with ExitStack() as stack:
        sessions = {folder: stack.enter_context(Session(folder / FILE, threads=1)) for folder in reports}
        times = timer({str(folder): session.run for folder, session in sessions.items()}, x, REPEATS)
        for folder, session in sessions.items():
            latency = {"native_ms": 1000 * median(times[str(folder)]), "isa": session.isa, "threads": session.threads}
            note = {**reports[folder], **latency, "file": FILE, "repeats": REPEATS}
            write_json(folder / DEPLOYMENT, {key: value for key, value in note.items() if key != "layers"})


def sign_balances(record: RunRecord) -> dict[str, float]:
    """Share of +1 in every binary layer of a trained run; empty without binary layers or without its checkpoint."""
    return sign_balance(load_run(record.folder)[0]) if (record.folder / LAST).is_file() else {}
