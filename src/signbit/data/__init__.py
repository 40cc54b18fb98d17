"""Data sets, in memory or in image files: readers, splits, downloads, augmentation.

Everything that this package exports is numpy alone; ``batches``, ``file_batches``, ``loaders`` and ``augment`` need
torch and are imported by name.
"""

from signbit.data import cifar10, digits, image_folder, mnist  # each registers itself; digits first, it is the default
from signbit.data.dataset import DATASETS, Card, Dataset, Split, load, normalize
from signbit.data.file_images import FileImages

__all__ = [
    "DATASETS",
    "Card",
    "Dataset",
    "FileImages",
    "Split",
    "cifar10",
    "digits",
    "image_folder",
    "load",
    "mnist",
    "normalize",
]
