"""``python -m benchmarks.tiers RESULT``: the reference layers on every tier of this CPU, beside the tier's ceiling.

Layers and ceilings take turns on one thread. Of each the fastest of a round counts, and shares are formed round by
round: both drift with the clock.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import yaml

from benchmarks.subjects import chain
from signbit.format import write_bytes
from signbit.runtime import Session
from signbit.runtime.isa import REFERENCE, available_isas, native

ROUNDS, RUNS, DEPTH = 5, 5, 4


def layer_on_tier(case: Mapping[str, int], isa: str) -> dict[str, Any]:
    """Medians over the rounds: speed, ceiling by the tier's best way, and their ratio."""
    graph = chain(**case, depth=DEPTH).binary
    height, width, channels = graph.values[graph.input].shape
    x = np.random.default_rng(0).standard_normal((1, channels, height, width), np.float32)
    speeds, ceilings = [], []
    with Session(write_bytes(graph), isa=isa) as session:
        session.run(x)
        for _ in range(ROUNDS):
            ceilings.append(max(rate for _, rate in native().ceilings(isa)))
            # The last layer ends in an affine and the mean of the image; those before it in norm and sign.
            layers = [row for _ in range(RUNS) for row in session.profile(x) if row.op == "binary_conv2d+threshold"]
            speeds.append(max(row.gmacs_per_second for row in layers))
    shares = [speed / limit for speed, limit in zip(speeds, ceilings, strict=True)]
    products = (case["size"] * case["kernel"] * case["channels"]) ** 2
    return {
        **case,
        "isa": isa,
        "products": products,
        "gmacs_per_second": median(speeds),
        "ceiling": median(ceilings),
        "share": median(shares),
    }


def main() -> None:
    cases = yaml.safe_load((Path(__file__).parent / "cases.yaml").read_text())["reference_layers"]
    isas = [isa for isa in available_isas() if isa != REFERENCE]
    Path(sys.argv[1]).write_text(json.dumps([layer_on_tier(case, isa) for isa in isas for case in cases]))


if __name__ == "__main__":
    main()
