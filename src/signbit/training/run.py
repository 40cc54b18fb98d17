"""A run: trained, recorded in a folder, resumable, and read back."""

from __future__ import annotations

import random
import sys
import time
from contextlib import nullcontext
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch
from lightning.pytorch import Trainer
from lightning.pytorch.loggers import TensorBoardLogger

from signbit.callbacks import EpochRecord, FlipRates, Progress
from signbit.callbacks.record import read_rows
from signbit.data import Dataset, Split
from signbit.data.augment import AUGMENTATIONS
from signbit.data.loaders import eval_batches, train_batches
from signbit.data.splits import stratified_holdout
from signbit.errors import ConfigError
from signbit.methods import RunInfo, create_optimizer, resolve
from signbit.training.allocator import keep_freed_memory
from signbit.training.checkpoints import LAST, AtomicCheckpointIO, checkpoint_callbacks
from signbit.training.config import RunConfig
from signbit.training.environment import environment
from signbit.training.evaluation import evaluate
from signbit.training.folder import (
    CARD,
    CONFIG,
    ENVIRONMENT,
    METRICS,
    RESULT,
    RunResult,
    build_network,
    read_config,
    read_result,
    write_json,
)
from signbit.training.manners import interrupts_raise, quiet_lightning
from signbit.training.module import Classifier
from signbit.training.rates import rate_shape, with_schedules
from signbit.training.step_time import torch_threads


def fit(config: RunConfig) -> RunResult:
    """Train a network as ``config`` says and record the run in ``config.out``.

    The folder gets ``config.yaml`` (every setting resolved), ``data.json``, ``environment.json``, ``metrics.csv`` (one
    row per epoch), ``checkpoints/`` (last and best on validation), ``tensorboard/`` and, at the end, ``result.json``.
    The same config and number of threads give the same weights.

    Errors: :class:`ConfigError` for settings that do not fit together or a folder in use, :class:`DataError`,
    :class:`NonFiniteLossError`. After Ctrl-C (:class:`KeyboardInterrupt`) the run can be resumed.
    """
    dataset = config.load_data()
    config = _resolve(config, dataset)
    assert config.out is not None
    run = Path(config.out)
    if run.exists() and (not run.is_dir() or any(run.iterdir())):
        raise ConfigError(f"the folder of a run must be new or empty; {run} is not; choose another --out, or resume it")
    with torch_threads(config.threads) if config.threads else nullcontext():
        session = _Session(config, dataset, run)
        run.mkdir(parents=True, exist_ok=True)
        config.to_yaml(run / CONFIG)
        write_json(run / CARD, asdict(dataset.card))
        write_json(run / ENVIRONMENT, environment(config.seed))
        return session.train(checkpoint=None)


def resume(run: str | Path, *, data_dir: str | None = None) -> RunResult:
    """Continue a run from its last whole epoch; the final weights are those of a run that was not interrupted.

    A finished run returns its recorded result.

    Parameters
    ----------
    run : folder that :func:`fit` made.
    data_dir : where the data set is now, if it has moved.
    """
    run = Path(run)
    config = read_config(run)
    if (result := read_result(run)) is not None:
        return result
    if data_dir is not None:
        config = replace(config, data_dir=data_dir)
    dataset = config.load_data()
    checkpoint = run / LAST
    with torch_threads(config.threads) if config.threads else nullcontext():
        return _Session(config, dataset, run).train(checkpoint if checkpoint.is_file() else None)


class _Session:
    """Everything that takes part in one call of :func:`fit` or :func:`resume`."""

    def __init__(self, config: RunConfig, dataset: Dataset, run: Path) -> None:
        self.config, self.dataset, self.run = config, dataset, run
        keep_freed_memory()
        seed_everything(config.seed)
        augmentation = AUGMENTATIONS[config.augment or "none"].target(*dataset.card.input_size[2:])
        self.batches = train_batches(
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
        self.callbacks = method.callbacks(self.network, RunInfo(config.epochs, len(self.batches), rate))

    def train(self, checkpoint: Path | None) -> RunResult:
        """Fit, then evaluate what came out."""
        record = EpochRecord(self.run / METRICS)
        if self.config.precision == "bf16" and torch.backends.cpu.get_cpu_capability() == "AVX2":
            print(
                "note: this CPU has no bf16 instructions; expect bf16 to be several times slower than fp32",
                file=sys.stderr,
            )
        with quiet_lightning():
            trainer = Trainer(
                max_epochs=self.config.epochs,
                precision="bf16-mixed" if self.config.precision == "bf16" else "32-true",
                devices=1,
                callbacks=[
                    *self.callbacks,
                    FlipRates(self.network),
                    record,
                    Progress(),
                    *checkpoint_callbacks(self.run),
                ],
                logger=TensorBoardLogger(self.run, name="tensorboard", version="")
                if self.config.tensorboard
                else False,
                plugins=[AtomicCheckpointIO()],
                num_sanity_val_steps=0,
                log_every_n_steps=1,
                enable_progress_bar=False,
                enable_model_summary=False,
            )
            with interrupts_raise():
                trainer.fit(
                    self.module, self.batches, eval_batches(self.dataset.val, self.dataset), ckpt_path=checkpoint
                )
        return self._conclude(record.rows or read_rows(self.run / METRICS))

    def _conclude(self, rows: list[dict[str, float]]) -> RunResult:
        best = max(rows, key=lambda row: row["val_accuracy"])
        result = RunResult(
            run=self.run,
            test_accuracy=evaluate(self.network, self.dataset, self.dataset.test),
            val_accuracy=evaluate(self.network, self.dataset, self.dataset.val),
            epochs=len(rows),
            seconds=round(sum(row["seconds"] for row in rows), 3),
            cpu_seconds=round(sum(row["cpu_seconds"] for row in rows), 3),
            best_val_accuracy=best["val_accuracy"],
            best_epoch=int(best["epoch"]) + 1,
        )
        write_json(self.run / RESULT, result.to_dict())
        return result


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
