"""``signbit run``: classify images from the shell, however many. Needs numpy and Pillow, no torch."""

from __future__ import annotations

import argparse
import csv
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np

from signbit.cli.command import Command, positive_int, say
from signbit.cli.progress import ProgressBar
from signbit.errors import DataError, SignbitError
from signbit.files import atomic_write
from signbit.runtime import Session
from signbit.runtime.preprocess import ImageReader
from signbit.runtime.stream import run_stream

SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".ppm", ".pgm", ".tif", ".tiff"}
LISTED = 1000
"""Images, and failures, that the JSON object lists; ``--csv`` takes any number."""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, help="the .sbn file")
    parser.add_argument("images", type=Path, nargs="+", metavar="IMAGE|DIR", help="images, or folders of images")
    parser.add_argument("--top", type=positive_int, default=1, help="how many classes to print an image (default 1)")
    parser.add_argument("--csv", type=Path, help="also write the results to this file")
    parser.add_argument("--resize", action="store_true", help="scale images of another size to the network's")
    parser.add_argument(
        "--strict",
        action="store_true",
        help="stop at the first unreadable image (default: name it, go on, exit with 2)",
    )
    parser.add_argument("--threads", type=positive_int, default=1, help="threads of the native runtime (default 1)")
    parser.add_argument("--isa", help="instruction-set tier; see: signbit info")


def run(args: argparse.Namespace) -> Mapping[str, Any]:
    for path in args.images:
        if path.is_dir() and next(_images_in(path), None) is None:
            raise DataError(f"{path}: no image in this folder; known endings: {', '.join(sorted(SUFFIXES))}")
    listed: list[dict[str, Any]] = []
    failures: list[str] = []
    classified = failed = 0
    with ExitStack() as stack:
        session = stack.enter_context(Session(args.file, threads=args.threads, isa=args.isa))
        reader = ImageReader(session.metadata, session.input_shape, resize=args.resize)
        labels = _labels(session)
        table = stack.enter_context(_csv_table(args.csv) if args.csv else nullcontext())
        total = sum(1 for _ in _image_paths(args.images)) if sys.stderr.isatty() else 0
        bar = stack.enter_context(ProgressBar(total))
        for path, scores in stack.enter_context(closing(run_stream(session.run, reader, _image_paths(args.images)))):
            bar.clear()
            if isinstance(scores, DataError):
                if args.strict:
                    raise scores
                print(f"signbit: skipped: {scores}", file=sys.stderr)
                failed += 1
                if failed <= LISTED:
                    failures.append(str(path))
            else:
                top = _ranking(path, scores, labels, args.top)
                say(args, f"{_printable(path)}  " + "  ".join(f"{r['label']} {r['score']:.3f}" for r in top))
                if table:
                    table.writerows(
                        [path, rank, r["index"], r["label"], f"{r['score']:.6f}"] for rank, r in enumerate(top, 1)
                    )
                classified += 1
                if classified <= LISTED:
                    listed.append({"image": str(path), "top": top})
            bar.step()
    if failed:
        print(f"signbit: {failed} of {classified + failed} images could not be read", file=sys.stderr)
    return {
        "classified": classified,
        "skipped": failed,
        "images": listed,
        "failed": failures,
        "csv": args.csv,
        "exit_code": 2 if failed else 0,
    }


def _image_paths(given: Iterable[Path]) -> Iterator[Path]:
    for path in given:
        if path.is_dir():
            yield from _images_in(path)
        else:
            yield path


def _images_in(folder: Path) -> Iterator[Path]:
    """Images of a folder by name, then those of its sub-folders; one folder's names are in memory at a time."""
    unreadable: list[Path] = []
    for parent, folders, names in os.walk(folder, onerror=lambda error: unreadable.append(Path(error.filename))):
        folders.sort()
        yield from unreadable  # reading it as an image says why it cannot be read
        unreadable.clear()
        for name in sorted(names):
            path = Path(parent, name)
            if path.suffix.lower() in SUFFIXES:
                yield path
    yield from unreadable


def _labels(session: Session) -> list[str]:
    """The name of each class: from the file, or its number."""
    classes, *image = session.output_shape
    if image != [1, 1]:
        raise DataError(
            f"the network's output is {list(session.output_shape)}, not a score a class; use Session.run from Python"
        )
    labels = session.metadata.get("labels") or [str(index) for index in range(classes)]
    if not isinstance(labels, list) or len(labels) != classes:
        found = f"{len(labels)} labels" if isinstance(labels, list) else repr(labels)
        raise DataError(f"the file's metadata has {found}; a list with a name for each of {classes} classes is needed")
    return [str(label) for label in labels]


def _ranking(path: Path, scores: np.ndarray[Any, Any], labels: list[str], top: int) -> list[dict[str, Any]]:
    """The best classes of one image with their softmax scores."""
    if not np.isfinite(scores).all():
        raise SignbitError(
            f"{path}: the network's scores are not finite; was the file exported from a trained network?"
        )
    exponents = np.exp(scores - scores.max())
    probabilities = exponents / exponents.sum()
    best = np.argsort(-probabilities, kind="stable")[:top]
    return [{"index": int(i), "label": labels[i], "score": float(probabilities[i])} for i in best]


def _printable(path: Path) -> str:
    """A file's name need not be text."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


@contextmanager
def _csv_table(target: Path) -> Iterator[Any]:
    """A csv writer; the file takes its name when the block has ended well."""
    encoding: dict[str, Any] = {"newline": "", "encoding": "utf-8", "errors": "surrogateescape"}
    with atomic_write(target) as temporary, temporary.open("w", **encoding) as file:
        writer = csv.writer(file)
        writer.writerow(["image", "rank", "index", "label", "score"])
        yield writer


COMMAND = Command(
    name="run",
    summary="classify images with a .sbn file",
    examples=("signbit run model.sbn cat.png", "signbit run model.sbn photos/ --top 5 --csv out.csv"),
    configure=configure,
    run=run,
)
