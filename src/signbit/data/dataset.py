"""What a data set is: three splits of images, their classes and the statistics that standardize them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from inspect import Parameter, signature
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from signbit.data.file_images import FileImages
from signbit.errors import ConfigError, DataError
from signbit.options import refuse_mistyped, refuse_unknown
from signbit.registry import Registry

Images = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.int64]
Mode = Literal["L", "RGB"]

NORMALIZATIONS: dict[str, tuple[float, float] | None] = {
    "standard": None,
    "unit": (0.0, 1.0),
    "symmetric": (0.5, 0.5),
}
"""What pixels in [0, 1] become, as mean and deviation of every channel. ``standard``: those of the training images;
``unit``: stay in [0, 1]; ``symmetric``: [-1, 1]."""


@dataclass(frozen=True, eq=False)
class Split:
    """Images uint8 ``[N, C, H, W]``, in memory or in their files, and their class indices int64 ``[N]``."""

    images: Images | FileImages
    labels: Labels

    def __post_init__(self) -> None:
        if self.images.ndim != 4 or self.images.dtype != np.uint8:
            raise DataError(
                f"a split needs uint8 images [N, C, H, W]; got {self.images.dtype} {list(self.images.shape)}; "
                "convert them first"
            )
        if self.labels.shape != self.images.shape[:1] or self.labels.dtype != np.int64:
            raise DataError(
                f"a split of {len(self.images)} images needs as many int64 labels; "
                f"got {self.labels.dtype} {list(self.labels.shape)}"
            )

    def __len__(self) -> int:
        return len(self.images)

    def take(self, indices: npt.NDArray[np.intp]) -> Split:
        """The images at ``indices``, in that order; those in files stay there."""
        return Split(self.images.take(indices, axis=0), self.labels[indices])

    def pieces(self, count: int) -> Iterator[Split]:
        """The split in order, ``count`` images at a time, in memory.

        Files that cannot be decoded are left out where the data set was read with ``on_bad_image="skip"``.
        """
        for start in range(0, len(self), count):
            part = slice(start, min(start + count, len(self)))
            if isinstance(self.images, FileImages):
                images, kept = self.images.readable(np.arange(part.start, part.stop))
                yield Split(images, self.labels[kept])
            else:
                yield Split(self.images[part], self.labels[part])


@dataclass(frozen=True)
class Card:
    """What a network has to know about the data it was made for; small enough to be stored beside the weights.

    Attributes
    ----------
    name : registered name of the data set.
    classes : names by class index.
    input_size : ``(1, C, H, W)``.
    mean, std : per channel, of pixels in [0, 1].
    mode : ``"L"`` (grey) or ``"RGB"``.
    """

    name: str
    classes: tuple[str, ...]
    input_size: tuple[int, int, int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    mode: Mode

    def file_metadata(self) -> dict[str, Any]:
        """What an exported file says of input and output: the keys ``labels`` and ``input`` of ``docs/format.md``."""
        return {
            "labels": list(self.classes),
            "input": {"mean": list(self.mean), "std": list(self.std), "mode": self.mode},
        }

    @staticmethod
    def from_dict(raw: dict[str, Any]) -> Card:
        """The inverse of :func:`dataclasses.asdict`, also after a trip through JSON.

        >>> from dataclasses import asdict
        >>> card = Card("grey", ("a", "b"), (1, 1, 8, 8), (0.5,), (0.25,), "L")
        >>> Card.from_dict(asdict(card)) == card
        True
        """
        fields: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in raw.items()}
        return Card(**fields)


@dataclass(frozen=True, eq=False)
class Dataset:
    """Three disjoint splits. Select on ``val``; touch ``test`` once, when everything is decided.

    Attributes
    ----------
    name : registered name.
    train, val, test : the splits; ``val`` is carved from the published training images, the same ones for every seed.
    classes : names by class index.
    mean, std : per channel, of training pixels in [0, 1].
    mode : ``"L"`` (grey) or ``"RGB"``.
    augment : the augmentation that published results on this data set use (a name of ``signbit.data.augment``).
    """

    name: str
    train: Split
    val: Split
    test: Split
    classes: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    mode: Mode
    augment: str = "none"

    def __post_init__(self) -> None:
        channels = {"L": 1, "RGB": 3}[self.mode]
        shapes = {split.images.shape[1:] for split in (self.train, self.val, self.test)}
        if len(shapes) != 1 or self.train.images.shape[1] != channels:
            raise DataError(
                f"data set {self.name!r}: images of mode {self.mode} need one shape [{channels}, H, W]; got {shapes}"
            )
        if not len(self.mean) == len(self.std) == channels or min(self.std) <= 0:
            raise DataError(
                f"data set {self.name!r}: mean and std need {channels} values, std positive; "
                f"got {self.mean} and {self.std}"
            )
        for split in (self.train, self.val, self.test):
            check_labels(split.labels, len(self.classes), self.name)

    def normalized(self, how: str) -> Dataset:
        """The same images with the mean and deviation of one of ``NORMALIZATIONS``; ``standard`` leaves what is there.

        Errors: :class:`ConfigError` for another name.
        """
        check_normalization(how)
        numbers = NORMALIZATIONS[how]
        if numbers is None:
            return self
        mean, std = ((number,) * len(self.mean) for number in numbers)
        return replace(self, mean=mean, std=std)

    @property
    def card(self) -> Card:
        """What to store beside a network trained on this data set."""
        channels, height, width = self.train.images.shape[1:]
        return Card(self.name, self.classes, (1, channels, height, width), self.mean, self.std, self.mode)


def check_normalization(how: str) -> None:
    """ConfigError unless ``how`` is one of ``NORMALIZATIONS``."""
    if how not in NORMALIZATIONS:
        raise ConfigError(f"setting 'normalize' must be one of {', '.join(NORMALIZATIONS)}; got {how!r}")


def check_labels(labels: npt.NDArray[Any], classes: int, source: str | Path) -> None:
    """Raise :class:`DataError` unless every label is a class index."""
    outside = np.flatnonzero((labels < 0) | (labels >= classes))
    if outside.size:
        first = int(outside[0])
        raise DataError(
            f"{source}: label {int(labels[first])} of image {first} is not one of the {classes} classes "
            f"(0..{classes - 1}); the file is damaged or of another data set, fetch it again"
        )


def normalize(images: Images | FileImages, mean: tuple[float, ...], std: tuple[float, ...]) -> npt.NDArray[np.float32]:
    """Standardize pixels per channel: ``(pixel / 255 - mean) / std``, in float32.

    Parameters
    ----------
    images : uint8 ``[N, C, H, W]``.
    mean, std : C numbers each, of pixels in [0, 1].

    Shape: ``[N, C, H, W]``, the same. ``signbit.data.batches`` computes the same bits with torch.

    >>> normalize(np.array([[[[0, 255]]]], np.uint8), (0.5,), (0.25,)).ravel()
    array([-2.,  2.], dtype=float32)
    """
    shape = (1, len(mean), 1, 1)
    unit = np.asarray(images).astype(np.float32) / np.float32(255)
    centred: npt.NDArray[np.float32] = unit - np.asarray(mean, np.float32).reshape(shape)
    return np.divide(centred, np.asarray(std, np.float32).reshape(shape))


Reader = Callable[..., Dataset]
"""Reads a data set from a folder; the flag allows downloading what is missing into it. What else it takes, by name, are
the options of the data set."""

DATASETS: Registry[Reader] = Registry("data set")


def default_data_dir() -> Path:
    """Where data sets are looked for when nobody says: ``$SIGNBIT_DATA``, or else ``~/.cache/signbit``."""
    return Path(os.environ.get("SIGNBIT_DATA") or "~/.cache/signbit").expanduser()


def load(name: str, data_dir: str | Path | None = None, download: bool = False, **options: Any) -> Dataset:
    """Read a registered data set.

    Parameters
    ----------
    name : a name of ``DATASETS``.
    data_dir : folder of the files; default :func:`default_data_dir`. Bundled data sets ignore it.
    download : fetch missing files from the official address into ``data_dir``. Default no.
    options : of the data set, by name, see :func:`check_options`.

    Errors: :class:`UnknownNameError`; :class:`ConfigError` for options that it does not have; :class:`DataError` if
    files are missing, damaged or inconsistent.
    """
    check_options(name, options)
    folder = default_data_dir() if data_dir is None else Path(data_dir).expanduser()
    return DATASETS[name].target(folder, download, **options)


def check_options(name: str, options: Mapping[str, object]) -> None:
    """ConfigError unless a registered data set takes ``options``: those are what its reader takes by name.

    >>> check_options("digits", {"size": 64})
    Traceback (most recent call last):
        ...
    signbit.errors.ConfigError: data set 'digits' has no setting 'size'; it has: none
    """
    reader = DATASETS[name].target
    known = [p.name for p in signature(reader).parameters.values() if p.kind is Parameter.KEYWORD_ONLY]
    refuse_unknown(f"data set {name!r}", options, known)
    refuse_mistyped(f"data set {name!r}", reader, options)
