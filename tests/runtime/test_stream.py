"""Inputs of any number: in order, read while the network runs, never many in memory at once."""

from __future__ import annotations

import threading
import time
import tracemalloc
from collections.abc import Iterable
from contextlib import closing

import numpy as np
import pytest

from signbit.errors import DataError, ShapeError
from signbit.runtime.stream import map_ahead, run_stream

BATCH = 4


class CountingReader:
    """A fake decoder: counts what it has been asked for and how many calls run at the same time."""

    def __init__(self, bad: Iterable[int] = (), delays: bool = False) -> None:
        self.bad = frozenset(bad)
        self.delays = np.random.default_rng(0).uniform(0, 0.004, 1000) if delays else np.zeros(1000)
        self.lock = threading.Lock()
        self.started = self.now = self.most_at_once = 0

    def __call__(self, item: int) -> np.ndarray:
        with self.lock:
            self.started += 1
            self.now += 1
            self.most_at_once = max(self.most_at_once, self.now)
        time.sleep(self.delays[item % 1000])
        with self.lock:
            self.now -= 1
        if item in self.bad:
            raise DataError(f"item {item}")
        return np.full((1, 2, 1, 1), item, np.float32)


def negate(x: np.ndarray) -> np.ndarray:
    return -x[:, 0, 0, 0]


def readers_left() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("signbit-read")]


@pytest.mark.parametrize("count", [0, 1, BATCH - 1, BATCH, BATCH + 1, 3 * BATCH + 2, 67])
def test_the_order_is_kept_and_errors_stand_in_their_places(count: int) -> None:
    bad = {0, 5, 8, 9, 10, 11, 66}
    outcomes = list(run_stream(negate, CountingReader(bad, delays=True), range(count), BATCH, workers=5))
    assert [item for item, _ in outcomes] == list(range(count))
    for item, y in outcomes:
        if item in bad:
            assert isinstance(y, DataError)
            assert str(y) == f"item {item}"
        else:
            assert not isinstance(y, DataError)
            assert y == -item
    assert not readers_left()


@pytest.mark.parametrize("workers", [1, 3, 20])
def test_inputs_in_flight_are_bounded(workers: int) -> None:
    reader = CountingReader()
    most = 0
    for consumed, _ in enumerate(run_stream(negate, reader, range(200), BATCH, workers)):
        time.sleep(0.001)  # the readers could be far ahead
        with reader.lock:
            most = max(most, reader.started - consumed)
    assert BATCH < most <= 2 * BATCH
    assert reader.most_at_once <= min(workers, BATCH)
    assert reader.started == 200


def test_the_next_batch_is_read_while_one_runs() -> None:
    seen = [threading.Event() for _ in range(4 * BATCH)]

    def read(item: int) -> np.ndarray:
        seen[item].set()
        return np.full((1, 1, 1, 1), item, np.float32)

    def run(x: np.ndarray) -> np.ndarray:
        last = int(x[-1, 0, 0, 0])
        for event in seen[last + 1 : last + 1 + BATCH]:
            assert event.wait(20), "nobody reads while the network runs"
        return x

    assert len(list(run_stream(run, read, range(len(seen)), BATCH, workers=1))) == len(seen)


def test_closing_early_reads_no_more() -> None:
    reader = CountingReader(delays=True)
    with closing(run_stream(negate, reader, iter(int, 1), BATCH, workers=2)) as outcomes:
        next(outcomes)
    assert not readers_left()
    assert reader.started <= 2 * BATCH


def test_other_errors_are_raised() -> None:
    def read(item: int) -> np.ndarray:
        return np.zeros((1, 10 // (5 - item), 1, 1), np.float32)

    with pytest.raises(ZeroDivisionError):
        list(map_ahead(read, range(10), ahead=3, workers=2))

    def refuse(x: np.ndarray) -> np.ndarray:
        raise ShapeError(f"not {x.shape}")

    with pytest.raises(ShapeError):
        list(run_stream(refuse, CountingReader(), range(10), BATCH))
    assert not readers_left()


def test_memory_does_not_grow_with_the_number_of_inputs() -> None:
    size, batch = 512, 32  # floats each: 20000 of them are 41 MB

    def read(item: int) -> np.ndarray:
        return np.full((1, size, 1, 1), item, np.float32)

    tracemalloc.start()
    try:
        assert sum(1 for _ in run_stream(negate, read, range(20_000), batch, workers=1)) == 20_000
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    in_flight = 4 * size * 3 * batch  # one batch read ahead, one running and its copy
    assert in_flight / 2 < peak < 2 * in_flight + 200_000
