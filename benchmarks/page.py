"""The results as a page; every figure on it comes from the JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.goals import Row, fastest_peer, label, outcomes


def page(result: Mapping[str, Any]) -> str:
    """docs/results/inference.md for the content of inference.json."""
    facts = result["environment"]
    packages = ", ".join(f"{name} {number}" for name, number in facts["packages"].items())
    quick = "**A quick run: it shows that everything works; its figures say nothing.**\n\n" if facts["quick"] else ""
    goals = [
        (o.goal, o.where, "" if o.measured is None else f"{o.measured:.3g} {o.unit}", _wanted(o), o.verdict())
        for o in outcomes(result)
    ]
    ceilings = [
        (
            row["isa"],
            row["way"],
            "not on this CPU" if row["gmacs_per_second"] is None else f"{row['gmacs_per_second']:.0f}",
        )
        for row in result["ceilings"]
    ]
    return f"""# Inference

Written by `make bench` from [inference.json](inference.json); do not edit.

{quick}{facts["cpu"]}, {facts["cores"]} cores, tiers {", ".join(facts["tiers"])}; load {facts["load"]:.1f} at the start;
{facts["date"]}; Python {facts["python"]}, {packages}.

Batch 1, float32 input. Each figure is the median of {facts["repeats"]} runs; the engines of a row ran in one process,
in turns. Networks are exported from our torch models with random weights (norms have the statistics of random images).
Precisions other than binary run the full-precision twin: the same topology, `--method float`. int8 is quantized on
random images with NNCF for OpenVINO and with ONNX Runtime's static quantization. A cap keeps our runtime, OpenVINO and
torch to the instructions of a tier; ONNX Runtime cannot be capped.

## Goals

{_table(("goal", "where", "measured", "wanted", ""), goals)}

## Networks

Milliseconds; in brackets, the fastest peer over signbit.

{_times(result["networks"])}

## Layers

Milliseconds of one layer with batch norm and sign, in a chain of equal ones.

{_times(result["layers"])}

## Ceilings

`signbit.runtime.ceilings()`: 10^9 one-bit products a second of one core with the tier's instructions alone, on
registers and a few cache lines.

{_table(("tier", "counts with", "10^9/s"), ceilings)}
"""


def _wanted(outcome: Any) -> str:
    return f"{'at most' if outcome.at_most else 'at least'} {outcome.wanted:g} {outcome.unit}"


def _times(rows: Sequence[Row]) -> str:
    names = list(dict.fromkeys(name for row in rows for name in row["ms"]))
    lines = []
    for row in rows:
        _, fastest = fastest_peer(row)
        cells = [f"{row['ms'][name]:.3f}" if name in row["ms"] else "" for name in names]
        cells[names.index("signbit")] += f" ({fastest / row['ms']['signbit']:.2f}x)"
        lines.append((label(row), " = ".join(row["caps"]), row["threads"], *cells))
    return _table(("", "cap", "threads", *names), lines)


def _table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)
