"""MNIST and Fashion-MNIST: four idx files each, 28x28 grey."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from signbit.data.dataset import DATASETS, Dataset, Split
from signbit.data.download import Remote, fetch
from signbit.data.idx import read_idx
from signbit.data.splits import stratified_holdout
from signbit.errors import DataError

VAL_IMAGES = 6_000
SIZE = (28, 28)


@dataclass(frozen=True)
class Source:
    """Where one data set of this family comes from. ``files``: train images, train labels, test images, test labels."""

    name: str
    folders: tuple[str, ...]
    files: tuple[Remote, Remote, Remote, Remote]
    classes: tuple[str, ...]
    mean: float
    std: float


def _remotes(address: str, *checks: tuple[int, str]) -> tuple[Remote, Remote, Remote, Remote]:
    names = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
    a, b, c, d = (
        Remote(f"{address}/{name}-ubyte.gz", bytes_, "md5", digest)
        for name, (bytes_, digest) in zip(names, checks, strict=True)
    )
    return a, b, c, d


MNIST = Source(
    name="mnist",
    folders=("mnist", "MNIST/raw", "MNIST"),
    files=_remotes(
        "https://ossci-datasets.s3.amazonaws.com/mnist",
        (9_912_422, "f68b3c2dcbeaaa9fbdd348bbdeb94873"),
        (28_881, "d53e105ee54ea40749a09fcbcd1e9432"),
        (1_648_877, "9fb629c4189551a2d022fa330f9573f3"),
        (4_542, "ec29112dd5afa0611ce80d1b7f02629c"),
    ),
    classes=tuple("0123456789"),
    mean=0.1307,
    std=0.3081,
)

FASHION_MNIST = Source(
    name="fashion-mnist",
    folders=("fashion_mnist", "fashion-mnist", "FashionMNIST/raw", "FashionMNIST"),
    files=_remotes(
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com",
        (26_421_880, "8d4fb7e6c68d591d4c3dfef9ec88bf0d"),
        (29_515, "25c81989df183df01b3e8a0aad5dffbe"),
        (4_422_102, "bef4ecab320f06d8554ea6380940ec79"),
        (5_148, "bb300cfdad3c16e7a12a480ee83cd310"),
    ),
    classes=(
        "t-shirt/top",
        "trouser",
        "pullover",
        "dress",
        "coat",
        "sandal",
        "shirt",
        "sneaker",
        "bag",
        "ankle boot",
    ),
    mean=0.2860,
    std=0.3530,
)


@DATASETS.register(
    "mnist",
    "70,000 grey 28x28 digits (idx.gz)",
    "Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, Gradient-based learning applied to document recognition, 1998",
)
def read_mnist(data_dir: Path, download: bool) -> Dataset:
    """MNIST; 6,000 validation images (10 %, stratified, fixed) are carved from the 60,000 training images."""
    return _read(MNIST, data_dir, download)


@DATASETS.register(
    "fashion-mnist",
    "70,000 grey 28x28 pictures of clothes (idx.gz)",
    "H. Xiao, K. Rasul, R. Vollgraf, Fashion-MNIST: a novel image dataset for benchmarking, 2017",
)
def read_fashion_mnist(data_dir: Path, download: bool) -> Dataset:
    """Fashion-MNIST; 6,000 validation images (10 %, stratified, fixed) are carved from the 60,000 training images."""
    return _read(FASHION_MNIST, data_dir, download)


def _read(source: Source, data_dir: Path, download: bool) -> Dataset:
    images, labels, test_images, test_labels = _locate(source, data_dir, download)
    published = _read_split(images, labels)
    test = _read_split(test_images, test_labels)
    train, val = stratified_holdout(published.labels, min(VAL_IMAGES, len(published) // 10))
    return Dataset(
        name=source.name,
        train=published.take(train),
        val=published.take(val),
        test=test,
        classes=source.classes,
        mean=(source.mean,),
        std=(source.std,),
        mode="L",
    )


def _locate(source: Source, data_dir: Path, download: bool) -> list[Path]:
    """The four files, gzipped or not, in ``data_dir`` itself or in the sub-folders that other tools make."""
    names = [remote.name for remote in source.files]
    # The sub-folder named after the data set goes first: a folder that holds MNIST's four files itself may also hold
    # Fashion-MNIST's, under the same four names, in a sub-folder.
    for folder in (*(data_dir / sub for sub in source.folders), data_dir):
        found = [_variant(folder / name) for name in names]
        if all(found):
            return [path for path in found if path]
    if download:
        return [fetch(remote, data_dir / source.folders[0]) for remote in source.files]
    there = "it does not exist" if not data_dir.is_dir() else "it does not hold all of them"
    raise DataError(
        f"data set {source.name!r} not found in {data_dir} ({there}); expected {', '.join(names)} there or in "
        f"{source.folders[0]}/; allow the download (--download) or get them from {source.files[0].folder}"
    )


def _variant(path: Path) -> Path | None:
    return next((p for p in (path, path.with_suffix("")) if p.is_file()), None)


def _read_split(images: Path, labels: Path) -> Split:
    pixels = read_idx(images, rank=3)
    targets = read_idx(labels, rank=1)
    if pixels.shape[1:] != SIZE:
        raise DataError(f"{images} holds images of {pixels.shape[1:]} pixels, expected {SIZE}; is it another data set?")
    if len(pixels) != len(targets):
        raise DataError(
            f"{images} holds {len(pixels)} images but {labels} {len(targets)} labels; the files do not belong together"
        )
    return Split(pixels[:, None], targets.astype(np.int64))
