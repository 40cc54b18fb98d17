"""Which layer's signs changed when: the map of one run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from signbit.compare.freezing import FLIPS_OF_LAYER
from signbit.report.charts import heat_map

WHAT = (
    "Share of a layer's binary weights whose sign at the end of an epoch differs from the epoch before{which}. "
    "Training a binary network is over when the signs come to rest."
)


def flip_map(title: str, epochs: Sequence[Mapping[str, float]]) -> Figure | None:
    """Layer x epoch, as a run recorded it; None for a run without binary layers."""
    names = list(dict.fromkeys(key for row in epochs for key in row if key.startswith(FLIPS_OF_LAYER)))
    rates = {
        name.removeprefix(FLIPS_OF_LAYER).removesuffix(".weight"): [row.get(name, float("nan")) for row in epochs]
        for name in names
    }
    return heat_map(title, rates, "flipped signs, %") if rates else None
