"""Batches out of image files: decoded, augmented and standardized by worker processes, in an order of our own."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from signbit.data.augment import augment
from signbit.data.batches import Shuffled, eval_batch_count, normalize_batch
from signbit.data.dataset import Card, Dataset, Split
from signbit.data.file_images import FileImages
from signbit.data.resized_crop import ResizedCropFlip
from signbit.data.shard import Shard
from signbit.errors import DataError

Indices = npt.NDArray[np.intp]


@dataclass(frozen=True)
class _Draw:
    """One batch to be: which images, and what chance is made of."""

    positions: Indices
    epoch: int
    seed: int


Loaded = tuple[Tensor, Tensor, list[str]]
"""Standardized images, their labels, and what is wrong with the files that are missing among them."""


class _Batches(TorchDataset[Loaded]):
    """What worker processes hold: makes whole batches, so that no image crosses from one process to another alone."""

    def __init__(self, split: Split, data: Card | Dataset, seed: int, augmentation: nn.Module | None) -> None:
        assert isinstance(split.images, FileImages)
        self.images, self.labels = split.images, split.labels
        self.mean, self.std = (torch.tensor(numbers).view(-1, 1, 1) for numbers in (data.mean, data.std))
        self.seed, self.augmentation = seed, augmentation

    def __getitem__(self, draw: _Draw) -> Loaded:
        pixels, kept, wrong = [], [], []
        for position in map(int, draw.positions):
            try:
                pixels.append(self._image(position, draw.epoch))
            except DataError as error:  # a string crosses processes whole; an exception would arrive with their traces
                wrong.append(str(error))
            else:
                kept.append(position)
        array = np.array(pixels, np.uint8).reshape(-1, *self.images.shape[1:])
        images = torch.from_numpy(array).float().div_(255)
        if self.augmentation is not None and not isinstance(self.augmentation, ResizedCropFlip) and kept:
            images = augment(images, self.augmentation, draw.seed)
        return normalize_batch(images, self.mean, self.std), torch.from_numpy(self.labels[kept]), wrong

    def _image(self, position: int, epoch: int) -> npt.NDArray[np.uint8]:
        if not isinstance(self.augmentation, ResizedCropFlip):
            return self.images.centre(position)
        picture = self.images.open(position)
        # An image's chance is its own: whoever decodes it, in whatever company, cuts out the same part.
        random = np.random.default_rng([self.seed, epoch, position])
        crop = self.augmentation.draw(*picture.size, random)
        return self.images.cut(picture, crop.box, crop.mirrored)


def _load(batches: _Batches, draws: Sequence[_Draw]) -> Iterator[tuple[Tensor, Tensor]]:
    """The batches in the order of their draws, whichever worker is first."""
    with warnings.catch_warnings():
        # More workers than cores is the user's own wish: disks can be the slower part.
        warnings.filterwarnings("ignore", "This DataLoader will create", UserWarning)
        loader: Any = DataLoader(
            batches,
            batch_size=None,
            sampler=draws,
            num_workers=min(batches.images.workers, len(draws)),
            pin_memory=torch.cuda.is_available(),
        )
        started = iter(loader)
    for images, labels, wrong in started:
        for text in wrong:
            batches.images.refuse(DataError(text))
        if not len(labels):
            raise DataError(f"none of the {len(wrong)} images of a batch can be read; is the disk still there?")
        yield images, labels


class FileTrainBatches(Shuffled):
    """Shuffled, augmented batches of one size, from files; see :class:`~signbit.data.batches.TrainBatches`.

    Order and augmentation follow from ``seed`` and epoch alone: they do not depend on the number of workers. Of several
    processes each decodes its own part of every batch, and all of them together see the batch that one process alone
    would see. The images left over at the end of an epoch, fewer than ``batch_size``, wait for another epoch.

    A file that cannot be decoded stops the run; or, where such files are passed over, its batch is smaller by one.

    Parameters
    ----------
    split : the training images, in files.
    data : whose mean and standard deviation to use.
    batch_size : 1 .. len(split), over all processes.
    seed : of order and augmentation, >= 0.
    augmentation : a module built by ``signbit.data.augment``; default none. A
        :class:`~signbit.data.resized_crop.ResizedCropFlip` cuts its parts out of the whole pictures.

    Errors: ConfigError for a batch that is larger than the split or cannot be divided among the processes; DataError
    while iterating, naming the file that cannot be decoded, or when none of a batch can be.
    """

    def __init__(
        self, split: Split, data: Card | Dataset, *, batch_size: int, seed: int, augmentation: nn.Module | None = None
    ) -> None:
        super().__init__(len(split), batch_size, seed)
        self._batches = _Batches(split, data, seed, augmentation)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        draws = [_Draw(own.numpy(), self.sampler.epoch, seed) for own, seed in self.draws()]
        yield from _load(self._batches, draws)


class FileEvalBatches:
    """Every image once, in order, its central square; see :class:`~signbit.data.batches.EvalBatches`.

    Of several processes each gets the images of its shard, and all the same number of batches. No image is repeated to
    fill up. Where files that cannot be decoded are passed over, batches are smaller.

    Parameters
    ----------
    split, data : as in :class:`FileTrainBatches`.
    batch_size : images at once in a process, at most; >= 1. Among several processes 1 may mean 2, for none is empty.
    shard : which part of the images; default all.

    Errors: ConfigError for a batch below 1, or where there are fewer images than processes; DataError as above.
    """

    def __init__(
        self, split: Split, data: Card | Dataset, *, batch_size: int = 250, shard: Shard | None = None
    ) -> None:
        shard = shard or Shard()
        count = eval_batch_count(len(split), batch_size, shard)
        own = shard.of(torch.arange(len(split)))
        self._draws = [_Draw(part.numpy(), 0, 0) for part in torch.tensor_split(own, count)] if count else []
        self._batches = _Batches(split, data, 0, None)

    def __len__(self) -> int:
        return len(self._draws)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        return _load(self._batches, self._draws)
