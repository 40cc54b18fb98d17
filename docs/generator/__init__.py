"""Pages of the site that are made from the package itself: registries, docstrings, commands, records of runs.

Each file makes one kind of page and knows nothing of MkDocs; ``docs/hooks.py`` hands them over.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

DOCS = Path(__file__).resolve().parents[1]
ROOT = DOCS.parent


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table.

    >>> print(table(("name", "bits"), [("w", 1)]))
    | name | bits |
    | --- | --- |
    | w | 1 |
    """
    lines = [header, ["---"] * len(header), *([str(cell).replace("|", "\\|") for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
