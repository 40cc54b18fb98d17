"""Batches of a split, wherever its images are: in memory or in files."""

from __future__ import annotations

from torch import nn

from signbit.data.batches import EvalBatches, TrainBatches
from signbit.data.dataset import Card, Dataset, Split
from signbit.data.file_batches import FileEvalBatches, FileTrainBatches
from signbit.data.file_images import FileImages
from signbit.data.shard import Shard


def train_batches(
    split: Split, data: Card | Dataset, *, batch_size: int, seed: int, augmentation: nn.Module | None = None
) -> TrainBatches | FileTrainBatches:
    """Shuffled, augmented batches; for the parameters see :class:`~signbit.data.batches.TrainBatches`."""
    kind = FileTrainBatches if isinstance(split.images, FileImages) else TrainBatches
    return kind(split, data, batch_size=batch_size, seed=seed, augmentation=augmentation)


def eval_batches(
    split: Split, data: Card | Dataset, *, batch_size: int = 250, shard: Shard | None = None
) -> EvalBatches | FileEvalBatches:
    """Every image once, in order; for the parameters see :class:`~signbit.data.batches.EvalBatches`."""
    kind = FileEvalBatches if isinstance(split.images, FileImages) else EvalBatches
    return kind(split, data, batch_size=batch_size, shard=shard)
