"""Schedules: laws, ends, pickling."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signbit.errors import ConfigError
from signbit.schedules import SCHEDULES, Constant, Cosine, CyclicBits, Linear, Schedule, Staircase

SAMPLES: dict[str, Schedule] = {
    "constant": Constant(0.3),
    "staircase": Staircase(1e-4, factor=0.1, every=100),
    "linear": Linear(1e-2, 1e-5, steps=500),
    "cosine": Cosine(0.1, 0.0, steps=500),
    "cyclic-bits": CyclicBits(2, 6, cycles=8, steps=500),
}


@pytest.mark.parametrize("name", SCHEDULES.names())
def test_every_schedule_is_a_picklable_value(name: str) -> None:
    schedule = SAMPLES[name]
    copied = pickle.loads(pickle.dumps(schedule))
    assert (copied, hash(copied)) == (schedule, hash(schedule))
    assert [copied(step) for step in range(600)] == [schedule(step) for step in range(600)]


positive = st.floats(1e-9, 1.0)


@settings(derandomize=True, deadline=None)
@given(positive, positive, st.integers(1, 1000), st.integers(0, 2000))
def test_linear_and_cosine_run_between_their_ends(start: float, stop: float, steps: int, step: int) -> None:
    low, high = min(start, stop) * (1 - 1e-12), max(start, stop) * (1 + 1e-12)
    for schedule in (Linear(start, stop, steps), Cosine(start, stop, steps)):
        assert low <= schedule(step) <= high
        assert schedule(0) == pytest.approx(start)
        assert schedule(steps) == schedule(steps + step) == stop


def test_closed_forms() -> None:
    steps = np.arange(700)
    np.testing.assert_allclose([SAMPLES["staircase"](int(s)) for s in steps], 1e-4 * 0.1 ** (steps // 100))
    share = np.minimum(steps / 500, 1)
    np.testing.assert_allclose([SAMPLES["linear"](int(s)) for s in steps], 1e-2 + (1e-5 - 1e-2) * share)
    cosine = [SAMPLES["cosine"](int(s)) for s in steps]
    np.testing.assert_allclose(cosine, 0.05 * (1 + np.cos(np.pi * share)), atol=1e-15)


@pytest.mark.parametrize("make", [lambda: Staircase(1, 0.1, 0), lambda: Linear(1, 0, 0), lambda: Cosine(1, 0, -3)])
def test_lengths_below_one_are_refused(make: object) -> None:
    with pytest.raises(ConfigError, match=">= 1"):
        make()  # type: ignore[operator]


@settings(derandomize=True, deadline=None)
@given(st.integers(1, 4), st.integers(0, 8), st.integers(1, 9), st.integers(9, 400))
def test_cyclic_bits_rise_in_every_cycle_and_jump_between(low: int, more: int, cycles: int, steps: int) -> None:
    schedule = CyclicBits(low, low + more, cycles, steps)
    period = steps // cycles
    values = np.array([schedule(step) for step in range(steps)])
    phase = np.arange(steps) % period
    twin = np.rint(low + more / 2 * (1 + np.cos(np.pi * phase / period + np.pi)))
    np.testing.assert_array_equal(values, twin)
    assert set(values) <= set(range(low, low + more + 1))
    assert schedule.jumps() == tuple(step for step in range(1, steps) if phase[step] == 0)
    assert all(values[[0, *schedule.jumps()]] == low)
    rising = np.flatnonzero(phase[1:] > 0)
    assert (np.diff(values)[rising] >= 0).all()


@pytest.mark.parametrize(
    ("settings_", "message"),
    [((0, 2, 1, 9), "1 <= low <= high"), ((3, 2, 1, 9), "1 <= low"), ((2, 6, 8, 7), "8 cycles in 7 steps"),
     ((2, 6, 0, 7), "0 cycles")],
)  # fmt: skip
def test_cycles_that_cannot_be_are_refused(settings_: tuple[int, int, int, int], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        CyclicBits(*settings_)
