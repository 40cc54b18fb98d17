"""``signbit list``: what is registered, straight from the registries."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

from signbit.cli.command import Command, say, table
from signbit.registry import Registry

REGISTRIES = {
    "methods": ("signbit.methods", "METHODS"),
    "models": ("signbit.models", "MODELS"),
    "datasets": ("signbit.data", "DATASETS"),
    "binarizers": ("signbit.binarizers", "BINARIZERS"),
}
KINDS = (*REGISTRIES, "pairings", "recipes", "studies")

Rows = list[dict[str, Any]]
"""What is listed, each under the same keys."""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("kinds", nargs="+", choices=KINDS, metavar="KIND", help=f"what to list: {', '.join(KINDS)}")
    parser.add_argument("--markdown", action="store_true", help="as a page of Markdown tables")


def run(args: argparse.Namespace) -> Mapping[str, Any]:
    listed = {kind: _rows(kind) for kind in args.kinds}
    if args.markdown:
        say(args, _page(listed))
    else:
        say(args, "\n\n".join(table([_cells(row) for row in rows], tuple(rows[0])) for rows in listed.values()))
    return listed


def _rows(kind: str) -> Rows:
    if kind == "recipes":
        from signbit.recipes import names

        return [{"name": name} for name in names()]
    if kind == "studies":
        from signbit.studies import names as studies

        return [{"name": name} for name in studies()]
    if kind == "pairings":
        from signbit.methods import PAIRINGS

        return [{"methods": entry.methods, "works": entry.works, "note": entry.note} for entry in PAIRINGS]
    room, name = REGISTRIES[kind]
    registry: Registry[Any] = getattr(import_module(room), name)
    return [{"name": e.name, "summary": e.summary, "reference": e.reference} for e in registry]


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
