"""Timing in turns: what is compared has its turn in each of some short rounds, so that drift of the clock hits all."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple, TypeVar

import numpy as np

ROUNDS = 10
PAUSE = 0.02
"""Seconds before a turn. The worker threads of the one before may go on spinning on the cores that this one is timed
on: those of torch were seen to do so for 4 ms, those of the other engines for less than 1 (docs/performance-log.md)."""
WARM_UPS, WARM_UP_SECONDS = 2, 0.01
"""Runs, and time that they take at least, at the start of a turn that are not counted: threads and cores sleep, and the
caches hold what others have used. Without the time what is fast would be counted cold, and what is slow warm."""

Key = TypeVar("Key", bound=Hashable)
Sample = TypeVar("Sample")


def in_turns(runs: Mapping[Key, Callable[[], Sample]], repeats: int) -> Iterator[dict[Key, list[Sample]]]:
    """Rounds in which each has a turn: what its counted runs returned, ``repeats`` of them over all rounds.

    >>> [found["a"] for found in in_turns({"a": lambda: "ran"}, repeats=3)]
    [['ran'], ['ran'], ['ran']]
    """
    rounds = min(repeats, ROUNDS)
    for number in range(rounds):
        counted = repeats // rounds + (number < repeats % rounds)
        yield {key: _turn(run, counted) for key, run in runs.items()}


def seconds(engine: Callable[[Any], Any], x: Any) -> float:
    """How long one run takes."""
    start = time.perf_counter()
    engine(x)
    return time.perf_counter() - start


def interleaved(engines: Mapping[Key, Callable[[Any], Any]], x: Any, repeats: int) -> dict[Key, list[float]]:
    """Seconds of every counted run of some engines on one input, which take turns."""
    rounds = list(in_turns({name: partial(seconds, engine, x) for name, engine in engines.items()}, repeats))
    return {name: [each for found in rounds for each in found[name]] for name in engines}


class Ratio(NamedTuple):
    """How many times one figure is another, formed round by round: the median of the rounds and its quartiles."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, above: Sequence[float], below: Sequence[float]) -> Ratio:
        """The ratio of two figures that were taken in the same rounds.

        >>> Ratio.of([2.0, 6.0, 9.0], [1.0, 2.0, 3.0])
        Ratio(median=3.0, low=2.5, high=3.0)
        """
        ratios = np.asarray(above, np.float64) / np.asarray(below, np.float64)
        low, median, high = (float(value) for value in np.quantile(ratios, (0.25, 0.5, 0.75)))
        return cls(median, low, high)


def _turn(run: Callable[[], Sample], counted: int) -> list[Sample]:
    time.sleep(PAUSE)
    started, runs = time.perf_counter(), 0
    while runs < WARM_UPS or time.perf_counter() - started < WARM_UP_SECONDS:
        run()
        runs += 1
    return [run() for _ in range(counted)]
