"""``signbit export``: one trained run becomes one file, verified before it is written."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from signbit.cli.command import Command, positive_int, say
from signbit.errors import ConfigError
from signbit.files import write_bytes_atomically

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
    parser.add_argument("--data", metavar="NAME", help="data set to verify on (default: the run's own)")
    parser.add_argument("--data-dir", type=Path, help="folder of that data set, if it has moved")
    parser.add_argument(
        "--images", type=positive_int, default=VERIFIED_IMAGES, metavar="N",
        help=f"verify on N of its validation images (default {VERIFIED_IMAGES})",
    )  # fmt: skip
    parser.add_argument(
        "--explain", nargs="?", const="-", metavar="DIR",
        help="print the network after every pass, or write it to DIR, one text file a pass",
    )  # fmt: skip


def run(args: argparse.Namespace) -> Mapping[str, Any]:
    from signbit.format import read
    from signbit.interop import FILE_TYPES, exchange

    if args.explain is not None and args.source.is_file():
        raise ConfigError(f"--explain follows a run through the passes; {args.source} is exported already: inspect it")
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
    from signbit.compare.deployment import export_trained
    from signbit.data import load
    from signbit.training import load_run

    model, config = load_run(args.source)
    if args.data in (None, config.data):
        dataset = config.load_data(args.data_dir)
    else:
        dataset = load(args.data, args.data_dir).normalized(config.normalize)
    return export_trained(model, config, dataset, path, args.images, _explainer(args))


def _explainer(args: argparse.Namespace) -> Callable[[str, str], None] | None:
    """Prints what a pass made, or writes ``1-trace.txt`` and so on."""
    if args.explain is None:
        return None
    done = count(1)

    def explain(name: str, network: str) -> None:
        if args.explain == "-":
            say(args, f"after {name}:\n{network}\n")
            return
        folder = Path(args.explain)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"--explain cannot write to {folder}: {error.strerror}; name a folder") from error
        write_bytes_atomically(folder / f"{next(done)}-{name}.txt", f"{network}\n".encode())

    return explain


COMMAND = Command(
    name="export",
    summary="write a trained run as one .sbn file, or for another engine",
    examples=(
        "signbit export runs/NAME -o model.sbn",
        "signbit export runs/NAME -o model.sbn --explain passes",
        "signbit export runs/NAME -o model.onnx --to onnx",
        "signbit export model.sbn -o model.xml --to openvino",
    ),
    configure=configure,
    run=run,
)
