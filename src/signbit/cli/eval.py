"""``signbit eval``: accuracy of a trained run (torch) or of a ``.sbn`` file (native runtime) on a test split."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from signbit.cli.command import Command, positive_int, say
from signbit.data import load
from signbit.data.dataset import Dataset
from signbit.errors import ShapeError


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("target", type=Path, metavar="RUN|FILE.sbn", help="a run folder or an exported file")
    parser.add_argument("--data", required=True, help="data set; see: signbit list datasets")
    parser.add_argument("--data-dir", type=Path, help="folder that holds the data set")
    parser.add_argument("--batch-size", type=positive_int, default=100, help="images at once (default 100)")
    parser.add_argument("--threads", type=positive_int, default=1, help="threads of the native runtime (default 1)")
    parser.add_argument("--isa", help="instruction-set tier of the native runtime; see: signbit info")


def run(args: argparse.Namespace) -> Mapping[str, Any]:
    dataset = load(args.data, args.data_dir)
    if args.target.is_dir():
        from signbit.training import evaluate, load_run

        model, config = load_run(args.target)
        dataset = dataset.normalized(config.normalize)
        accuracy = evaluate(model, dataset, dataset.test)
        how = "torch"
    else:
        accuracy, how = _native_accuracy(args, dataset)
    images = len(dataset.test.labels)
    say(args, f"{args.target}: {100 * accuracy:.2f} % of {images:,} test images of {dataset.name} ({how})")
    return {"accuracy": accuracy, "images": images, "correct": round(accuracy * images), "engine": how}


def _native_accuracy(args: argparse.Namespace, dataset: Dataset) -> tuple[float, str]:
    from signbit.runtime import Session
    from signbit.runtime.preprocess import prepare

    split = dataset.test
    with Session(args.target, threads=args.threads, isa=args.isa) as session:
        if session.input_shape != split.images.shape[1:]:
            raise ShapeError(
                f"{args.target} takes images of shape {session.input_shape} (C, H, W), those of {dataset.name} are "
                f"{split.images.shape[1:]}; evaluate it on the data set that it was trained on"
            )
        correct = 0
        for start in range(0, len(split.labels), args.batch_size):
            part = slice(start, start + args.batch_size)
            logits = session.run(prepare(split.images[part], session.metadata, session.input_shape))
            correct += int(np.count_nonzero(logits.argmax(axis=1) == split.labels[part]))
        return correct / len(split.labels), f"native {session.isa}"


COMMAND = Command(
    name="eval",
    summary="test accuracy of a run or of a .sbn file",
    examples=("signbit eval runs/NAME --data digits", "signbit eval model.sbn --data cifar10 --data-dir DIR"),
    configure=configure,
    run=run,
)
