"""What a few seeds allow one to say: intervals over seeds, and paired tests with as much doubt as is due."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import fmean, stdev
from typing import Any

from scipy import stats

CONFIDENCE = 0.95
LEAST_SEEDS = 3
"""Common seeds below which a pair is not tested: with two, one degree of freedom says nothing."""


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds; ``half_width`` of its confidence interval, None for a single value."""

    mean: float
    half_width: float | None
    count: int


@dataclass(frozen=True)
class Pair:
    """How two settings differ over the seeds that both have.

    Attributes
    ----------
    first, second : names of the settings.
    difference : of first minus second, seed by seed.
    p : of the paired t-test, adjusted by Holm over all pairs that were tested; None where none was made.
    """

    first: str
    second: str
    difference: Estimate
    p: float | None

    @property
    def differ(self) -> bool:
        """Whether the test rejects that both are equally good."""
        return self.p is not None and self.p < 1 - CONFIDENCE


def estimate(values: Sequence[float]) -> Estimate:
    """Mean and ``t_{n-1} s / sqrt(n)``, the half width of a 95 % interval.

    Parameters
    ----------
    values : one figure a seed, at least one.

    >>> estimate([0.5])
    Estimate(mean=0.5, half_width=None, count=1)
    >>> print(f"{estimate([1.0, 2.0, 3.0]).half_width:.3f}")
    2.484
    """
    count = len(values)
    if count < 2:
        return Estimate(values[0], None, count)
    quantile = float(stats.t.ppf((1 + CONFIDENCE) / 2, count - 1))
    return Estimate(fmean(values), quantile * stdev(values) / math.sqrt(count), count)


def compare_pairs(scores: Mapping[str, Mapping[Any, float]]) -> list[Pair]:
    """Every pair of settings with common seeds, compared by a two-sided paired t-test.

    Pairs of fewer than three common seeds are not tested, nor those whose difference is the same at every seed (the
    test knows no spread then).

    Parameters
    ----------
    scores : setting -> seed, or whatever else makes two figures a pair -> figure.

    >>> a, b = {0: 0.90, 1: 0.92, 2: 0.91}, {0: 0.80, 1: 0.83, 2: 0.81}
    >>> [(pair.first, pair.second, pair.differ) for pair in compare_pairs({"a": a, "b": b})]
    [('a', 'b', True)]
    """
    pairs: list[tuple[str, str, Estimate]] = []
    raw: list[float | None] = []
    for first, second in combinations(scores, 2):
        seeds = sorted(scores[first].keys() & scores[second].keys())
        if seeds:
            difference = estimate([scores[first][seed] - scores[second][seed] for seed in seeds])
            pairs.append((first, second, difference))
            raw.append(_p_value(difference))
    adjusted = iter(holm([p for p in raw if p is not None]))
    return [Pair(*pair, None if p is None else next(adjusted)) for pair, p in zip(pairs, raw, strict=True)]


def holm(p_values: Sequence[float]) -> list[float]:
    """P values adjusted for their number: the i-th smallest of m is multiplied by ``m - i + 1`` and stays in order.

    Reference: Holm, A Simple Sequentially Rejective Multiple Test Procedure, 1979.

    >>> holm([0.04, 0.01, 0.03])
    [0.06, 0.03, 0.06]
    """
    adjusted, highest = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = highest
    return adjusted


def verdict(pairs: Sequence[Pair]) -> str:
    """What may be concluded, in a sentence or two.

    >>> verdict([Pair("a", "b", estimate([0.1]), None)])
    'Too few common seeds (1) for a test, which takes 3: nothing can be concluded about which setting is better.'
    """
    if not pairs:
        return "There is nothing to compare: no two settings have a data set and a seed in common."
    tested = [pair for pair in pairs if pair.p is not None]
    if not tested:
        fewest = min(pair.difference.count for pair in pairs)
        if fewest < LEAST_SEEDS:
            return (
                f"Too few common seeds ({fewest}) for a test, which takes {LEAST_SEEDS}: "
                "nothing can be concluded about which setting is better."
            )
        return "No pair could be tested: their differences are the same at every seed."
    differ = sum(pair.differ for pair in tested)
    text = (
        f"{differ or 'None'} of {len(tested)} pairs differ in test accuracy at the "
        f"{100 * (1 - CONFIDENCE):.0f} % level (two-sided t-test paired over seeds, adjusted by Holm for "
        f"{len(tested)} comparisons). {'The other pairs' if differ else 'They'} are not ranked. Only the seed of "
        "training varies: the test images are the same in all runs."
    )
    if len(tested) < len(pairs):
        text += f" {len(pairs) - len(tested)} more could not be tested: too few common seeds, or no spread."
    fewest = min(pair.difference.count for pair in tested)
    if fewest < 5:
        text += f" With {fewest} seeds only large differences can show."
    return text


def _p_value(difference: Estimate) -> float | None:
    if difference.half_width is None or difference.count < LEAST_SEEDS:
        return None
    if difference.half_width < 1e-12:
        return None
    freedom = difference.count - 1
    error = difference.half_width / float(stats.t.ppf((1 + CONFIDENCE) / 2, freedom))
    return float(2 * stats.t.sf(abs(difference.mean) / error, freedom))
