"""Folders of image files, one folder a class: ImageNet's own layout, and everybody's."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from signbit.data.dataset import DATASETS, Dataset, Split
from signbit.data.file_images import FileImages
from signbit.data.splits import stratified_holdout
from signbit.errors import ConfigError, DataError

SUFFIXES = (".jpeg", ".jpg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm")
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
CROP = 224 / 256
"""Published side of the central square as a share of the shorter side it is cut from."""
MOST_WORKERS = 8
IMAGENET_CLASSES = 1000
IMAGENET_VALIDATION = 50_000
VALIDATION_SHARE = 0.1
VALIDATION_NAMES = ("validation", "val")


@DATASETS.register(
    "image-folder",
    "your own pictures: folders train and val, or train, validation and test, in each one folder a class",
)
def read_image_folder(
    data_dir: Path,
    download: bool,  # noqa: ARG001 - every reader has the same signature
    *,
    size: int = 224,
    resize: int | None = None,
    validation: int | None = None,
    on_bad_image: str = "stop",
    workers: int | None = None,
) -> Dataset:
    """Pictures in class folders, decoded when they are needed.

    With ``test``, that is the test split and ``validation`` or ``val`` the validation split. Without it, ``val`` (or
    ``validation``) is the test split. Where no folder is left for validation, it is carved from ``train``: stratified,
    the same images for every seed.

    Parameters
    ----------
    data_dir : the folder that holds them.
    download : ignored; there is no address to fetch from.
    size : side of the images that a network gets; default 224.
    resize : shorter side that a picture is scaled to before its central square is taken; default ``size * 256 / 224``.
    validation : images to carve from ``train``; default a tenth.
    on_bad_image : "stop" (default) at a file that cannot be decoded, or "skip" it.
    workers : processes to decode in, by rank; 0 for none; default one a core, at most 8. The images are the same.

    Standardized with ImageNet's mean and deviation.
    """
    return _read(
        "image-folder", data_dir, validation,
        size=size, resize=resize, on_bad_image=on_bad_image, workers=workers,
    )  # fmt: skip


@DATASETS.register(
    "imagenet",
    "1.28 million pictures of 1000 classes (ILSVRC 2012): folders train and val, in each one folder a class",
    "Russakovsky, Deng, Su, Krause, Satheesh, Ma, Huang, Karpathy, Khosla, Bernstein, Berg, Fei-Fei, ImageNet Large "
    "Scale Visual Recognition Challenge, 2015",
)
def read_imagenet(
    data_dir: Path,
    download: bool,  # noqa: ARG001 - every reader has the same signature
    *,
    size: int = 224,
    resize: int | None = None,
    validation: int = IMAGENET_VALIDATION,
    on_bad_image: str = "stop",
    workers: int | None = None,
) -> Dataset:
    """ImageNet, whose published validation images are the test split here.

    50,000 validation images (50 of each class, the same ones for every seed) are carved from ``train``. ``data_dir``
    holds ``train`` and ``val``, or is the folder above ``imagenet``. It cannot be fetched: image-net.org wants an
    account. For parameters see :func:`read_image_folder`.
    """
    inside = data_dir / "imagenet"
    return _read(
        "imagenet", inside if inside.is_dir() else data_dir, validation, IMAGENET_CLASSES,
        size=size, resize=resize, on_bad_image=on_bad_image, workers=workers,
    )  # fmt: skip


def _read(name: str, data_dir: Path, validation: int | None, class_count: int | None = None, **how: Any) -> Dataset:
    how = _file_settings(**how)
    train_dir, val_dir, test_dir = _layout(name, data_dir)
    classes = _class_names(train_dir)
    if class_count not in (None, len(classes)):
        raise DataError(
            f"data set {name!r} has {class_count} classes, {train_dir} has {len(classes)} class folders; complete it, "
            "or read a part of it with --data image-folder"
        )
    train = _scan(train_dir, classes, how, complete=True)
    if val_dir is None:
        count = round(VALIDATION_SHARE * len(train)) if validation is None else validation
        if not 1 <= count < len(train):
            raise ConfigError(
                f"data set {name!r}: validation is 1 .. {len(train) - 1}, fewer than the training images; got {count}"
            )
        kept, held = stratified_holdout(train.labels, count)
        train, val = train.take(kept), train.take(held)
    elif validation is not None:
        raise ConfigError(f"data set {name!r} has its own folder {val_dir}; remove the option 'validation'")
    else:
        val = _scan(val_dir, classes, how)
    test = _scan(test_dir, classes, how)
    return Dataset(name, train, val, test, classes, MEAN, STD, "RGB", augment="resized-crop-flip")


def _file_settings(*, size: int, resize: int | None, on_bad_image: str, workers: int | None) -> dict[str, Any]:
    """What :class:`FileImages` takes, from a data set's options."""
    if on_bad_image not in ("stop", "skip"):
        raise ConfigError(f"on_bad_image is one of stop, skip; got {on_bad_image!r}")
    shorter = round(size / CROP) if resize is None else resize
    if not 1 <= size <= shorter:
        raise ConfigError(f"size is at least 1 and resize at least as large; got size={size}, resize={resize}")
    processes = min(MOST_WORKERS, os.cpu_count() or 1) if workers is None else workers
    if processes < 0:
        raise ConfigError(f"workers is 0 (decode in the same process) or more; got {workers}")
    return {"size": size, "resize": shorter, "skip_unreadable": on_bad_image == "skip", "workers": processes}


def _layout(name: str, data_dir: Path) -> tuple[Path, Path | None, Path]:
    """The folders of training, validation (None: to be carved from training) and test images."""
    there = {entry.name for entry in os.scandir(data_dir) if entry.is_dir()} if data_dir.is_dir() else set()
    held_out = [folder for folder in VALIDATION_NAMES if folder in there]
    if "train" in there and len(held_out) <= 1 and (held_out or "test" in there):
        folders = [data_dir / folder for folder in held_out]
        if "test" in there:
            return data_dir / "train", folders[0] if folders else None, data_dir / "test"
        return data_dir / "train", None, folders[0]
    found = "it does not exist" if not data_dir.is_dir() else f"it holds {_listed(there) or 'no folders'}"
    raise DataError(
        f"data set {name!r} not found in {data_dir} ({found}); expected the folders train and val, or train, "
        "validation and test, in each one folder a class; state where they are with --data-dir"
    )


def _class_names(folder: Path) -> tuple[str, ...]:
    names = sorted(entry.name for entry in os.scandir(folder) if entry.is_dir() and not entry.name.startswith("."))
    if not names:
        raise DataError(f"{folder} holds no class folders; put the images of each class into a folder with its name")
    return tuple(names)


def _scan(folder: Path, classes: Sequence[str], how: dict[str, Any], complete: bool = False) -> Split:
    """The image files of every class, sorted by class and name."""
    unknown = sorted(set(_class_names(folder)) - set(classes))
    if unknown:
        raise DataError(
            f"{folder} has class folders that train has not: {_listed(unknown)}; the classes must be the same"
        )
    names: list[bytes] = []
    counts = []
    for name in classes:
        found = _image_names(folder / name) if (folder / name).is_dir() else []
        if not found and (complete or (folder / name).is_dir()):
            raise DataError(
                f"{folder / name} holds no image file ({', '.join(SUFFIXES)}); remove the folder or fill it"
            )
        names += [os.fsencode(f"{name}/{file}") for file in found]
        counts.append(len(found))
    labels: npt.NDArray[np.int64] = np.repeat(np.arange(len(classes)), counts)
    return Split(FileImages(folder, np.array(names, np.bytes_), **how), labels)


def _image_names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in os.scandir(folder) if entry.name.lower().endswith(SUFFIXES))


def _listed(names: Iterable[str], most: int = 5) -> str:
    ordered = sorted(names)
    return ", ".join(ordered[:most]) + (f" and {len(ordered) - most} more" if len(ordered) > most else "")
