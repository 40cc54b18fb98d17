"""Batches out of memory: uint8 tensors, shuffled, augmented and standardized a batch at a time. No worker processes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn

from signbit.data.augment import augment
from signbit.data.dataset import Card, Dataset, Split
from signbit.data.shard import Shard
from signbit.errors import ConfigError


def normalize_batch(images: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """Standardize float images in [0, 1]: ``(x - mean) / std``.

    After ``uint8.float() / 255`` the same bits as :func:`signbit.data.normalize`.

    Shape: images ``[N, C, H, W]``, mean and std ``[C, 1, 1]``.
    """
    return (images - mean) / std


class Order:
    """Which image comes when: a fresh permutation every epoch, a function of ``(seed, epoch)`` alone.

    So a resumed run sees what the uninterrupted one would have seen. Lightning finds it as a loader's ``sampler`` and
    calls :meth:`set_epoch`.
    """

    def __init__(self, count: int, seed: int) -> None:
        self.count, self.seed, self.epoch = count, seed, 0

    def set_epoch(self, epoch: int) -> None:
        """State the 0-based epoch that the next iteration belongs to."""
        self.epoch = epoch

    def draw(self) -> tuple[Tensor, np.random.Generator]:
        """The permutation of this epoch, and the stream that its batches draw their augmentation seeds from."""
        shuffle, stream = np.random.SeedSequence([self.seed, self.epoch]).spawn(2)
        return torch.from_numpy(np.random.default_rng(shuffle).permutation(self.count)), np.random.default_rng(stream)


class TrainBatches:
    """Shuffled, augmented batches of one size; the images left over at the end of an epoch wait for another epoch.

    Yields ``(images float32 [B, C, H, W] standardized, labels int64 [B])``; one of P processes gets ``B / P`` of them,
    and all of them together the batch that one process alone would get.

    Parameters
    ----------
    split : the training images.
    data : whose mean and standard deviation to use.
    batch_size : B, 1 .. len(split), over all processes.
    augmentation : a module built by ``signbit.data.augment``; default none.
    seed : of order and augmentation, >= 0.

    Errors: ConfigError for a batch that is larger than the split or cannot be divided among the processes.
    """

    def __init__(
        self, split: Split, data: Card | Dataset, *, batch_size: int, seed: int, augmentation: nn.Module | None = None
    ) -> None:
        if not 1 <= batch_size <= len(split):
            raise ConfigError(f"batch_size must be 1 .. {len(split)} (the number of training images); got {batch_size}")
        self.images, self.labels = torch.from_numpy(split.images), torch.from_numpy(split.labels)
        self.mean, self.std = _statistics(data)
        self.batch_size = batch_size
        self.augmentation = nn.Identity() if augmentation is None else augmentation
        self.sampler = Order(len(split), seed)
        self._shard = Shard()

    def share(self, shard: Shard) -> None:
        """Yield this process's part of every batch from now on."""
        if self.batch_size % shard.count:
            raise ConfigError(
                f"batch_size is the number of images a step, over all processes; {self.batch_size} cannot be divided "
                f"among {shard.count} processes; give a multiple of {shard.count}"
            )
        self._shard = shard

    def __len__(self) -> int:
        return len(self.labels) // self.batch_size

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        order, stream = self.sampler.draw()
        for index in torch.split(order[: len(self) * self.batch_size], self.batch_size):
            seed = int(stream.integers(1 << 63, size=self._shard.count)[self._shard.rank])
            own = self._shard.of(index)
            images = augment(self.images[own].float().div_(255), self.augmentation, seed)
            yield normalize_batch(images, self.mean, self.std), self.labels[own]


class EvalBatches:
    """Every image once, in order, unaugmented; sizes of batches differ by at most one.

    Of several processes each gets the images of its shard, and all the same number of batches: a collective operation
    in a batch would otherwise wait for ever. No image is repeated to fill up.

    Parameters
    ----------
    split, data : as in :class:`TrainBatches`.
    batch_size : images at once in a process, at most; >= 1. Among several processes 1 may mean 2, for none is empty.
    shard : which part of the images; default all.

    Errors: ConfigError for a batch below 1, or where there are fewer images than processes.
    """

    def __init__(
        self, split: Split, data: Card | Dataset, *, batch_size: int = 250, shard: Shard | None = None
    ) -> None:
        shard = shard or Shard()
        if batch_size < 1:
            raise ConfigError(f"batch_size must be at least 1; got {batch_size}")
        if shard.count > max(1, len(split)):
            raise ConfigError(f"{len(split)} images cannot be divided among {shard.count} processes; use fewer")
        self.images, self.labels = (shard.of(torch.from_numpy(part)) for part in (split.images, split.labels))
        self.mean, self.std = _statistics(data)
        self._count = min(-(-len(split) // (shard.count * batch_size)), len(split) // shard.count)

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        if not self._count:
            return
        parts = (torch.tensor_split(rows, self._count) for rows in (self.images, self.labels))
        for images, labels in zip(*parts, strict=True):
            yield normalize_batch(images.float().div_(255), self.mean, self.std), labels


def _statistics(data: Card | Dataset) -> tuple[Tensor, Tensor]:
    return torch.tensor(data.mean).view(-1, 1, 1), torch.tensor(data.std).view(-1, 1, 1)
