"""The results as a page; every figure on it comes from the JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from benchmarks.goals import OTHER_CPU, Outcome, Row, fastest_peer, label, outcomes
from benchmarks.markdown import table
from benchmarks.profiles import explanations

NOT_MEASURED = "Not measured in this run."


def page(result: Mapping[str, Any]) -> str:
    """docs/results/inference.md for the content of inference.json."""
    facts = result["environment"]
    packages = ", ".join(f"{name} {number}" for name, number in facts["packages"].items())
    quick = "**A quick run: it shows that everything works; its figures say nothing.**\n\n" if facts["quick"] else ""
    found = list(outcomes(result))
    profiles = list(explanations(result, found))
    return f"""# Inference

Written by `make bench` from [inference.json](inference.json); do not edit.

{quick}{facts["cpu"]}, {facts["cores"]} cores, tiers {", ".join(facts["tiers"])}; load {facts["load"]:.1f} at the start;
{facts["date"]}; {facts["seconds"]} seconds; Python {facts["python"]}, {packages}.

Batch 1, float32 input. Each figure is the median of {facts["repeats"]} runs; the engines of a row ran in one process,
in turns. Networks are exported from our torch models with random weights (norms have the statistics of random images).
Precisions other than binary run the full-precision twin: the same topology, `--method float`. int8 is quantized on
random images with NNCF for OpenVINO and with ONNX Runtime's static quantization. A cap keeps our runtime, OpenVINO and
torch to the instructions of a tier; ONNX Runtime cannot be capped.

## Goals

{table(("goal", "where", "measured", "wanted", ""), [_goal(outcome) for outcome in found])}

## Where the time goes

The networks behind a goal that is not reached, step by step: the fastest of ten profiles. Speed and shares are those of
the fewest threads; the ceiling is the tier's, and what a step does besides its convolution counts against it.

{_or_else(profiles, "No network is behind a goal that is not reached.")}

## Networks

Milliseconds; in brackets, the fastest peer over signbit.

{_times(result["networks"])}

## Layers

Milliseconds of one layer with batch norm and sign, in a chain of equal ones.

{_times(result["layers"])}

## Tiers

Layers of 115.6 million products with batch norm and sign on one core, in turns with the ceiling: of both the fastest of
a round, then medians over rounds. 64-bit Arm under emulation: [instructions of binary layers](neon-instructions.md).

{_tiers(result["tiers"])}

## Ceilings

`signbit.runtime.ceilings()`: 10^9 one-bit products a second of one core with the tier's instructions alone, on
registers and a few cache lines.

{_ceilings(result["ceilings"])}

## Many images

`signbit run` on JPEG files of 256x256 pixels, resnet18 `ste` at 224x224, with every core.

{_many_images(result["many_images"])}

## What failed

{_or_else(list(_failures(result)), "Nothing.")}
"""


def _goal(outcome: Outcome) -> tuple[str, ...]:
    measured = "" if outcome.measured is None else f"{outcome.measured:.3g} {outcome.unit}".strip()
    wanted = f"{'at most' if outcome.at_most else 'at least'} {outcome.wanted:g} {outcome.unit}".strip()
    return outcome.goal, outcome.where, measured, wanted, outcome.verdict()


def _or_else(paragraphs: Sequence[str], otherwise: str) -> str:
    return "\n\n".join(paragraphs) or otherwise


def _times(rows: Sequence[Row]) -> str:
    names = list(dict.fromkeys(name for row in rows for name in ("signbit", *row["ms"])))
    lines = []
    for row in rows:
        cells = [f"{row['ms'][name]:.3f}" if name in row["ms"] else "" for name in names]
        peer = fastest_peer(row)
        if peer is not None and "signbit" in row["ms"]:
            cells[0] += f" ({peer[1] / row['ms']['signbit']:.2f}x)"
        lines.append((label(row), " = ".join(row["caps"]), row["threads"], *cells))
    return table(("", "cap", "threads", *names), lines) if rows else NOT_MEASURED


def _tiers(rows: Sequence[Row] | None) -> str:
    if rows is None:
        return NOT_MEASURED
    lines = [
        (
            label(row),
            row["isa"],
            f"{row['products'] / row['gmacs_per_second'] * 1e-6:.3f}",
            f"{row['gmacs_per_second']:.0f}",
            f"{row['ceiling']:.0f}",
            f"{100 * row['share']:.0f} %",
        )
        for row in rows
    ]
    return table(("layer", "tier", "ms", "10^9 products/s", "ceiling", "of it"), lines)


def _ceilings(rows: Sequence[Row] | None) -> str:
    if rows is None:
        return NOT_MEASURED
    speeds = [OTHER_CPU if row["gmacs_per_second"] is None else f"{row['gmacs_per_second']:.0f}" for row in rows]
    lines = [(row["isa"], row["way"], speed) for row, speed in zip(rows, speeds, strict=True)]
    return table(("tier", "counts with", "10^9/s"), lines)


def _many_images(measured: Mapping[str, Any] | None) -> str:
    if measured is None:
        return NOT_MEASURED
    lines = [
        (
            f"{run['images']:,}",
            f"{run['seconds']:.1f}",
            f"{run['images'] / run['seconds']:.0f}",
            f"{run['cpu_seconds']:.1f}",
            f"{run['peak_bytes'] / 1e6:.0f}",
        )
        for run in measured["runs"]
    ]
    return table(("files", "seconds", "files/s", f"processor seconds, {measured['cores']} cores", "peak MB"), lines)


def _failures(result: Mapping[str, Any]) -> Iterator[str]:
    """Whole parts, and peers that a row had to do without."""
    for failure in result["failures"]:
        yield f"* {failure['part']}: {failure['error']}"
    for row in [*result["networks"], *result["layers"]]:
        for engine, why in row["failed"].items():
            yield f"* {label(row)}, cap {' = '.join(row['caps'])}, {row['threads']} thread(s), {engine}: {why}"
