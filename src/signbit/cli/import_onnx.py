"""``signbit import-onnx``: a one-bit network that another tool trained becomes a ``.sbn`` file."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from signbit.cli.command import Command, say
from signbit.errors import MissingDependencyError


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "model", type=Path, metavar="MODEL.onnx", help="a QONNX model, as Brevitas's export_qonnx writes it"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.sbn", help="the file to write")


def run(args: argparse.Namespace) -> Mapping[str, Any]:
    if find_spec("torch") is None:
        raise MissingDependencyError("torch", "folding norms into thresholds", "train")
    from signbit.interop.import_qonnx import import_qonnx

    report = import_qonnx(args.model, args.out)
    say(args, str(report))
    return asdict(report)


COMMAND = Command(
    name="import-onnx",
    summary="a QONNX model of another tool, such as Brevitas, as a .sbn file",
    examples=("signbit import-onnx brevitas.onnx --out model.sbn", "signbit inspect model.sbn"),
    configure=configure,
    run=run,
)
