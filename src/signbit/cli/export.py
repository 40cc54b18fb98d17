"""``signbit export``: one trained run becomes one file, verified before it is written."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from signbit.cli.command import Command, say

VERIFIED_IMAGES = 200


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", type=Path, metavar="RUN", help="a run folder written by signbit train")
    parser.add_argument("-o", "--output", type=Path, required=True, help="the file to write, for example model.sbn")
    parser.add_argument("--data-dir", type=Path, help="folder of the run's data set, if it has moved")


def run(args: argparse.Namespace) -> Mapping[str, Any]:
    import torch

    import signbit
    from signbit.data import load, normalize
    from signbit.training import load_run

    model, config = load_run(args.run)
    dataset = load(config.data, args.data_dir or config.data_dir).normalized(config.normalize)
    # Verification sees validation images: the test set is for the final accuracy alone.
    inputs = normalize(dataset.val.images[:VERIFIED_IMAGES], dataset.mean, dataset.std)
    metadata = {"model": config.model, "method": config.method, **dataset.card.file_metadata()}
    report = signbit.export(model, torch.from_numpy(inputs[:1]), args.output, data=inputs, metadata=metadata)
    say(args, str(report))
    return report.to_dict()


COMMAND = Command(
    name="export",
    summary="write a trained run as one .sbn file",
    examples=("signbit export runs/NAME -o model.sbn",),
    configure=configure,
    run=run,
)
