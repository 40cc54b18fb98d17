"""``signbit list``: what is registered, straight from the registries."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

from signbit.cli.command import Command, say, table
from signbit.errors import UnknownNameError
from signbit.registry import Registry

REGISTRIES = {
    "methods": ("signbit.methods", "METHODS"),
    "models": ("signbit.models", "MODELS"),
    "datasets": ("signbit.data", "DATASETS"),
    "binarizers": ("signbit.binarizers", "BINARIZERS"),
}
SHIPPED = {"recipes": "signbit.recipes", "studies": "signbit.studies"}
"""Package data, found by name."""
KINDS = (*REGISTRIES, "pairings", *SHIPPED)

Rows = list[dict[str, Any]]
"""What is listed, each under the same keys."""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("kinds", nargs="+", metavar="KIND", help=f"what to list: {', '.join(KINDS)}")
    parser.add_argument("--markdown", action="store_true", help="as a page of Markdown tables")


def run(args: argparse.Namespace) -> Mapping[str, Any]:
    for kind in args.kinds:
        if kind not in KINDS:
            raise UnknownNameError("kind", kind, KINDS)
    listed = {kind: _rows(kind) for kind in args.kinds}
    if args.markdown:
        say(args, _page(listed))
    else:
        say(args, "\n\n".join(table([_cells(row) for row in rows], tuple(rows[0])) for rows in listed.values()))
    return listed


def _rows(kind: str) -> Rows:
    if kind in SHIPPED:
        shipped = import_module(SHIPPED[kind])
        return [{"name": name, "summary": _first_sentence(shipped.about(name))} for name in shipped.names()]
    if kind == "pairings":
        from signbit.methods import PAIRINGS

        return [{"methods": entry.methods, "works": entry.works, "note": entry.note} for entry in PAIRINGS]
    room, name = REGISTRIES[kind]
    registry: Registry[Any] = getattr(import_module(room), name)
    return [{"name": e.name, "summary": e.summary, "reference": e.reference} for e in registry]


def _first_sentence(text: str) -> str:
    return text.partition(". ")[0].rstrip(".")


def _cells(row: Mapping[str, Any]) -> Sequence[str]:
    words = {True: "yes", False: "no"}
    return ["+".join(value) if isinstance(value, tuple) else words.get(value, value) for value in row.values()]


def _page(listed: Mapping[str, Rows]) -> str:
    """Tables with their kinds as headings, after the command that makes them."""
    parts = [f"<!-- signbit list {' '.join(listed)} --markdown -->"]
    for kind, rows in listed.items():
        lines = [list(rows[0]), ["---"] * len(rows[0]), *(_cells(row) for row in rows)]
        parts.append(f"## {kind.capitalize()}\n\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines))
    return "\n\n".join(parts)


COMMAND = Command(
    name="list",
    summary="methods and their pairings, models, data sets, binarizers, recipes and studies that ship",
    examples=(
        "signbit list methods",
        "signbit list models --json",
        "signbit list methods pairings --markdown > docs/methods.md",
    ),
    configure=configure,
    run=run,
)
