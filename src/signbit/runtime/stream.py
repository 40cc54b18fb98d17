"""Running a network over more inputs than fit into memory: the next ones are read while the network runs."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from itertools import islice
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from signbit.errors import DataError

FloatArray = npt.NDArray[np.float32]
Item = TypeVar("Item")
Result = TypeVar("Result")


def map_ahead(
    function: Callable[[Item], Result], items: Iterable[Item], ahead: int, workers: int | None = None
) -> Generator[Result, None, None]:
    """``map(function, items)`` in worker threads that keep at most ``ahead`` items ahead of the consumer.

    Results come in the order of ``items``, which are taken one by one in the consumer's thread. Closing the iterator
    (:func:`contextlib.closing`) drops what has not started and waits for what has.

    Parameters
    ----------
    function : called from several threads; what it raises is raised at its place in the order.
    ahead : calls waiting, running or finished and not yet consumed, at least 1.
    workers : threads; default: that of :class:`concurrent.futures.ThreadPoolExecutor`.

    >>> list(map_ahead(abs, [-1, 2, -3], ahead=2))
    [1, 2, 3]
    """
    source = iter(items)
    calls: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(workers, thread_name_prefix="signbit-read") as pool:
        try:
            calls.extend(pool.submit(function, item) for item in islice(source, ahead))
            while calls:
                result = calls.popleft().result()
                calls.extend(pool.submit(function, item) for item in islice(source, 1))
                yield result
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def run_stream(
    run: Callable[[FloatArray], npt.NDArray[Any]],
    read: Callable[[Item], FloatArray],
    items: Iterable[Item],
    batch_size: int = 32,
    workers: int | None = None,
) -> Generator[tuple[Item, npt.NDArray[Any] | DataError], None, None]:
    """Each item with the network's output for it, in order; the next batch is read while one runs.

    At most ``2 * batch_size`` inputs and a copy of one batch are in memory, however many items there are.

    Parameters
    ----------
    run : ``[N, C, H, W]`` -> ``[N, ...]``, as :meth:`signbit.runtime.Session.run`; called in the consumer's thread.
    read : item -> ``[1, C, H, W]``, such as :class:`signbit.runtime.preprocess.ImageReader`; called in worker threads.
        An item for which it raises :class:`DataError` comes with that error in place of an output.
    batch_size : inputs a run, and inputs read ahead of it, at least 1; default: more gain little in the runtime, whose
        own batches are smaller.
    workers : reading threads; default as in :func:`map_ahead`.

    >>> def one(item: int) -> FloatArray:
    ...     return np.full((1, 1, 1, 1), item, np.float32)
    >>> [(item, float(y[0, 0, 0])) for item, y in run_stream(lambda x: -x, one, [1, 2])]
    [(1, -1.0), (2, -2.0)]
    """

    def attempt(item: Item) -> tuple[Item, FloatArray | DataError]:
        try:
            return item, read(item)
        except DataError as error:
            return item, error

    with closing(map_ahead(attempt, items, batch_size, workers)) as inputs:
        while batch := list(islice(inputs, batch_size)):
            good = [x for _, x in batch if not isinstance(x, DataError)]
            outputs = iter(run(np.concatenate(good)) if good else ())
            for item, x in batch:
                yield item, x if isinstance(x, DataError) else next(outputs)
