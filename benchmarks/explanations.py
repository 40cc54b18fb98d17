"""What explains the goals that are not reached: where a network's or a layer's time goes, and what fills a file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from benchmarks.goals import Outcome, Row, label
from benchmarks.markdown import table

LEAST = 0.02
"""Share of the whole from which a step or tensor has a line of its own."""


def explanations(networks: Sequence[Row], outcomes: Iterable[Outcome]) -> Iterator[str]:
    """A heading and a table for every network, layer and file that a goal not reached speaks of.

    Parameters
    ----------
    networks : all rows of the results: a network is shown with its profiles on all numbers of threads.
    """
    behind = [outcome for outcome in outcomes if outcome.measured is not None and not outcome.reached()]
    timed = [row for outcome in behind for row in outcome.networks]
    for name, caps in dict.fromkeys((label(row), tuple(row["caps"])) for row in timed):
        rows = [row for row in networks if label(row) == name and tuple(row["caps"]) == caps]
        yield f"### {name}, cap {' = '.join(caps)}\n\n{_steps(sorted(rows, key=lambda row: int(row['threads'])))}"
    for row in (row for outcome in behind for row in outcome.layers):
        yield f"### {label(row)}, {row['isa']}\n\n{_parts_of_a_layer(row)}"
    for name, row in {label(row): row for outcome in behind for row in outcome.files}.items():
        yield f"### The file of {name}\n\n{_tensors(row)}"


def _steps(rows: Sequence[Row]) -> str:
    """Steps in order; speed and shares are those of the first row, the one with the fewest threads."""
    first, threads = rows[0]["profile"], [row["threads"] for row in rows]
    total = sum(step["ms"] for step in first)
    large = [i for i, step in enumerate(first) if step["ms"] >= LEAST * total]
    small = [i for i in range(len(first)) if i not in large]
    header = (
        *("step", "operation", *(f"ms, {n} thread(s)" for n in threads)),
        *(f"{n} against {threads[0]}" for n in threads[1:]),
        *("% of time", "GMAC/s", "% of ceiling"),
    )

    def line(name: str, operation: str, steps: Iterable[int], *speed: str) -> tuple[str, ...]:
        sums = [sum(row["profile"][i]["ms"] for i in steps) for row in rows]
        faster = [f"{sums[0] / ms:.2f}x" if ms > 0 else "" for ms in sums[1:]]
        return name, operation, *(f"{ms:.3f}" for ms in sums), *faster, f"{100 * sums[0] / total:.0f}", *speed

    lines = []
    for i in large:
        speed, share = first[i]["gmacs_per_second"], first[i]["share_of_ceiling"]
        cells = (f"{speed:.0f}" if speed else "", "" if share is None else f"{100 * share:.0f}")
        lines.append(line(first[i]["name"], first[i]["op"].replace("+", " + "), [i], *cells))
    lines.append(line(f"{len(small)} smaller steps", "", small, "", ""))
    lines.append(line("all", "", range(len(first)), "", ""))
    return table(header, lines)


def _parts_of_a_layer(row: Row) -> str:
    """From the layer itself and the same product as a 1x1 layer of its taps, and of twice as many."""
    whole, pointwise, doubled = (row["ms"][name] for name in ("layer", "pointwise", "pointwise of twice as many"))
    parts = {
        "gathering taps: what a 1x1 layer of as many taps does not need": whole - pointwise,
        "the product: what twice as many taps add to it": doubled - pointwise,
        "norm, sign, packing, start: the rest": 2 * pointwise - doubled,
        "the layer": whole,
        "its product at the ceiling": 1e-6 * row["products"] / row["ceiling"],
    }
    lines = [(part, f"{ms:.3f}", f"{100 * ms / whole:.0f}") for part, ms in parts.items()]
    return table(("part", "ms", "% of the layer"), lines)


def _tensors(row: Row) -> str:
    """What the constants of the layers take, the largest first."""
    tensors, total = row["tensors"], row["sbn_bytes"]
    large = [tensor for tensor in tensors if tensor["bytes"] >= LEAST * total]
    rest = total - sum(tensor["bytes"] for tensor in large)
    lines = [(tensor["name"], tensor["op"], tensor["kind"], tensor["bytes"]) for tensor in large]
    lines.append((f"{len(tensors) - len(large)} smaller ones, records, padding", "", "", rest))
    for kind in dict.fromkeys(tensor["kind"] for tensor in tensors):
        lines.append(("all", "", kind, sum(tensor["bytes"] for tensor in tensors if tensor["kind"] == kind)))
    lines.append(("the file", "", "", total))
    lines.append(("the float file", "", "", row["float_bytes"]))
    cells = [(*words, f"{octets:,}", f"{100 * octets / total:.1f}") for *words, octets in lines]
    return table(("layer", "operation", "holds", "bytes", "% of the file"), cells)
