"""The 8x8 handwritten digits that scikit-learn carries: nothing to fetch, trained in seconds."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np

from signbit.data.dataset import DATASETS, Dataset, Split
from signbit.data.splits import stratified_holdout
from signbit.errors import MissingDependencyError

TEST_IMAGES = 360
VAL_IMAGES = 144


@DATASETS.register(
    "digits",
    "1,797 grey 8x8 digits, bundled with scikit-learn; the default",
    "E. Alpaydin, C. Kaynak, Optical Recognition of Handwritten Digits (UCI), 1998",
)
def read_digits(data_dir: Path, download: bool) -> Dataset:  # noqa: ARG001 - every reader has the same signature
    """The bundled digits; 360 test images (20 %) and 144 validation images (10 % of the rest), stratified and fixed.

    The source has no published split. Pixels 0..16 are scaled to 0..255 and rounded.
    """
    if find_spec("sklearn") is None:
        raise MissingDependencyError("scikit-learn", "the data set 'digits'", "train")
    from sklearn.datasets import load_digits

    bundled = load_digits()
    images = np.rint(bundled.images[:, None] * (255 / 16)).astype(np.uint8)
    everything = Split(images, bundled.target.astype(np.int64))
    rest, test = stratified_holdout(everything.labels, TEST_IMAGES)
    development = everything.take(rest)
    train, val = stratified_holdout(development.labels, VAL_IMAGES)
    return Dataset(
        name="digits",
        train=development.take(train),
        val=development.take(val),
        test=everything.take(test),
        classes=tuple("0123456789"),
        mean=(0.305,),
        std=(0.376,),
        mode="L",
    )
