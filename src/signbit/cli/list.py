"""``signbit list``: what is registered, straight from the registries."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from signbit.cli.command import Command, say, table
from signbit.registry import Registry

KINDS = {
    "methods": ("signbit.methods", "METHODS"),
    "models": ("signbit.models", "MODELS"),
    "datasets": ("signbit.data", "DATASETS"),
    "binarizers": ("signbit.binarizers", "BINARIZERS"),
}


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("kind", choices=[*KINDS, "recipes"], help="what to list")


def run(args: argparse.Namespace) -> Mapping[str, Any]:
    if args.kind == "recipes":
        from signbit.recipes import names

        say(args, "\n".join(names()))
        return {"recipes": [{"name": name} for name in names()]}
    room, name = KINDS[args.kind]
    registry: Registry[Any] = getattr(import_module(room), name)
    entries = list(registry)
    say(args, table([(e.name, e.summary, e.reference) for e in entries], ("name", "summary", "reference")))
    return {args.kind: [{"name": e.name, "summary": e.summary, "reference": e.reference} for e in entries]}


COMMAND = Command(
    name="list",
    summary="methods, models, data sets, binarizers and recipes that ship",
    examples=("signbit list methods", "signbit list models --json"),
    configure=configure,
    run=run,
)
