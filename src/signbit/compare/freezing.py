"""What frozen layers and an early stop saved a run."""

from __future__ import annotations

from collections.abc import Sequence

from signbit.compare.records import InstructionCounts, RunRecord

FROZEN = "frozen_layers"
FLIPS_OF_LAYER = "sign_flip_rate/"


def frozen_during(record: RunRecord) -> list[int]:
    """Binary layers that were frozen while each epoch ran; empty for a run that freezes none by design."""
    if FROZEN not in record.epochs[0]:
        return []
    layers = sum(name.startswith(FLIPS_OF_LAYER) for name in record.epochs[0])
    at_the_end = [round(epoch[FROZEN] * layers) for epoch in record.epochs]
    return [0, *at_the_end[:-1]]


def frozen_saving(records: Sequence[RunRecord], counted: InstructionCounts) -> float | None:
    """Share of the instructions of the same epochs without frozen layers that freezing saved, mean over the runs.

    An epoch with k frozen layers counts as steps with the first k frozen. None where a count is missing.
    """
    with_frozen = without = 0.0
    for record in records:
        method = record.config.method
        for frozen in frozen_during(record):
            name = f"{method}:{frozen}" if frozen else method
            if name not in counted.counts or method not in counted.counts:
                return None
            with_frozen += counted.counts[name]
            without += counted.counts[method]
    return 1 - with_frozen / without if without else None


def epochs_left_out(records: Sequence[RunRecord]) -> float:
    """Share of the planned epochs that an early stop left out, mean over the runs."""
    return sum(1 - len(record.epochs) / record.config.epochs for record in records) / len(records)
