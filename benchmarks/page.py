"""The results as a page; every figure on it comes from the JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from benchmarks.explanations import explanations
from benchmarks.goals import (
    OTHER_CPU,
    Outcome,
    Row,
    fastest_peer,
    gain,
    label,
    on_two_threads,
    outcomes,
    share_of_cores,
    speedup,
)
from benchmarks.markdown import table
from signbit.errors import SignbitError

NOT_MEASURED = "Not measured in this run."
VERSION = 3
"""Of what the JSON holds: since 2 every round, since 3 layers of two cores instead of products and stolen seconds."""


def page(result: Mapping[str, Any]) -> str:
    """docs/results/inference.md for the content of inference.json.

    Errors
    ------
    SignbitError : the JSON was written by an older benchmark.
    """
    if result.get("version") != VERSION:
        found = result.get("version", 1)
        raise SignbitError(
            f"these results are of version {found}, the page is of version {VERSION}: measure again with make bench"
        )
    facts = result["environment"]
    packages = ", ".join(f"{name} {number}" for name, number in facts["packages"].items())
    quick = "**A quick run: it shows that everything works; its figures say nothing.**\n\n" if facts["quick"] else ""
    found = list(outcomes(result))
    explained = list(explanations(result["networks"], found))
    return f"""# Inference

Written by `make bench` from [inference.json](inference.json); do not edit.

{quick}{facts["cpu"]}, {facts["cores"]} cores, tiers {", ".join(facts["tiers"])}; load {facts["load"]:.1f} at the start;
{facts["date"]}; {facts["seconds"]} seconds; Python {facts["python"]}, {packages}.

Batch 1, float32 input. Each time is the median of {_runs(facts, result["networks"])}. The engines
of a case ran in one process, on all numbers of threads, and took turns in short rounds; a ratio is formed in each
round, and the median and the quartiles of the rounds are shown. Networks are exported from our torch models with random
weights (norms have the statistics of random images). Precisions other than binary run the full-precision twin: the same
topology, `--method float`. int8 is quantized on random images with NNCF for OpenVINO and with ONNX Runtime's static
quantization. A cap keeps our runtime, OpenVINO and torch to the instructions of a tier; ONNX Runtime cannot be capped.

## Goals

Within noise: the goal lies between the quartiles, so that this run does not tell on which side of it we are.

{table(("goal", "where", "measured", "quartiles", "wanted", ""), [_goal(outcome) for outcome in found])}

## Where the time goes

The networks behind a goal that is not reached, step by step: medians of as many profiles as runs, taken in the same
rounds. Speed and shares are those of the fewest threads; the ceiling is the tier's in the same rounds, and what a step
does besides its convolution counts against it. Layers behind theirs, by their parts; files, by what they hold. What a
second thread gave other engines in the same rounds stands under [two threads](#two-threads), what it could give on this
machine under [ceilings](#ceilings).

{_or_else(explained, "Nothing is behind a goal that is not reached.")}

## Networks

Milliseconds; in brackets, how many times faster signbit is than the fastest peer.

{_times(result["networks"])}

## Two threads

How many times faster an engine is on two threads than on one; in brackets the quartiles of the rounds.

{_two_threads(result["networks"])}

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

{_two_cores(result["two_cores"])}

## Many images

`signbit run` on JPEG files of 256x256 pixels, resnet18 `ste` at 224x224, with every core. Stolen: seconds of these
cores that a machine under this virtual one gave to others; what is left of them is what the run could keep busy.

{_many_images(result["many_images"])}

## What the benchmark itself took

Seconds; what is in no column of its own goes to starting processes and importing the engines.

{_seconds(result["seconds"])}

## What failed

{_or_else(list(_failures(result)), "Nothing.")}
"""


def _goal(outcome: Outcome) -> tuple[str, ...]:
    measured = "" if outcome.measured is None else f"{outcome.measured:.3g} {outcome.unit}".strip()
    wanted = f"{'at most' if outcome.at_most else 'at least'} {outcome.wanted:g} {outcome.unit}".strip()
    quartiles = " .. ".join(f"{value:.3g}" for value in outcome.quartiles or ())
    return outcome.goal, outcome.where, measured, quartiles, wanted, outcome.verdict()


def _or_else(paragraphs: Sequence[str], otherwise: str) -> str:
    return "\n\n".join(paragraphs) or otherwise


def _times(rows: Sequence[Row]) -> str:
    names = list(dict.fromkeys(name for row in rows for name in ("signbit", *row["ms"])))
    lines = []
    for row in rows:
        cells = [f"{row['ms'][name]:.3f}" if name in row["ms"] else "" for name in names]
        peer = fastest_peer(row)
        if peer is not None and "signbit" in row["ms"]:
            cells[0] += f" ({speedup(row, peer[0]).median:.2f}x)"
        lines.append((label(row), " = ".join(row["caps"]), row["threads"], *cells))
    return table(("", "cap", "threads", *names), lines) if rows else NOT_MEASURED


def _runs(facts: Mapping[str, Any], networks: Sequence[Row]) -> str:
    times = max([row.get("runs", 1) for row in networks], default=1)
    short = f", of {times * facts['repeats']} for small networks" if times > 1 else ""
    return f"{facts['repeats']} runs{short}"


def _two_threads(rows: Sequence[Row]) -> str:
    pairs = list(on_two_threads(rows))
    names = list(dict.fromkeys(name for _, row in pairs for name in ("signbit", *row["ms"])))
    lines = []
    for one, two in pairs:
        gains = {name: gain(one, two, name) for name in names if name in one["ms"] and name in two["ms"]}
        cells = {name: f"{found.median:.2f} ({found.low:.2f} .. {found.high:.2f})" for name, found in gains.items()}
        lines.append((label(one), " = ".join(one["caps"]), *(cells.get(name, "") for name in names)))
    return table(("", "cap", *names), lines) if pairs else NOT_MEASURED


def _tiers(rows: Sequence[Row] | None) -> str:
    if rows is None:
        return NOT_MEASURED
    lines = [
        (
            label(row),
            row["isa"],
            f"{row['ms']['layer']:.3f}",
            f"{row['gmacs_per_second']:.0f}",
            f"{row['ceiling']:.0f}",
            f"{100 * row['share']:.0f} %",
            " .. ".join(f"{100 * share:.0f} %" for share in row["quartiles"]),
        )
        for row in rows
    ]
    return table(("layer", "tier", "ms", "10^9 products/s", "ceiling", "of it", "quartiles"), lines)


def _ceilings(rows: Sequence[Row] | None) -> str:
    if rows is None:
        return NOT_MEASURED
    speeds = [OTHER_CPU if row["gmacs_per_second"] is None else f"{row['gmacs_per_second']:.0f}" for row in rows]
    lines = [(row["isa"], row["way"], speed) for row, speed in zip(rows, speeds, strict=True)]
    return table(("tier", "counts with", "10^9/s"), lines)


def _two_cores(measured: Mapping[str, float] | None) -> str:
    if measured is None:
        return f"Two cores at once: {NOT_MEASURED.lower()}"
    spread = f"{measured['low']:.2f} .. {measured['high']:.2f}"
    return (
        f"Two cores, each with layers of its own, run {measured['median']:.2f} times those of one alone (quartiles "
        f"{spread}): what this machine left of 2, with nothing to share out and to wait for."
    )


def _many_images(measured: Mapping[str, Any] | None) -> str:
    if measured is None:
        return NOT_MEASURED
    few, many = measured["runs"]
    more = {name: many[name] - few[name] for name in ("images", "seconds", "cpu_seconds", "stolen_seconds")}
    lines = [
        (
            name,
            f"{run['seconds']:.1f}",
            f"{run['images'] / run['seconds']:.0f}",
            f"{run['cpu_seconds']:.1f}",
            f"{run['stolen_seconds']:.1f}",
            f"{100 * share_of_cores(run, measured['cores']):.0f} %",
            f"{run['peak_bytes'] / 1e6:.0f}" if "peak_bytes" in run else "",
        )
        for name, run in (
            (f"{few['images']:,}", few),
            (f"{many['images']:,}", many),
            (f"{more['images']:,} more: without start and end", more),
        )
    ]
    header = ("files", "seconds", "files/s", "processor seconds", "stolen", f"of {measured['cores']} cores", "peak MB")
    return table(header, lines)


def _seconds(taken: Mapping[str, Mapping[str, float]]) -> str:
    phases = list(dict.fromkeys(phase for part in taken.values() for phase in part))
    lines = [
        (name, *(f"{part[phase]:.0f}" if phase in part else "" for phase in phases)) for name, part in taken.items()
    ]
    return table(("part", *phases), lines)


def _failures(result: Mapping[str, Any]) -> Iterator[str]:
    """Whole parts, and peers that a row had to do without."""
    for failure in result["failures"]:
        yield f"* {failure['part']}: {failure['error']}"
    for row in [*result["networks"], *result["layers"]]:
        for engine, why in row["failed"].items():
            yield f"* {label(row)}, cap {' = '.join(row['caps'])}, {row['threads']} thread(s), {engine}: {why}"
