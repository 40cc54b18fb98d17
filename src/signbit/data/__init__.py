"""Data sets in memory: readers, splits, downloads, batched augmentation.

Everything that this package exports is numpy alone; ``batches`` and ``augment`` need torch and are imported by name.
"""

from signbit.data import cifar10, digits, mnist  # each registers itself; digits first, it is the default
from signbit.data.dataset import DATASETS, Card, Dataset, Split, load, normalize

__all__ = ["DATASETS", "Card", "Dataset", "Split", "cifar10", "digits", "load", "mnist", "normalize"]
