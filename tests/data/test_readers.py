from __future__ import annotations

import gzip
import hashlib
import os
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from signbit.data import DATASETS, Dataset, cifar10, load, mnist
from signbit.data.dataset import default_data_dir
from signbit.data.idx import read_idx
from signbit.errors import DataError, UnknownNameError

from .conftest import FileServer

REAL = Path(os.environ.get("SIGNBIT_DATA", "/nonexistent"))
needs_real_data = pytest.mark.skipif(not REAL.is_dir(), reason="SIGNBIT_DATA is not the folder of the real data sets")


def idx(array: np.ndarray) -> bytes:
    return (
        bytes((0, 0, 8, array.ndim)) + struct.pack(f">{array.ndim}I", *array.shape) + array.astype(np.uint8).tobytes()
    )


def write_mnist(folder: Path, *, zipped: bool = True) -> None:
    """The four files, 100 training and 20 test images, each image filled with its label."""
    folder.mkdir(parents=True, exist_ok=True)
    for part, count in (("train", 100), ("t10k", 20)):
        labels = np.arange(count) % 10
        images = np.broadcast_to(labels[:, None, None], (count, 28, 28))
        for name, array in ((f"{part}-images-idx3-ubyte", images), (f"{part}-labels-idx1-ubyte", labels)):
            data = idx(array)
            (folder / (f"{name}.gz" if zipped else name)).write_bytes(gzip.compress(data) if zipped else data)


def write_cifar(folder: Path, records: int) -> None:
    """The six files; pixel octets of record i of file f are ``f`` in the red, ``i % 251`` in the other planes."""
    folder.mkdir(parents=True, exist_ok=True)
    for f, name in enumerate((*cifar10.TRAIN_FILES, cifar10.TEST_FILE)):
        i = np.arange(records)
        record = np.empty((records, cifar10.RECORD_BYTES), np.uint8)
        record[:, 0] = i % 10
        record[:, 1:1025] = f
        record[:, 1025:] = (i % 251)[:, None]
        record.tofile(folder / name)


def check_splits(dataset: Dataset, train: int, val: int, test: int) -> None:
    assert (len(dataset.train), len(dataset.val), len(dataset.test)) == (train, val, test)
    counts = np.bincount(dataset.val.labels, minlength=len(dataset.classes))
    everywhere = counts + np.bincount(dataset.train.labels, minlength=len(dataset.classes))
    assert np.abs(counts - everywhere * val / (train + val)).max() <= 1


def test_unknown_names_get_close_matches() -> None:
    with pytest.raises(UnknownNameError, match="did you mean cifar10"):
        load("cifar-10")


def test_default_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGNBIT_DATA", "somewhere")
    assert default_data_dir() == Path("somewhere")
    monkeypatch.delenv("SIGNBIT_DATA")
    assert default_data_dir() == Path.home() / ".cache/signbit"


def test_every_entry_is_described() -> None:
    assert set(DATASETS.names()) >= {"digits", "mnist", "fashion-mnist", "cifar10", "imagenet", "image-folder"}
    assert all(entry.summary for entry in DATASETS)
    assert [entry.name for entry in DATASETS if not entry.reference] == ["image-folder"], "everybody's own pictures"


def test_digits() -> None:
    digits = load("digits")
    check_splits(digits, 1293, 144, 360)
    assert digits.train.images.shape[1:] == (1, 8, 8)
    assert digits.train.images.max() == 255
    assert digits.card.input_size == (1, 1, 8, 8)
    pixels = digits.train.images / 255
    np.testing.assert_allclose([pixels.mean(), pixels.std()], [*digits.mean, *digits.std], atol=1e-3)
    images = [split.images.reshape(len(split), -1) for split in (digits.train, digits.val, digits.test)]
    assert len(np.unique(np.concatenate(images), axis=0)) == 1797, "the splits overlap"


def test_splits_do_not_change() -> None:
    digits = load("digits")
    for split, expected in ((digits.val, "DIGITS_VAL"), (digits.test, "DIGITS_TEST")):
        assert hashlib.sha256(split.images.tobytes() + split.labels.tobytes()).hexdigest()[:16] == PINNED[expected]


PINNED = {"DIGITS_VAL": "845397420ed1e47f", "DIGITS_TEST": "a588a82652e16d82"}


@pytest.mark.parametrize("folder", [".", "fashion_mnist", "FashionMNIST/raw"])
@pytest.mark.parametrize("zipped", [True, False])
def test_idx_files_are_found_where_people_have_them(tmp_path: Path, folder: str, zipped: bool) -> None:
    write_mnist(tmp_path / folder, zipped=zipped)
    dataset = load("fashion-mnist", tmp_path)
    check_splits(dataset, 90, 10, 20)
    for split in (dataset.train, dataset.val, dataset.test):
        assert (split.images == split.labels[:, None, None, None]).all()
        assert split.images.flags.writeable, "torch warns about what nobody may write to"


def test_missing_files_say_what_is_expected_and_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(DataError) as error:
        load("mnist", tmp_path / "nowhere")
    for part in ("nowhere", "does not exist", "t10k-labels-idx1-ubyte.gz", "--download", mnist.MNIST.files[0].folder):
        assert part in str(error.value)
    with pytest.raises(DataError, match=r"does not hold all of them.*test_batch\.bin"):
        load("cifar10", tmp_path)


def spoil(path: Path, change: Callable[[bytes], bytes]) -> None:
    path.write_bytes(change(path.read_bytes()))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data[:10], "header of 16 bytes was expected, 10"),
        (lambda data: data[:-1], "78400 bytes of content were announced, 78399 are there"),
        (lambda data: data + b"x", "more are there"),
        (lambda data: b"\0\0\x08\x01" + data[4:], "starts with 00 00 08 01, expected 00 00 08 03"),
        (lambda data: data[:4] + b"\xff" * 12 + data[16:], "announced, 78400 are there"),
        (lambda _: idx(np.zeros((100, 27, 28))), r"images of \(27, 28\) pixels"),
        (lambda _: idx(np.zeros((99, 28, 28))), "99 images but .* 100 labels"),
    ],
    ids=["header", "short", "long", "magic", "huge", "size", "count"],
)
def test_damaged_idx_files_are_named(tmp_path: Path, change: Callable[[bytes], bytes], message: str) -> None:
    write_mnist(tmp_path, zipped=False)
    spoil(tmp_path / "train-images-idx3-ubyte", change)
    with pytest.raises(DataError, match=f"train-images-idx3-ubyte.*{message}"):
        load("mnist", tmp_path)


@pytest.mark.parametrize("keep", [0, 9, 200])
def test_damaged_gzip_is_named(tmp_path: Path, keep: int) -> None:
    write_mnist(tmp_path)
    spoil(tmp_path / "train-images-idx3-ubyte.gz", lambda data: data[:keep])
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte\.gz is damaged"):
        load("mnist", tmp_path)


def test_flipped_bits_in_gzip_are_named(tmp_path: Path) -> None:
    write_mnist(tmp_path)
    path = tmp_path / "train-labels-idx1-ubyte.gz"
    spoil(path, lambda data: data[:-6] + bytes([data[-6] ^ 1]) + data[-5:])
    with pytest.raises(DataError, match="gzip stream of 40 bytes is broken"):
        read_idx(path, rank=1)


def test_labels_out_of_range_are_named(tmp_path: Path) -> None:
    write_mnist(tmp_path, zipped=False)
    spoil(tmp_path / "t10k-labels-idx1-ubyte", lambda data: data[:-1] + bytes([10]))
    with pytest.raises(DataError, match="label 10 of image 19 is not one of the 10 classes"):
        load("mnist", tmp_path)


@pytest.mark.parametrize("sub", ["", cifar10.FOLDER])
def test_cifar_is_found_in_the_folder_or_its_parent(tmp_path: Path, sub: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cifar10, "RECORDS", 100)
    monkeypatch.setattr(cifar10, "VAL_IMAGES", 50)
    write_cifar(tmp_path / sub, 100)
    dataset = load("cifar10", tmp_path)
    check_splits(dataset, 450, 50, 100)
    assert dataset.card.input_size == (1, 3, 32, 32)
    image = dataset.test.images[37]
    assert (image[0] == 5).all(), "the red plane comes first"
    assert (image[1:] == 37).all()
    assert dataset.test.labels[37] == 7


def test_damaged_cifar_files_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cifar10, "RECORDS", 100)
    write_cifar(tmp_path, 100)
    spoil(tmp_path / "data_batch_3.bin", lambda data: bytes([200]) + data[1:])
    with pytest.raises(DataError, match=r"data_batch_3\.bin: label 200 of image 0"):
        load("cifar10", tmp_path)
    spoil(tmp_path / "data_batch_3.bin", lambda data: data[:-1])
    with pytest.raises(DataError, match=r"data_batch_3\.bin is damaged: expected 307300 bytes, it has 307299"):
        load("cifar10", tmp_path)


def test_download_on_request(tmp_path: Path, server: FileServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """CIFAR's archive from a local server: fetched, unpacked, read; the second call needs no server."""
    import tarfile

    monkeypatch.setattr(cifar10, "RECORDS", 100)
    monkeypatch.setattr(cifar10, "VAL_IMAGES", 50)
    write_cifar(tmp_path / "made" / cifar10.FOLDER, 100)
    with tarfile.open(tmp_path / "made.tar.gz", "w:gz") as tar:
        tar.add(tmp_path / "made" / cifar10.FOLDER, cifar10.FOLDER)
    server.content = (tmp_path / "made.tar.gz").read_bytes()
    digest = hashlib.md5(server.content, usedforsecurity=False).hexdigest()
    monkeypatch.setattr(cifar10, "ARCHIVE", cifar10.Remote(server.url, len(server.content), "md5", digest))
    for _ in range(2):
        assert len(load("cifar10", tmp_path / "data", download=True).test) == 100
    assert len(server.requests) == 1


@needs_real_data
@pytest.mark.data
@pytest.mark.parametrize("source", [mnist.MNIST, mnist.FASHION_MNIST], ids=lambda source: source.name)
def test_real_idx_files(source: mnist.Source) -> None:
    dataset = load(source.name, REAL)
    check_splits(dataset, 54_000, 6_000, 10_000)
    pixels = dataset.train.images / np.float32(255)
    np.testing.assert_allclose([pixels.mean(), pixels.std()], [*dataset.mean, *dataset.std], atol=1e-3)
    # Copies may be compressed differently: only files of the published size can have the published checksum.
    sizes = {remote.name: remote for remote in source.files}
    same_size = [p for p in (REAL / source.folders[0]).glob("*.gz") if p.stat().st_size == sizes[p.name].bytes]
    assert len(same_size) >= 2
    assert all(sizes[path.name].matches(path) for path in same_size)


@needs_real_data
@pytest.mark.data
def test_real_cifar10() -> None:
    if not (REAL / cifar10.FOLDER).is_dir():
        pytest.skip(f"SIGNBIT_DATA holds no {cifar10.FOLDER}")
    dataset = load("cifar10", REAL)
    check_splits(dataset, 45_000, 5_000, 10_000)
    assert (np.bincount(dataset.test.labels) == 1000).all()
    pixels = dataset.train.images[::5] / np.float32(255)
    np.testing.assert_allclose(pixels.mean((0, 2, 3)), dataset.mean, atol=2e-3)
    np.testing.assert_allclose(pixels.std((0, 2, 3)), dataset.std, atol=2e-3)
