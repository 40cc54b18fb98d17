"""One pixel all over an image: computed only where something looks at more than a pixel at a time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from signbit.exporter.record import Recorder
from signbit.exporter.symbol import Elementwise, MaxPool, Symbol
from signbit.exporter.trace import Call
from signbit.exporter.windows import require, spatial


def expand(call: Call, _record: Recorder, x: Symbol, *_sizes: Any, **_implicit: Any) -> Symbol:
    """One pixel at every place of an image."""
    if call.shape == x.dimensions:
        return x
    goal = call.shape or ()
    met = x.rank == 4 and x.shape[:2] == (1, 1) and len(goal) == 3 and goal[0] == x.shape[2]
    require(met, call, f"of {['N', *x.dimensions]}".replace("'", ""), "only [N, C, 1, 1] can be repeated over an image")
    return repeated(x, goal[1], goal[2], call.where)


def repeated(x: Symbol, height: int, width: int, path: str) -> Symbol:
    """The one pixel ``x`` at every place of an image: the maximum over windows that see nothing else."""
    return x.pooled(_everywhere(height, width), (height, width, x.shape[2]), path)


def pixel(x: Symbol) -> Symbol:
    """What ``x`` repeats all over its image, if :func:`repeated` made it; else ``x``."""
    height, width, channels = x.shape
    for place in reversed(range(len(x.pending))):
        item = x.pending[place]
        if isinstance(item, MaxPool) and item.attributes == _everywhere(height, width):
            return replace(x, pending=x.pending[:place] + x.pending[place + 1 :], shape=(1, 1, channels))
        if not isinstance(item, Elementwise):
            break
    return x


def _everywhere(height: int, width: int) -> dict[str, int]:
    """Of an image so large, only one made of a single pixel can be seen through such a window."""
    return spatial((height, width), 1, (height - 1, width - 1) * 2)
