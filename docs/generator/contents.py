"""The navigation: as ``mkdocs.yml`` has it, with folders and ``*`` filled in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

Entry = Any
"""A path, or one title with a path or a list of entries."""


def expand(nav: Sequence[Entry], pages: Sequence[str]) -> list[Entry]:
    """``nav`` with ``folder/`` replaced by the pages in it and ``*`` by the pages that nothing else names.

    >>> expand(["index.md", {"Guides": ["guides/", "*"]}], ["index.md", "guides/a.md", "new.md"])
    ['index.md', {'Guides': ['guides/a.md', 'new.md']}]
    """
    named = set(_named(nav))
    folders = tuple(name for name in named if name.endswith("/"))
    rest = [page for page in pages if page not in named and not page.startswith(folders)]

    def fill(entries: Sequence[Entry]) -> Iterator[Entry]:
        for entry in entries:
            if isinstance(entry, dict):
                ((title, inner),) = entry.items()
                several = isinstance(inner, list) or inner.endswith("/")
                yield {title: list(fill(inner if isinstance(inner, list) else [inner])) if several else inner}
            elif entry == "*":
                yield from rest
            elif entry.endswith("/"):
                yield from (page for page in pages if page.startswith(entry) and page not in named)
            else:
                yield entry

    return list(fill(nav))


def _named(nav: Sequence[Entry]) -> Iterator[str]:
    for entry in nav:
        if isinstance(entry, dict):
            ((_, inner),) = entry.items()
            yield from _named(inner if isinstance(inner, list) else [inner])
        else:
            yield entry
