"""The passes in order: trace, fold, lower, plan; ``signbit.export`` adds the last, verify."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from torch import nn

from signbit.exporter.folding import Folded, fold
from signbit.exporter.lower import Lowered, lower
from signbit.exporter.plan import Plan, plan
from signbit.exporter.trace import Trace, trace

T = TypeVar("T", Trace, Folded, Lowered, Plan)


Explain = Callable[[str, str], None]
"""Takes the name of a pass and the network after it, as text."""


@dataclass(frozen=True)
class Passes:
    """What passes made of a network, as far as a report needs it."""

    trace: Trace
    lower: Lowered
    plan: Plan


def run_passes(
    model: nn.Module,
    image_shape: Sequence[int],
    metadata: Mapping[str, Any] | None = None,
    explain: Explain | None = None,
) -> Passes:
    """All passes that need no images.

    Parameters
    ----------
    image_shape : channels, height, width.
    metadata : what to store about the network; see docs/format.md.
    explain : called after each pass.

    Errors
    ------
    ExportError : of the pass that fails.
    """

    def told(name: str, result: T) -> T:
        if explain is not None:
            explain(name, "\n".join(result.lines()))
        return result

    traced = told("trace", trace(model, image_shape))
    folded = told("fold", fold(traced, model))
    lowered = told("lower", lower(folded, metadata))
    return Passes(traced, lowered, told("plan", plan(lowered.graph)))
