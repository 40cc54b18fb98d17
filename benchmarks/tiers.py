"""``python -m benchmarks.tiers RESULT``: the reference layers on every tier of this CPU, beside the tier's ceiling.

On one thread, layers and ceiling take turns. Of each the fastest of a round counts, and shares are formed round by
round: both drift with the clock. The same products run as 1x1 convolutions, too, of one layer's taps as channels and of
twice as many: what is left without gathering taps, and what the product alone takes.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import yaml

from benchmarks.subjects import chain, pointwise
from signbit.cli.turns import Ratio, in_turns
from signbit.format import Graph, write_bytes
from signbit.runtime import Session
from signbit.runtime.isa import REFERENCE, available_isas, native

REPEATS, DEPTH = 20, 4


def ceiling_now(isa: str) -> float:
    """10^9 one-bit products a second on one core of a tier, by its best way at this moment."""
    return float(max(rate for _, rate in native().ceilings(isa)))


def layer_on_tier(case: Mapping[str, int], isa: str) -> dict[str, Any]:
    """Medians over the rounds: the layer's time and speed, the ceiling, their ratio, and the same product as 1x1."""
    taps = case["kernel"] ** 2 * case["channels"]
    graphs = {
        "layer": chain(**case, depth=DEPTH).binary,
        "pointwise": pointwise(case["size"], taps, case["channels"]),
        "pointwise of twice as many": pointwise(case["size"], 2 * taps, case["channels"]),
    }
    runs = {name: _fastest_layer(graph, isa) for name, graph in graphs.items()}
    rounds, ceilings = [], []
    for found in in_turns(runs, REPEATS):
        rounds.append({name: min(samples) for name, samples in found.items()})
        ceilings.append(ceiling_now(isa))
    products = (case["size"] * case["kernel"] * case["channels"]) ** 2
    speeds = [1e-9 * products / times["layer"] for times in rounds]
    share = Ratio.of(speeds, ceilings)
    return {
        **case,
        "isa": isa,
        "products": products,
        "gmacs_per_second": median(speeds),
        "ceiling": median(ceilings),
        "share": share.median,
        "quartiles": [share.low, share.high],
        "ms": {name: 1000 * median(times[name] for times in rounds) for name in graphs},
    }


def _fastest_layer(graph: Graph, isa: str) -> Callable[[], float]:
    """A run that returns the seconds of its fastest layer: those that end in norm and sign are equal."""
    height, width, channels = graph.values[graph.input].shape
    x = np.random.default_rng(0).standard_normal((1, channels, height, width), np.float32)
    profile = partial(Session(write_bytes(graph), isa=isa).profile, x)
    # The last layer ends in an affine and the mean of the image.
    return lambda: min(step.seconds for step in profile() if step.op == "binary_conv2d+threshold")


def main() -> None:
    cases = yaml.safe_load((Path(__file__).parent / "cases.yaml").read_text())["reference_layers"]
    isas = [isa for isa in available_isas() if isa != REFERENCE]
    Path(sys.argv[1]).write_text(json.dumps([layer_on_tier(case, isa) for isa in isas for case in cases]))


if __name__ == "__main__":
    main()
