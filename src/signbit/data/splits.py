"""The validation split: fixed, stratified, and independent of the training seed."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

SPLIT_SEED = 20_200_229
"""One constant for every data set: a run's own seed must not change which images it is selected on."""


def stratified_holdout(
    labels: npt.NDArray[np.int64], count: int, seed: int = SPLIT_SEED
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Indices to keep and ``count`` indices to hold out, each class in its own proportion (to within one image).

    Both come back sorted. The same on every machine and numpy version: ``RandomState`` streams are frozen.

    >>> kept, held = stratified_holdout(np.array([0, 0, 0, 0, 1, 1, 1, 1]), 2)
    >>> len(kept), [int(label) for label in np.array([0, 0, 0, 0, 1, 1, 1, 1])[held]]
    (6, [0, 1])
    """
    random = np.random.RandomState(seed)
    rank = np.empty(len(labels))
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        # Ranks within each shuffled class, as fractions: the lowest ones of all classes are a stratified sample.
        rank[random.permutation(members)] = (np.arange(len(members)) + 0.5) / len(members)
    order = np.argsort(rank, kind="stable")
    return np.sort(order[count:]), np.sort(order[:count])
