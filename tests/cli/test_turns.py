"""Turns: everything runs in every round, after a pause and uncounted runs; ratios are formed round by round."""

from __future__ import annotations

import itertools

import pytest

from signbit.cli import turns
from signbit.cli.turns import Ratio, in_turns, interleaved, seconds


@pytest.mark.parametrize(("repeats", "rounds"), [(1, 1), (9, 9), (10, 10), (25, 10)])
def test_counted_runs_are_spread_over_the_rounds(repeats: int, rounds: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "PAUSE", 0.0)
    monkeypatch.setattr(turns, "WARM_UP_SECONDS", 0.0)
    ran = {"a": itertools.count(), "b": itertools.count()}
    found = list(in_turns({name: lambda name=name: (name, next(ran[name])) for name in ran}, repeats))
    assert len(found) == rounds
    for name, counter in ran.items():
        counts = [len(each[name]) for each in found]
        assert (sum(counts), max(counts) - min(counts) <= 1) == (repeats, True)
        assert next(counter) == repeats + rounds * turns.WARM_UPS
        assert found[0][name][0] == (name, turns.WARM_UPS)


def test_a_turn_begins_when_the_threads_of_the_one_before_have_come_to_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    happened: list[object] = []
    monkeypatch.setattr("time.sleep", happened.append)
    monkeypatch.setattr(turns, "WARM_UP_SECONDS", 0.0)
    list(in_turns({name: lambda name=name: happened.append(name) for name in "ab"}, repeats=1))
    assert happened == [turns.PAUSE, *"aaa", turns.PAUSE, *"bbb"]
    assert turns.PAUSE >= 0.01  # torch's threads were seen to spin for 4 ms


def test_what_is_fast_warms_up_as_long_as_what_is_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    now = 0.0
    monkeypatch.setattr("time.perf_counter", lambda: now)

    def engine(took: float) -> int:
        nonlocal now
        now += took
        return next(ran)

    counted = {}
    for took in (turns.WARM_UP_SECONDS / 8, turns.WARM_UP_SECONDS * 8):
        ran = itertools.count()
        counted[took] = [found["a"] for found in in_turns({"a": lambda took=took: engine(took)}, repeats=1)]
    assert list(counted.values()) == [[[8]], [[turns.WARM_UPS]]]


def test_a_ratio_does_not_see_a_drift_that_both_see() -> None:
    drift = (1.0, 1.5, 2.0, 1.2)
    assert Ratio.of([3 * x for x in drift], [2 * x for x in drift]) == pytest.approx((1.5, 1.5, 1.5))
    assert Ratio.of([6.0], [3.0]) == (2.0, 2.0, 2.0)


def test_seconds_are_those_of_the_call(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([5.0, 7.5])
    monkeypatch.setattr("time.perf_counter", lambda: next(clock))
    assert seconds(lambda x: x, None) == 2.5


def test_interleaved_keeps_every_counted_run_of_every_engine() -> None:
    times = interleaved({"a": lambda x: x, "b": lambda x: x}, None, repeats=12)
    assert {name: len(found) for name, found in times.items()} == {"a": 12, "b": 12}
    assert all(found > 0 for found in [*times["a"], *times["b"]])
