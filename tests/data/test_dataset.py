from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signbit.data import Dataset, Split
from signbit.data.splits import stratified_holdout
from signbit.errors import DataError


def split(count: int = 4, channels: int = 1, labels: list[int] | None = None) -> Split:
    targets = np.array(labels if labels is not None else [i % 2 for i in range(count)], np.int64)
    return Split(np.zeros((count, channels, 3, 3), np.uint8), targets)


def dataset(**changes: object) -> Dataset:
    fields: dict[str, object] = {
        "name": "toy", "train": split(), "val": split(), "test": split(), "classes": ("a", "b"),
        "mean": (0.5,), "std": (0.5,), "mode": "L",
    }  # fmt: skip
    return Dataset(**{**fields, **changes})  # type: ignore[arg-type]


@settings(derandomize=True, deadline=None)
@given(st.lists(st.integers(0, 4), min_size=1, max_size=200), st.data())
def test_holdout_is_a_stratified_partition(labels: list[int], data: st.DataObject) -> None:
    count = data.draw(st.integers(0, len(labels)))
    array = np.array(labels)
    kept, held = stratified_holdout(array, count)
    assert sorted([*kept, *held]) == list(range(len(labels)))
    assert len(held) == count
    for label in set(labels):
        exact = labels.count(label) * count / len(labels)
        assert abs((array[held] == label).sum() - exact) <= 1


def test_holdout_is_fixed() -> None:
    labels = np.arange(30) % 3
    assert stratified_holdout(labels, 6)[1].tolist() == stratified_holdout(labels, 6)[1].tolist()
    assert stratified_holdout(labels, 6)[1].tolist() == PINNED


PINNED = [1, 6, 8, 11, 15, 25]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"val": split(labels=[0, 1, 2, 0])}, "label 2 of image 2 is not one of the 2 classes"),
        ({"test": split(labels=[0, -1, 1, 0])}, "label -1 of image 1"),
        ({"mode": "RGB"}, "mode RGB need one shape"),
        ({"val": split(channels=3)}, "need one shape"),
        ({"std": (0.0,)}, "std positive"),
        ({"mean": (0.1, 0.2)}, "need 1 values"),
    ],
)
def test_inconsistent_data_sets_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        dataset(**changes)


def test_inconsistent_splits_are_refused() -> None:
    with pytest.raises(DataError, match="uint8 images"):
        Split(np.zeros((2, 1, 3, 3), np.float32), np.zeros(2, np.int64))  # type: ignore[arg-type]
    with pytest.raises(DataError, match="2 images needs as many int64 labels"):
        Split(np.zeros((2, 1, 3, 3), np.uint8), np.zeros(3, np.int64))


def test_readers_need_no_torch() -> None:
    code = (
        "import sys\n"
        "from signbit.data import load, normalize\n"
        "d = load('digits'); print(normalize(d.test.images, d.mean, d.std).dtype, 'torch' in sys.modules)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "float32 False"
