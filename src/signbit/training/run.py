"""A run: trained, recorded in a folder, resumable, and read back."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path

from lightning.pytorch import Callback

from signbit.callbacks import Progress
from signbit.callbacks.record import Row
from signbit.data import Dataset
from signbit.errors import ConfigError
from signbit.folder_lock import folder_lock
from signbit.methods import resolve
from signbit.training.checkpoints import newest_usable
from signbit.training.config import RunConfig
from signbit.training.environment import environment
from signbit.training.folder import (
    CONFIG,
    IMPORTED,
    RunResult,
    begin,
    begin_again,
    read_config,
    read_result,
)
from signbit.training.manners import note
from signbit.training.session import Session
from signbit.training.step_time import torch_threads


def fit(config: RunConfig) -> RunResult:
    """Train a network as ``config`` says and record the run in ``config.out``.

    The folder gets ``config.yaml`` (every setting resolved), ``data.json``, ``environment.json``, ``metrics.csv`` and
    ``metrics.jsonl`` (a row for every epoch), ``checkpoints/`` (best on validation, last, and the last few by number),
    ``tensorboard/`` and, at the end, ``result.json``. The same config and number of threads give the same weights.

    With ``devices`` or ``nodes`` above 1 this process starts the others of its machine with its own command line,
    unless torchrun or SLURM has started them; every one returns the result.

    Errors: :class:`ConfigError` for settings that do not fit together or a folder in use, :class:`DataError`,
    :class:`NonFiniteLossError`, :class:`WriteError` where the disk is full or read-only. After that and after Ctrl-C
    (:class:`KeyboardInterrupt`) the run can be resumed.
    """
    with _begun(config, [Progress()]) as (session, checkpoint):
        return session.train(checkpoint)


def fit_trial(config: RunConfig, watchers: Sequence[Callback]) -> list[Row]:
    """Train as :func:`fit` does, or go on where the folder ``config.out`` stops, for a choice between settings.

    The test images are not looked at and the run claims no result; :func:`resume` makes it a finished run.

    Parameters
    ----------
    config : as for :func:`fit`; ``out`` must be given.
    watchers : see every epoch after its metrics have been logged, and before they are recorded.

    Returns the figures of every epoch. Errors: those of :func:`fit`, and what a watcher raises to end the trial.
    """
    if config.out is None:
        raise ConfigError("a trial needs the setting 'out': the folder of its run")
    run = Path(config.out)
    started = (run / CONFIG).is_file()
    place = _continued(run, config.data_dir, watchers) if started else _begun(config, watchers)
    with place as (session, checkpoint):
        return session.fit(checkpoint)


@contextmanager
def _begun(config: RunConfig, watchers: Sequence[Callback]) -> Iterator[tuple[Session, None]]:
    """A new run, its folder made."""
    dataset = config.load_data()
    config = resolve_settings(config, dataset)
    assert config.out is not None
    run = Path(config.out)
    with torch_threads(config.threads) if config.threads else nullcontext():
        session = Session(config, dataset, run, watchers)
        if not session.trainer.is_global_zero:
            yield session, None
            return
        begin(run, config, dataset.card, environment(config.seed))
        with folder_lock(run, "training"):
            yield session, None


def resume(run: str | Path, *, data_dir: str | None = None) -> RunResult:
    """Continue a run from its last whole epoch; the final weights are those of a run that was not interrupted.

    A finished run returns its recorded result. A checkpoint that got damaged is named on standard error, and the run
    goes on from the one before it.

    Parameters
    ----------
    run : folder that :func:`fit` made.
    data_dir : where the data set is now, if it has moved.

    Errors: as of :func:`fit`; :class:`ConfigError` while another process trains it, :class:`DataError` if every
    checkpoint is damaged.
    """
    run = Path(run)
    read_config(run)  # what is no run has no result either
    if (run / IMPORTED).is_file():
        raise ConfigError(f"{run} holds imported weights, there is no training to continue; evaluate or export it")
    if (result := read_result(run)) is not None:
        return result
    with _continued(run, data_dir, [Progress()]) as (session, checkpoint):
        return session.train(checkpoint)


@contextmanager
def _continued(run: Path, data_dir: str | None, watchers: Sequence[Callback]) -> Iterator[tuple[Session, Path | None]]:
    """A run whose folder is there, and where it goes on."""
    config = read_config(run)
    if data_dir is not None:
        config = replace(config, data_dir=data_dir)
    dataset = config.load_data()
    checkpoint, damage = newest_usable(run)
    with torch_threads(config.threads) if config.threads else nullcontext():
        session = Session(config, dataset, run, watchers)
        if not session.trainer.is_global_zero:
            yield session, checkpoint
            return
        with folder_lock(run, "training"):
            begin_again(run, environment(config.seed))
            for error in damage:
                note(f"{error}; this run goes on from {checkpoint}")
            yield session, checkpoint


def resolve_settings(config: RunConfig, dataset: Dataset) -> RunConfig:
    """``config`` with every ``None`` replaced by what it means here, except threads."""
    defaults = resolve(config.method, config.method_options).defaults
    if config.processes > 1 and config.out is None:
        raise ConfigError(f"{config.processes} processes must agree on the folder of the run; give its name with --out")
    if "lr" in config.optimizer:
        raise ConfigError("the learning rate is the setting 'learning_rate'; remove 'lr' from 'optimizer'")
    return replace(
        config,
        learning_rate=defaults.learning_rate if config.learning_rate is None else config.learning_rate,
        schedule=config.schedule or defaults.schedule,
        augment=config.augment or dataset.augment,
        data_dir=None if config.data_dir is None else str(Path(config.data_dir).absolute()),
        out=config.out or f"runs/{config.data}-{config.model}-{config.method}-{time.strftime('%Y%m%d-%H%M%S')}",
    )
