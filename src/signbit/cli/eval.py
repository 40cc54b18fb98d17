"""``signbit eval``: accuracy of a trained run (torch) or of a ``.sbn`` file (native runtime) on a test split."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from signbit.cli.command import Command, assignments, positive_int, say
from signbit.data import load
from signbit.data.dataset import Dataset
from signbit.errors import ConfigError, DataError, ShapeError


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("target", type=Path, metavar="RUN|FILE.sbn", help="a run folder or an exported file")
    parser.add_argument("--data", help="data set; see: signbit list datasets (default: the one a run was trained on)")
    parser.add_argument("--data-dir", type=Path, help="folder that holds the data set")
    parser.add_argument(
        "--data-option", action="append", default=[], metavar="KEY=VALUE",
        help="option of the data set, for example size=128; a run folder brings those it was trained with",
    )  # fmt: skip
    parser.add_argument("--batch-size", type=positive_int, default=100, help="images at once (default 100)")
    parser.add_argument("--threads", type=positive_int, default=1, help="threads of the native runtime (default 1)")
    parser.add_argument("--isa", help="instruction-set tier of the native runtime; see: signbit info")


def run(args: argparse.Namespace) -> Mapping[str, Any]:
    options = assignments("--data-option", args.data_option)
    if args.target.is_dir():
        from signbit.data.loaders import eval_batches
        from signbit.training import load_run
        from signbit.training.evaluation import count_correct

        model, config = load_run(args.target)
        if args.data in (None, config.data):
            dataset = replace(config, data_options={**config.data_options, **options}).load_data(args.data_dir)
        else:
            dataset = load(args.data, args.data_dir, **options).normalized(config.normalize)
        correct, images = count_correct(model, eval_batches(dataset.test, dataset))
        how = "torch"
    elif not args.target.exists():
        raise DataError(f"{args.target} is neither the folder of a run nor a file; signbit train and export make them")
    elif args.data is None:
        raise ConfigError(f"{args.target} does not say which data set it is for; name one with --data")
    else:
        dataset = load(args.data, args.data_dir, **options)
        correct, images, how = _native_accuracy(args, dataset)
    if not images:
        raise DataError("accuracy needs at least one image; the split has none that can be read")
    accuracy = correct / images
    say(args, f"{args.target}: {100 * accuracy:.2f} % of {images:,} test images of {dataset.name} ({how})")
    return {"accuracy": accuracy, "images": images, "correct": correct, "engine": how}


def _native_accuracy(args: argparse.Namespace, dataset: Dataset) -> tuple[int, int, str]:
    """How many test images are classified correctly, of how many, and on which engine."""
    from signbit.runtime import Session
    from signbit.runtime.preprocess import prepare

    split = dataset.test
    with Session(args.target, threads=args.threads, isa=args.isa) as session:
        if session.input_shape != split.images.shape[1:]:
            raise ShapeError(
                f"{args.target} takes images of shape {session.input_shape} (C, H, W), those of {dataset.name} are "
                f"{split.images.shape[1:]}; evaluate it on the data set that it was trained on, "
                f"image files with --data-option size={session.input_shape[1]}"
            )
        correct = images = 0
        for part in split.pieces(args.batch_size):
            if len(part):
                logits = session.run(prepare(np.asarray(part.images), session.metadata, session.input_shape))
                correct += int(np.count_nonzero(logits.argmax(axis=1) == part.labels))
                images += len(part)
        return correct, images, f"native {session.isa}"


COMMAND = Command(
    name="eval",
    summary="test accuracy of a run or of a .sbn file",
    examples=("signbit eval runs/NAME", "signbit eval model.sbn --data cifar10 --data-dir DIR"),
    configure=configure,
    run=run,
)
