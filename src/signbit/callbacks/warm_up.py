"""When signs have settled enough to judge weights by them."""

from __future__ import annotations

import math


def warm_epochs(epoch: int, epochs: int, restarts: tuple[int, ...], share: float) -> int | None:
    """How many epochs after the end of its warm-up ``epoch`` is (0 for the first one); None while it warms up.

    The run is cut into stretches by its restarts; the first ``share`` of each, rounded up, is warm-up.

    Parameters
    ----------
    epoch : 0-based, below ``epochs``.
    epochs : length of the run.
    restarts : epochs in which what is trained changes.
    share : 0 .. 1.

    >>> [warm_epochs(e, 10, (6,), 0.3) for e in range(10)]
    [None, None, 0, 1, 2, 3, None, None, 0, 1]
    """
    starts = sorted({0, *(restart for restart in restarts if 0 < restart < epochs), epochs})
    start = max(s for s in starts if s <= epoch)
    stop = min(s for s in starts if s > epoch)
    past = epoch - start - math.ceil(share * (stop - start))
    return past if past >= 0 else None
