"""``signbit inspect``: what a ``.sbn`` file holds."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from signbit.alphabet import Alphabet
from signbit.cli.command import Command, say, table
from signbit.format import Bits, Graph, Node, read


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, help="the .sbn file")
    parser.add_argument("--thresholds", action="store_true", help="also print the range of every threshold")


def run(args: argparse.Namespace) -> Mapping[str, Any]:
    graph = read(args.file)
    layers = [_describe(graph, node) for node in graph.nodes]
    columns = ("name", "operation", "output", "weights", "bytes", "note")
    say(args, table([[layer[c] for c in columns] for layer in layers], columns))
    if args.thresholds:
        say(args)
        rows = [_threshold_row(node) for node in graph.nodes if node.op == "threshold"]
        say(args, table(rows, ("threshold", "type", "channels", "falling", "smallest", "largest")))
    size = args.file.stat().st_size
    packed = sum(layer["bits"] for layer in layers)
    say(args)
    say(args, f"{args.file}: {size:,} bytes, {packed:,} weights of one bit; metadata: {dict(graph.metadata)}")
    return {"file": str(args.file), "bytes": size, "binary_weights": packed, "layers": layers}


def _describe(graph: Graph, node: Node) -> dict[str, Any]:
    value = graph.values[node.output]
    kind = {Alphabet.PM1: "-1/+1", Alphabet.ZERO_ONE: "0/1", None: value.dtype.name.lower()}[value.alphabet]
    weight = node.blobs.get("weight")
    return {
        "name": node.name,
        "operation": node.op,
        "output": "x".join(map(str, value.shape)) + f" {kind}",
        "weights": "" if weight is None else "x".join(map(str, weight.shape)),
        "bits": int(np.prod(weight.shape)) if isinstance(weight, Bits) else 0,
        "bytes": sum(blob.octets.nbytes if isinstance(blob, Bits) else blob.nbytes for blob in node.blobs.values()),
        "note": node.note,
    }


def _threshold_row(node: Node) -> tuple[object, ...]:
    t, rising = node.blobs["thresholds"], node.blobs["rising"]
    assert isinstance(t, np.ndarray)
    assert isinstance(rising, Bits)
    return (node.name, t.dtype, t.size, int((~rising.unpack()).sum()), f"{t.min():.6g}", f"{t.max():.6g}")


COMMAND = Command(
    name="inspect",
    summary="what a .sbn file holds, layer by layer",
    examples=("signbit inspect model.sbn", "signbit inspect model.sbn --thresholds"),
    configure=configure,
    run=run,
)
