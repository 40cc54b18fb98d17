"""CIFAR-10 in its official binary form: six files of records, one label octet and 3072 pixel octets each."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from signbit.data.dataset import DATASETS, Dataset, Split, check_labels
from signbit.data.download import Remote, fetch, unpack
from signbit.data.splits import stratified_holdout
from signbit.errors import DataError

FOLDER = "cifar-10-batches-bin"
TRAIN_FILES = tuple(f"data_batch_{i}.bin" for i in range(1, 6))
TEST_FILE = "test_batch.bin"
RECORDS, SHAPE = 10_000, (3, 32, 32)
RECORD_BYTES = 1 + 3 * 32 * 32
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
VAL_IMAGES = 5_000
ARCHIVE = Remote(
    "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz", 170_052_171, "md5", "c32a1d4ab5d03f1284b67883e8d87530"
)


@DATASETS.register(
    "cifar10",
    "60,000 colour 32x32 pictures of 10 classes (official binary version)",
    "A. Krizhevsky, Learning multiple layers of features from tiny images, 2009",
)
def read_cifar10(data_dir: Path, download: bool) -> Dataset:
    """CIFAR-10; 5,000 validation images (10 %, 500 of each class, fixed) are carved from the 50,000 training images.

    ``data_dir`` is the folder ``cifar-10-batches-bin`` itself or the one that holds it.
    """
    folder = _locate(data_dir, download)
    batches = [_read_batch(folder / name) for name in TRAIN_FILES]
    published = Split(np.concatenate([b.images for b in batches]), np.concatenate([b.labels for b in batches]))
    train, val = stratified_holdout(published.labels, VAL_IMAGES)
    return Dataset(
        name="cifar10",
        train=published.take(train),
        val=published.take(val),
        test=_read_batch(folder / TEST_FILE),
        classes=CLASSES,
        mean=(0.4914, 0.4822, 0.4465),
        std=(0.2470, 0.2435, 0.2616),
        mode="RGB",
        augment="crop-flip",
    )


def _locate(data_dir: Path, download: bool) -> Path:
    names = (*TRAIN_FILES, TEST_FILE)
    for folder in (data_dir, data_dir / FOLDER):
        if all((folder / name).is_file() for name in names):
            return folder
    if download:
        unpack(fetch(ARCHIVE, data_dir), data_dir)
        return data_dir / FOLDER
    there = "it does not exist" if not data_dir.is_dir() else "it does not hold all of them"
    raise DataError(
        f"data set 'cifar10' not found in {data_dir} ({there}); expected {', '.join(names)} there or in {FOLDER}/; "
        f"allow the download (--download) or unpack {ARCHIVE.url}"
    )


def _read_batch(path: Path) -> Split:
    if not path.is_file():
        raise DataError(f"{path} is missing; delete {path.parent} and fetch the data set again")
    expected, size = RECORDS * RECORD_BYTES, path.stat().st_size
    if size != expected:
        raise DataError(f"{path} is damaged: expected {expected} bytes, it has {size}; delete it and fetch it again")
    records = np.fromfile(path, np.uint8).reshape(RECORDS, RECORD_BYTES)
    labels = records[:, 0].astype(np.int64)
    check_labels(labels, len(CLASSES), path)
    return Split(np.ascontiguousarray(records[:, 1:]).reshape(RECORDS, *SHAPE), labels)
