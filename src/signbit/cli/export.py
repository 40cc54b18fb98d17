"""``signbit export``: one trained run becomes one file, verified before it is written."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from signbit.cli.command import Command, say
from signbit.errors import ConfigError

VERIFIED_IMAGES = 200
RANDOM_IMAGES = 8
"""A ``.sbn`` file brings no images along; what is written from it is compared on normal noise."""


def configure(parser: argparse.ArgumentParser) -> None:
    from signbit.interop import FILE_TYPES

    others = "; ".join(f"{entry.name}: {entry.summary}" for entry in FILE_TYPES)
    parser.add_argument(
        "source", type=Path, metavar="RUN|FILE.sbn", help="a run folder written by signbit train, or an exported file"
    )
    parser.add_argument("-o", "--output", type=Path, required=True, help="the file to write, for example model.sbn")
    parser.add_argument("--to", default="sbn", metavar="TYPE", help=f"sbn (default); {others}")
    parser.add_argument("--data-dir", type=Path, help="folder of the run's data set, if it has moved")


def run(args: argparse.Namespace) -> Mapping[str, Any]:
    from signbit.format import read
    from signbit.interop import FILE_TYPES, exchange

    if args.to == "sbn":
        if args.source.is_file():
            raise ConfigError(f"{args.source} is a file already; add --to with one of: {', '.join(FILE_TYPES.names())}")
        report, _ = _export_run(args, args.output)
        say(args, str(report))
        return dict(report.to_dict())
    FILE_TYPES[args.to]
    if args.source.is_dir():
        with TemporaryDirectory() as folder:
            report, images = _export_run(args, Path(folder) / "model.sbn")
            graph, result = read(report.file), report.to_dict()
    else:
        graph, result = read(args.source), {}
        height, width, channels = graph.values[graph.input].shape
        images = np.random.default_rng(0).standard_normal((RANDOM_IMAGES, channels, height, width)).astype(np.float32)
    exchanged = exchange(graph, args.output, args.to, images)
    say(args, str(exchanged))
    return {**result, **vars(exchanged), "file": str(args.output), "to": args.to}


def _export_run(args: argparse.Namespace, path: Path) -> tuple[Any, Any]:
    """Write the run as a ``.sbn`` file; the exporter's report, and the images that it was verified on."""
    import torch

    import signbit
    from signbit.data import normalize
    from signbit.training import load_run

    model, config = load_run(args.source)
    dataset = config.load_data(args.data_dir)
    # Verification sees validation images: the test set is for the final accuracy alone.
    inputs = normalize(dataset.val.images[:VERIFIED_IMAGES], dataset.mean, dataset.std)
    metadata = {"model": config.model, "method": config.method, **dataset.card.file_metadata()}
    report = signbit.export(model, torch.from_numpy(inputs[:1]), path, data=inputs, metadata=metadata)
    return report, inputs


COMMAND = Command(
    name="export",
    summary="write a trained run as one .sbn file, or for another engine",
    examples=(
        "signbit export runs/NAME -o model.sbn",
        "signbit export runs/NAME -o model.onnx --to onnx",
        "signbit export model.sbn -o model.xml --to openvino",
    ),
    configure=configure,
    run=run,
)
