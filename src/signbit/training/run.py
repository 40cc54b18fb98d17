"""A run: trained, recorded in a folder, resumable, and read back."""

from __future__ import annotations

import json
import logging
import random
import signal
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch import Trainer
from lightning.pytorch.loggers import TensorBoardLogger
from torch import nn

from signbit.callbacks import EpochRecord, FlipRates, Progress
from signbit.callbacks.record import read_rows
from signbit.data import Card, Dataset, load
from signbit.data.augment import AUGMENTATIONS
from signbit.data.batches import EvalBatches, TrainBatches
from signbit.errors import ConfigError, SignbitError
from signbit.files import write_bytes_atomically
from signbit.methods import METHODS, create_model, create_optimizer
from signbit.training.checkpoints import (
    LAST,
    AtomicCheckpointIO,
    checkpoint_callbacks,
    network_weights,
    read_checkpoint,
)
from signbit.training.config import RunConfig
from signbit.training.environment import environment
from signbit.training.evaluation import evaluate
from signbit.training.module import Classifier
from signbit.training.rates import rate_shape
from signbit.training.step_time import torch_threads

CONFIG, CARD, ENVIRONMENT, METRICS, RESULT = (
    "config.yaml",
    "data.json",
    "environment.json",
    "metrics.csv",
    "result.json",
)


@dataclass(frozen=True)
class RunResult:
    """What a finished run claims. Accuracies are shares, 0 .. 1, in float32, of the network after the last epoch.

    Attributes
    ----------
    run : its folder.
    test_accuracy : over every test image; evaluated once, when training was over.
    val_accuracy : over every validation image.
    epochs : trained.
    seconds : of all epochs, validation included, summed over interruptions.
    best_val_accuracy, best_epoch : the best epoch on validation as logged during training, counted from 1; its weights
        are in ``checkpoints/best.ckpt``.
    """

    run: Path
    test_accuracy: float
    val_accuracy: float
    epochs: int
    seconds: float
    best_val_accuracy: float
    best_epoch: int

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {**asdict(self), "run": str(self.run)}


def fit(config: RunConfig) -> RunResult:
    """Train a network as ``config`` says and record the run in ``config.out``.

    The folder gets ``config.yaml`` (every setting resolved), ``data.json``, ``environment.json``, ``metrics.csv`` (one
    row per epoch), ``checkpoints/`` (last and best on validation), ``tensorboard/`` and, at the end, ``result.json``.
    The same config and number of threads give the same weights.

    Errors: :class:`ConfigError` for settings that do not fit together or a folder in use, :class:`DataError`,
    :class:`NonFiniteLossError`. After Ctrl-C (:class:`KeyboardInterrupt`) the run can be resumed.
    """
    dataset = load(config.data, config.data_dir, config.download)
    config = _resolve(config, dataset)
    assert config.out is not None
    run = Path(config.out)
    if run.exists() and (not run.is_dir() or any(run.iterdir())):
        raise ConfigError(f"the folder of a run must be new or empty; {run} is not; choose another --out, or resume it")
    with torch_threads(config.threads) if config.threads else nullcontext():
        session = _Session(config, dataset, run)
        run.mkdir(parents=True, exist_ok=True)
        config.to_yaml(run / CONFIG)
        _write_json(run / CARD, asdict(dataset.card))
        _write_json(run / ENVIRONMENT, environment(config.seed))
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
    if (run / RESULT).is_file():
        return RunResult(**{**_read_json(run / RESULT), "run": run})
    if data_dir is not None:
        config = replace(config, data_dir=data_dir)
    dataset = load(config.data, config.data_dir, config.download)
    checkpoint = run / LAST
    with torch_threads(config.threads) if config.threads else nullcontext():
        return _Session(config, dataset, run).train(checkpoint if checkpoint.is_file() else None)


def read_config(run: str | Path) -> RunConfig:
    """The resolved settings of a run."""
    path = Path(run) / CONFIG
    if not path.is_file():
        raise ConfigError(f"{run} is not the folder of a run: it holds no {CONFIG}; signbit train makes one")
    return RunConfig.from_yaml(path)


def read_card(run: str | Path) -> Card:
    """What a run's network has to know about its data: classes, input size, mean and standard deviation."""
    return Card.from_dict(_read_json(Path(run) / CARD))


def load_run(run: str | Path, checkpoint: str = LAST) -> tuple[nn.Module, RunConfig]:
    """The network of a run in evaluation mode, and the run's settings.

    Parameters
    ----------
    run : folder that :func:`fit` made.
    checkpoint : which one, relative to the folder; default the last epoch's, which is the one the result is about.
    """
    config, card = read_config(run), read_card(run)
    network = _network(config, card)
    network.load_state_dict(network_weights(read_checkpoint(Path(run) / checkpoint)))
    return network.eval(), config


class _Session:
    """Everything that takes part in one call of :func:`fit` or :func:`resume`."""

    def __init__(self, config: RunConfig, dataset: Dataset, run: Path) -> None:
        self.config, self.dataset, self.run = config, dataset, run
        seed_everything(config.seed)
        augmentation = AUGMENTATIONS[config.augment or "none"].target(*dataset.card.input_size[2:])
        self.batches = TrainBatches(
            dataset.train, dataset, batch_size=config.batch_size, seed=config.seed, augmentation=augmentation
        )
        steps = config.epochs * len(self.batches)
        self.network = _network(config, dataset.card)
        # Only some rules have a learning rate; the composite keeps torch's key `lr` for those.
        optimizer = create_optimizer(
            self.network, method=config.method, total_steps=steps, lr=config.learning_rate, **config.optimizer
        )
        self.module = Classifier(
            self.network,
            optimizer,
            rate_shape(config.schedule or "constant", steps),
            num_classes=len(dataset.classes),
            compile=config.compile,
        )

    def train(self, checkpoint: Path | None) -> RunResult:
        """Fit, then evaluate what came out."""
        record = EpochRecord(self.run / METRICS)
        with _quiet_lightning():
            trainer = Trainer(
                max_epochs=self.config.epochs,
                precision="bf16-mixed" if self.config.precision == "bf16" else "32-true",
                devices=1,
                callbacks=[FlipRates(self.network), record, Progress(), *checkpoint_callbacks(self.run)],
                logger=TensorBoardLogger(self.run, name="tensorboard", version="")
                if self.config.tensorboard
                else False,
                plugins=[AtomicCheckpointIO()],
                num_sanity_val_steps=0,
                log_every_n_steps=1,
                enable_progress_bar=False,
                enable_model_summary=False,
            )
            with _interrupts_raise():
                trainer.fit(
                    self.module, self.batches, EvalBatches(self.dataset.val, self.dataset), ckpt_path=checkpoint
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
            best_val_accuracy=best["val_accuracy"],
            best_epoch=int(best["epoch"]) + 1,
        )
        _write_json(self.run / RESULT, result.to_dict())
        return result


def seed_everything(seed: int) -> None:
    """Seed Python's, numpy's and torch's global random streams."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def _resolve(config: RunConfig, dataset: Dataset) -> RunConfig:
    """``config`` with every ``None`` replaced by what it means here, except threads."""
    defaults = METHODS[config.method].target.defaults
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


def _network(config: RunConfig, card: Card) -> nn.Module:
    return create_model(
        config.model,
        method=config.method,
        num_classes=len(card.classes),
        input_size=card.input_size,
        **config.model_options,
    )


@contextmanager
def _interrupts_raise() -> Iterator[None]:
    """Lightning answers Ctrl-C by ignoring the signal for good and exiting; callers of ours get KeyboardInterrupt."""
    main = signal.getsignal(signal.SIGINT)
    try:
        yield
    except SystemExit as error:
        if isinstance(error.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from error
        raise
    finally:
        if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
            signal.signal(signal.SIGINT, main)


@contextmanager
def _quiet_lightning() -> Iterator[None]:
    """Keep Lightning's notices about itself off the console; its errors stay."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric", "lightning")]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"lightning\..*")
            yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)


def _write_json(path: Path, content: dict[str, Any]) -> None:
    write_bytes_atomically(path, (json.dumps(content, indent=2) + "\n").encode())


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise SignbitError(f"cannot read {path} of the run: {error}; is the folder complete?") from error
    if not isinstance(content, dict):
        raise SignbitError(f"{path} must hold a JSON object; it holds {type(content).__name__}")
    return content
