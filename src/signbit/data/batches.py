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


class Shuffled:
    """What training batches of every kind share: their size, their order and this process's part of them.

    Parameters
    ----------
    count : training images.
    batch_size : 1 .. count, over all processes; the images left over at the end of an epoch wait for another epoch.
    seed : of order and augmentation, >= 0.

    Errors: ConfigError for a batch that is larger than the split or cannot be divided among the processes.
    """

    def __init__(self, count: int, batch_size: int, seed: int) -> None:
        if not 1 <= batch_size <= count:
            raise ConfigError(f"batch_size must be 1 .. {count} (the number of training images); got {batch_size}")
        self.batch_size = batch_size
        self.sampler = Order(count, seed)
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
        return self.sampler.count // self.batch_size

    def draws(self) -> Iterator[tuple[Tensor, int]]:
        """Of every batch of this epoch: which images this process takes, and the seed of their augmentation."""
        order, stream = self.sampler.draw()
        for index in torch.split(order[: len(self) * self.batch_size], self.batch_size):
            seeds = stream.integers(1 << 63, size=self._shard.count)
            yield self._shard.of(index), int(seeds[self._shard.rank])


class TrainBatches(Shuffled):
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
        super().__init__(len(split), batch_size, seed)
        self.images, self.labels = torch.from_numpy(np.asarray(split.images)), torch.from_numpy(split.labels)
        self.mean, self.std = _statistics(data)
        self.augmentation = nn.Identity() if augmentation is None else augmentation

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for own, seed in self.draws():
            images = augment(self.images[own].float().div_(255), self.augmentation, seed)
            yield normalize_batch(images, self.mean, self.std), self.labels[own]


def eval_batch_count(images: int, batch_size: int, shard: Shard) -> int:
    """How many batches every process makes of its shard: enough for ``batch_size``, and none empty.

    Errors: ConfigError for a batch below 1, or where there are fewer images than processes.

    >>> eval_batch_count(501, 250, Shard()), eval_batch_count(5, 1, Shard(0, 2))
    (3, 2)
    """
    if batch_size < 1:
        raise ConfigError(f"batch_size must be at least 1; got {batch_size}")
    if shard.count > max(1, images):
        raise ConfigError(f"{images} images cannot be divided among {shard.count} processes; use fewer")
    return min(-(-images // (shard.count * batch_size)), images // shard.count)


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
        self._count = eval_batch_count(len(split), batch_size, shard)
        rows = (np.asarray(split.images), split.labels)
        self.images, self.labels = (shard.of(torch.from_numpy(part)) for part in rows)
        self.mean, self.std = _statistics(data)

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
