"""Where the time of a network goes: the profiles behind the goals that are not reached."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from benchmarks.goals import Outcome, Row, label
from benchmarks.markdown import table

LEAST = 0.02
"""Share of the time from which a step has a line of its own."""


def explanations(result: Mapping[str, Any], outcomes: Iterable[Outcome]) -> Iterator[str]:
    """A heading and a table for every network that a goal not reached speaks of; profiles of all numbers of threads."""
    behind = [
        row for outcome in outcomes if outcome.measured is not None and not outcome.reached() for row in outcome.rows
    ]
    for name, caps in dict.fromkeys((label(row), tuple(row["caps"])) for row in behind):
        rows = [row for row in result["networks"] if label(row) == name and tuple(row["caps"]) == caps]
        yield f"### {name}, cap {' = '.join(caps)}\n\n{_profile(sorted(rows, key=lambda row: int(row['threads'])))}"


def _profile(rows: Sequence[Row]) -> str:
    """Steps in order; speed and shares are those of the first row, the one with the fewest threads."""
    first = rows[0]["profile"]
    total = sum(step["ms"] for step in first)
    large = [i for i, step in enumerate(first) if step["ms"] >= LEAST * total]
    small = [i for i in range(len(first)) if i not in large]
    threads = [row["threads"] for row in rows]
    header = ("step", "operation", *(f"ms, {n} thread(s)" for n in threads), "% of time", "GMAC/s", "% of ceiling")
    lines = [
        (
            first[i]["name"],
            first[i]["op"].replace("+", " + "),
            *(f"{row['profile'][i]['ms']:.3f}" for row in rows),
            f"{100 * first[i]['ms'] / total:.0f}",
            f"{first[i]['gmacs_per_second']:.0f}" if first[i]["gmacs_per_second"] else "",
            "" if first[i]["share_of_ceiling"] is None else f"{100 * first[i]['share_of_ceiling']:.0f}",
        )
        for i in large
    ]
    for name, steps in ((f"{len(small)} smaller steps", small), ("all", range(len(first)))):
        sums = [sum(row["profile"][i]["ms"] for i in steps) for row in rows]
        lines.append((name, "", *(f"{ms:.3f}" for ms in sums), f"{100 * sums[0] / total:.0f}", "", ""))
    return table(header, lines)
