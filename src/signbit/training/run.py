"""A run: trained, recorded in a folder, resumable, and read back."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.loggers import TensorBoardLogger

from signbit.callbacks import EpochRecord, FlipRates, Progress, TimeBudget
from signbit.callbacks.record import Row, read_rows
from signbit.data import Dataset, Split, load
from signbit.data.augment import AUGMENTATIONS
from signbit.data.batches import EvalBatches, TrainBatches
from signbit.data.shard import Shard
from signbit.data.splits import stratified_holdout
from signbit.errors import ConfigError, DataError
from signbit.methods import RunInfo, create_optimizer, resolve
from signbit.training.allocator import keep_freed_memory
from signbit.training.checkpoints import AtomicCheckpointIO, checkpoint_callbacks, newest_usable
from signbit.training.config import RunConfig
from signbit.training.environment import environment
from signbit.training.evaluation import count_correct
from signbit.training.folder import (
    CONFIG,
    METRICS,
    RESULT,
    RunResult,
    begin,
    begin_again,
    build_network,
    read_config,
    read_result,
    write_json,
)
from signbit.training.manners import interrupts_raise, note, quiet_lightning, writing
from signbit.training.module import Classifier
from signbit.training.processes import check_started, failures_end_all, strategy_for
from signbit.training.rates import rate_shape, with_schedules
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
def _begun(config: RunConfig, watchers: Sequence[Callback]) -> Iterator[tuple[_Session, None]]:
    """A new run, its folder made."""
    dataset = load(config.data, config.data_dir, config.download).normalized(config.normalize)
    config = _resolve(config, dataset)
    assert config.out is not None
    run = Path(config.out)
    with torch_threads(config.threads) if config.threads else nullcontext():
        session = _Session(config, dataset, run, watchers)
        if session.trainer.is_global_zero:
            begin(run, config, dataset.card, environment(config.seed))
        yield session, None


def resume(run: str | Path, *, data_dir: str | None = None) -> RunResult:
    """Continue a run from its last whole epoch; the final weights are those of a run that was not interrupted.

    A finished run returns its recorded result. A checkpoint that got damaged is named on standard error, and the run
    goes on from the one before it.

    Parameters
    ----------
    run : folder that :func:`fit` made.
    data_dir : where the data set is now, if it has moved.

    Errors: as of :func:`fit`; :class:`DataError` if every checkpoint is damaged.
    """
    run = Path(run)
    read_config(run)  # what is no run has no result either
    if (result := read_result(run)) is not None:
        return result
    with _continued(run, data_dir, [Progress()]) as (session, checkpoint):
        return session.train(checkpoint)


@contextmanager
def _continued(run: Path, data_dir: str | None, watchers: Sequence[Callback]) -> Iterator[tuple[_Session, Path | None]]:
    """A run whose folder is there, and where it goes on."""
    config = read_config(run)
    if data_dir is not None:
        config = replace(config, data_dir=data_dir)
    dataset = load(config.data, config.data_dir, config.download).normalized(config.normalize)
    checkpoint, damage = newest_usable(run)
    with torch_threads(config.threads) if config.threads else nullcontext():
        session = _Session(config, dataset, run, watchers)
        if session.trainer.is_global_zero:
            begin_again(run, environment(config.seed))
            for error in damage:
                note(f"{error}; this run goes on from {checkpoint}")
        yield session, checkpoint


class _Session:
    """Everything that takes part in one call of :func:`fit`, :func:`resume` or :func:`fit_trial`."""

    def __init__(self, config: RunConfig, dataset: Dataset, run: Path, watchers: Sequence[Callback]) -> None:
        self.config, self.dataset, self.run = config, dataset, run
        check_started(config.processes)
        keep_freed_memory()
        seed_everything(config.seed)
        augmentation = AUGMENTATIONS[config.augment or "none"].target(*dataset.card.input_size[2:])
        self.batches = TrainBatches(
            _training_images(config, dataset),
            dataset,
            batch_size=config.batch_size,
            seed=config.seed,
            augmentation=augmentation,
        )
        steps = config.epochs * len(self.batches)
        self.network = build_network(config, dataset.card)
        floor = None
        if config.final_learning_rate is not None and config.learning_rate is not None:
            floor = config.final_learning_rate / config.learning_rate
        rate = rate_shape(config.schedule or "constant", steps, floor)
        # Only some rules have a learning rate; the composite keeps torch's key `lr` for those.
        optimizer = create_optimizer(
            self.network,
            method=config.method,
            total_steps=steps,
            method_options=config.method_options,
            lr=config.learning_rate,
            **with_schedules(config.optimizer, steps, len(self.batches)),
        )
        self.module = Classifier(
            self.network, optimizer, rate, num_classes=len(dataset.classes), compile=config.compile
        )
        method = resolve(config.method, config.method_options)
        callbacks = method.callbacks(self.network, RunInfo(config.epochs, len(self.batches), rate))
        self.record = EpochRecord(run / METRICS)
        budget = [] if config.time_budget is None else [TimeBudget(config.time_budget)]
        with quiet_lightning():
            self.trainer = Trainer(
                max_epochs=config.epochs,
                precision="bf16-mixed" if config.precision == "bf16" else "32-true",
                devices=config.devices,
                num_nodes=config.nodes,
                strategy=strategy_for(config, callbacks),
                use_distributed_sampler=False,  # the batches see to that themselves
                callbacks=[
                    *callbacks,
                    FlipRates(self.network),
                    *budget,
                    *watchers,
                    self.record,
                    *checkpoint_callbacks(run, config.keep_checkpoints),
                ],
                logger=TensorBoardLogger(run, name="tensorboard", version="") if config.tensorboard else False,
                default_root_dir=run,
                plugins=[AtomicCheckpointIO()],
                num_sanity_val_steps=0,
                log_every_n_steps=1,
                enable_progress_bar=False,
                enable_model_summary=False,
            )
        self.shard = Shard(self.trainer.global_rank, self.trainer.world_size)
        self.batches.share(self.shard)

    def train(self, checkpoint: Path | None) -> RunResult:
        """Fit, then evaluate what came out."""
        rows = self.fit(checkpoint)
        with self._explained():
            return self._conclude(rows)

    def fit(self, checkpoint: Path | None) -> list[Row]:
        """The figures of every epoch."""
        if self.config.precision == "bf16" and torch.backends.cpu.get_cpu_capability() == "AVX2":
            note("this CPU has no bf16 instructions; expect bf16 to be several times slower than fp32")
        validation = EvalBatches(self.dataset.val, self.dataset, shard=self.shard)
        with self._explained():
            self.trainer.fit(self.module, self.batches, validation, ckpt_path=checkpoint)
        return self.record.rows or read_rows(self.run / METRICS)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Failures end all processes, and are told as ours."""
        with quiet_lightning(), interrupts_raise(), failures_end_all(self.trainer), writing(self.run):
            yield

    def _conclude(self, rows: list[Row]) -> RunResult:
        best = max(rows, key=lambda row: row["val_accuracy"])
        result = RunResult(
            run=self.run,
            test_accuracy=self._accuracy(self.dataset.test),
            val_accuracy=self._accuracy(self.dataset.val),
            epochs=len(rows),
            seconds=round(sum(row["seconds"] for row in rows), 3),
            cpu_seconds=round(sum(row["cpu_seconds"] for row in rows), 3),
            best_val_accuracy=best["val_accuracy"],
            best_epoch=int(best["epoch"]) + 1,
        )
        if self.trainer.is_global_zero:
            write_json(self.run / RESULT, result.to_dict())
        return result

    def _accuracy(self, split: Split) -> float:
        """Over all images of the split, of which every process takes its shard."""
        counts = count_correct(self.network, EvalBatches(split, self.dataset, shard=self.shard))
        strategy = self.trainer.strategy
        correct, images = strategy.reduce(torch.tensor(counts, device=strategy.root_device), reduce_op="sum").tolist()
        if images == 0:
            raise DataError("accuracy needs at least one image; the split is empty")
        return float(correct / images)


def seed_everything(seed: int) -> None:
    """Seed Python's, numpy's and torch's global random streams."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def _training_images(config: RunConfig, dataset: Dataset) -> Split:
    wanted, given = config.train_images, len(dataset.train)
    if wanted is None or wanted == given:
        return dataset.train
    if wanted > given:
        raise ConfigError(f"{dataset.name} has {given} training images; train_images asks for {wanted}; give fewer")
    return dataset.train.take(stratified_holdout(dataset.train.labels, wanted)[1])


def _resolve(config: RunConfig, dataset: Dataset) -> RunConfig:
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
