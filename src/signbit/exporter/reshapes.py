"""How many dimensions torch sees: vectors, images, images of one pixel. Only a flatten is an operation in the file."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from signbit.errors import ExportError
from signbit.exporter.record import Recorder
from signbit.exporter.symbol import Symbol
from signbit.exporter.trace import Call


class BatchSize:
    """Stands for the number of images, which a file leaves open."""


BATCH = BatchSize()


def reshape(call: Call, _record: Recorder, x: Symbol, *_sizes: Any) -> Symbol:
    """A view, flatten, squeeze or the like: torch has worked out the shape that it gives."""
    have, goal = x.dimensions, call.shape
    if goal == have:
        return x
    if goal is not None and len(goal) <= 3 and all(extent == 1 for extent in (*have[1:], *goal[1:])):
        return replace(x, rank=len(goal) + 1)
    if goal is not None and len(goal) >= 1 and x.rank == 4 and all(extent == 1 for extent in goal[1:]):
        return replace(x.flattened(call.where), rank=len(goal) + 1)
    gives = "something that mixes the images of a batch" if goal is None else f"{['N', *goal]}".replace("'", "")
    raise ExportError(
        f"{call.kind} makes {gives} of {['N', *have]}; ".replace("'", "")
        + "all but the batch can be flattened, and a vector become an image of one pixel: use torch.flatten(x, 1)"
    )


def size(_call: Call, _record: Recorder, _x: Symbol, _dim: int) -> BatchSize:
    """The number of images: every other extent is a number in the trace."""
    return BATCH


def item(_call: Call, _record: Recorder, parts: Any, index: int) -> Any:
    """One part of several."""
    return parts[index]
