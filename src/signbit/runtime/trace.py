"""A profile as a timeline for trace viewers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from signbit.runtime.layer_time import LayerTime


def chrome_trace(layers: Sequence[LayerTime]) -> dict[str, Any]:
    """A profile in the trace event format, which ``chrome://tracing`` and Perfetto open.

    Layers run one after the other, so each starts where the one before it ended. Times are microseconds.

    Parameters
    ----------
    layers : what :meth:`signbit.runtime.Session.profile` returned.

    Reference: Trace Event Format (the Chromium project), "complete events".

    >>> from signbit.runtime import LayerTime
    >>> chrome_trace([LayerTime("conv", "conv2d", 0.25, 0)])["traceEvents"][0]["dur"]
    250000.0
    """
    events = []
    start = 0.0
    for layer in layers:
        event = {"name": layer.name or layer.op, "cat": layer.op, "ph": "X", "pid": 0, "tid": 0}
        speed = {"macs": layer.macs, "gmacs_per_second": layer.gmacs_per_second}
        if layer.share_of_ceiling is not None:
            speed["share_of_ceiling"] = layer.share_of_ceiling
        events.append({**event, "ts": 1e6 * start, "dur": 1e6 * layer.seconds, "args": speed})
        start += layer.seconds
    return {"traceEvents": events, "displayTimeUnit": "ns"}
