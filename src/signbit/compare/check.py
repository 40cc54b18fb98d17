"""What would end a run before its first step, found before any run is started."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import torch

from signbit.data import Dataset
from signbit.training.config import RunConfig
from signbit.training.run import resolve_settings
from signbit.training.session import Session


def check_runs(configs: Iterable[RunConfig]) -> None:
    """Check one run of each that differ in more than their seed and folder; every data set is read once.

    Errors: those of :func:`check_run`.
    """
    data: dict[str, Dataset] = {}
    checked: list[RunConfig] = []
    for config in configs:
        alike = replace(config, seed=0, out=None)
        if alike in checked:
            continue
        checked.append(alike)
        source = str((config.data, config.data_dir, config.data_options, config.normalize))
        if source not in data:
            data[source] = config.load_data()
        check_run(config, data[source])


def check_run(config: RunConfig, dataset: Dataset) -> None:
    """Put the parts of a run together, without memory for its weights; nothing is trained and nothing is written.

    Parameters
    ----------
    config : of a run of one process.
    dataset : the run's.

    Errors: those that :func:`signbit.training.fit` ends with before the first step.
    """
    whole = resolve_settings(config, dataset)
    assert whole.out is not None
    with torch.device("meta"):
        Session(whole, dataset, Path(whole.out), watchers=())
