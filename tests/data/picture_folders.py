"""Small folders of pictures for the tests of image files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

CLASSES = ("ant", "bee", "cat")


def write_pictures(folder: Path, count: int, *, classes: tuple[str, ...] = CLASSES, suffix: str = ".png") -> None:
    """``count`` pictures a class, each of a size and contents of its own, bright in the channel of its class."""
    for label, name in enumerate(classes):
        (folder / name).mkdir(parents=True)
        for i in range(count):
            random = np.random.default_rng([label, i])
            height, width = random.integers(18, 40, 2)
            pixels = random.integers(0, 90, (height, width, 3), dtype=np.uint8)
            pixels[..., label % 3] += 150
            Image.fromarray(pixels).save(folder / name / f"{i:03}{suffix}")


def write_dataset(folder: Path, *, train: int = 12, **others: int) -> Path:
    """Folders ``train`` and, by default, ``val``, or those that are named with their pictures a class."""
    for split, count in {"train": train, **(others or {"val": 4})}.items():
        write_pictures(folder / split, count)
    return folder
