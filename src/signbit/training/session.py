"""One go at training a run: everything that takes part, from its settings to its claim."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.loggers import TensorBoardLogger

from signbit.callbacks import EpochRecord, FlipRates, TimeBudget
from signbit.callbacks.record import Row, read_rows
from signbit.data import Dataset, Split
from signbit.data.augment import AUGMENTATIONS
from signbit.data.loaders import eval_batches, train_batches
from signbit.data.shard import Shard
from signbit.data.splits import stratified_holdout
from signbit.errors import ConfigError, DataError
from signbit.methods import RunInfo, create_optimizer, resolve
from signbit.training.allocator import keep_freed_memory
from signbit.training.checkpoints import AtomicCheckpointIO, checkpoint_callbacks
from signbit.training.config import RunConfig
from signbit.training.evaluation import count_correct
from signbit.training.folder import (
    METRICS,
    RESULT,
    RunResult,
    build_network,
    write_json,
)
from signbit.training.manners import interrupts_raise, note, quiet_lightning, writing
from signbit.training.module import Classifier
from signbit.training.processes import check_started, failures_end_all, strategy_for
from signbit.training.rates import rate_shape, with_schedules


class Session:
    """Everything that takes part in one call of :func:`fit`, :func:`resume` or :func:`fit_trial`."""

    def __init__(self, config: RunConfig, dataset: Dataset, run: Path, watchers: Sequence[Callback]) -> None:
        self.config, self.dataset, self.run = config, dataset, run
        check_started(config.processes)
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
        validation = eval_batches(self.dataset.val, self.dataset, shard=self.shard)
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
        counts = count_correct(self.network, eval_batches(split, self.dataset, shard=self.shard))
        strategy = self.trainer.strategy
        correct, images = strategy.reduce(torch.tensor(counts, device=strategy.root_device), reduce_op="sum").tolist()
        if images == 0:
            raise DataError("accuracy needs at least one image; the split has none that can be read")
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
