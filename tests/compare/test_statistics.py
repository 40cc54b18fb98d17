"""Intervals and tests against scipy's own, and against what they must not claim."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from signbit.compare.statistics import compare_pairs, estimate, holm, verdict

shares = st.floats(0.01, 0.99).map(lambda x: round(x, 4))


@given(st.lists(shares, min_size=2, max_size=8, unique=True))
def test_interval_is_students(values: list[float]) -> None:
    low, high = stats.t.interval(0.95, len(values) - 1, np.mean(values), stats.sem(values))
    found = estimate(values)
    assert found.half_width is not None
    assert (found.mean - found.half_width, found.mean + found.half_width) == pytest.approx((low, high))


@given(st.lists(st.tuples(shares, shares), min_size=3, max_size=8))
def test_a_pair_is_scipys_paired_test(values: list[tuple[float, float]]) -> None:
    differences = np.subtract(*np.transpose(values))
    if np.ptp(differences) < 1e-9:
        return
    (pair,) = compare_pairs({"a": dict(enumerate(a for a, _ in values)), "b": dict(enumerate(b for _, b in values))})
    assert pair.p == pytest.approx(stats.ttest_rel(*np.transpose(values)).pvalue, rel=1e-6, abs=1e-12)


@given(st.lists(st.floats(0, 1), max_size=6))
def test_holm_only_raises_and_keeps_the_order(values: list[float]) -> None:
    adjusted = holm(values)
    assert all(p <= q <= 1 for p, q in zip(values, adjusted, strict=True))
    assert [adjusted[i] for i in np.argsort(values, kind="stable")] == sorted(adjusted)


def test_pairs_use_common_seeds_only() -> None:
    (pair,) = compare_pairs({"a": {0: 0.5, 1: 0.6, 9: 0.0}, "b": {1: 0.5, 0: 0.3, 5: 1.0}})
    assert pair.difference.mean == pytest.approx(0.15)
    assert (pair.difference.count, pair.p, pair.differ) == (2, None, False)


def test_equal_differences_are_not_tested() -> None:
    (pair,) = compare_pairs({"a": {0: 0.75, 1: 0.5, 2: 0.25}, "b": {0: 0.5, 1: 0.25, 2: 0.0}})
    assert pair.p is None
    assert "same at every seed" in verdict([pair])


@pytest.mark.parametrize("seeds", [1, 2])
def test_few_seeds_conclude_nothing(seeds: int) -> None:
    pairs = compare_pairs({"a": dict.fromkeys(range(seeds), 0.9), "b": dict.fromkeys(range(seeds), 0.1)})
    assert not any(pair.differ for pair in pairs)
    assert "nothing can be concluded" in verdict(pairs)


def test_the_verdict_counts_what_differs() -> None:
    scores = {
        "good": {0: 0.90, 1: 0.91, 2: 0.92},
        "same": {0: 0.905, 1: 0.90, 2: 0.925},
        "bad": {0: 0.1, 1: 0.12, 2: 0.12},
    }
    pairs = compare_pairs(scores)
    assert {(pair.first, pair.second): pair.differ for pair in pairs} == {
        ("good", "same"): False, ("good", "bad"): True, ("same", "bad"): True,
    }  # fmt: skip
    assert verdict(pairs).startswith("2 of 3 pairs differ")


def test_the_verdict_says_what_could_not_be_tested() -> None:
    scores = {"a": {0: 0.5, 1: 0.6, 2: 0.8}, "b": {0: 0.4, 1: 0.55, 2: 0.7}, "c": {0: 0.1}}
    text = verdict(compare_pairs(scores))
    assert "of 1 pairs differ" in text
    assert "2 more could not be tested" in text
    assert text.endswith("With 3 seeds only large differences can show.")
