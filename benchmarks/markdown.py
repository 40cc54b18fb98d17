"""Tables in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A pipe table.

    >>> print(table(("tier", "10^9/s"), [("avx2", 700)]))
    | tier | 10^9/s |
    | --- | --- |
    | avx2 | 700 |
    """
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)
