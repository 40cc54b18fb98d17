"""``signbit run``: classify images from the shell. Needs numpy and Pillow, no torch."""

from __future__ import annotations

import argparse
import csv
import io
import sys
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from signbit.cli.command import Command, positive_int, say
from signbit.errors import DataError, SignbitError
from signbit.files import write_bytes_atomically
from signbit.runtime import Session
from signbit.runtime.preprocess import load_image

SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".ppm", ".pgm", ".tif", ".tiff"}
CHUNK = 64
"""Images in memory at once."""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, help="the .sbn file")
    parser.add_argument("images", type=Path, nargs="+", metavar="IMAGE|DIR", help="images, or folders of images")
    parser.add_argument("--top", type=positive_int, default=1, help="how many classes to print an image (default 1)")
    parser.add_argument("--csv", type=Path, help="also write the results to this file")
    parser.add_argument("--resize", action="store_true", help="scale images of another size to the network's")
    parser.add_argument("--strict", action="store_true", help="stop at the first unreadable image of a folder")
    parser.add_argument("--threads", type=positive_int, default=1, help="threads of the native runtime (default 1)")
    parser.add_argument("--isa", help="instruction-set tier; see: signbit info")


def run(args: argparse.Namespace) -> Mapping[str, Any]:
    rows: list[dict[str, Any]] = []
    failed: list[str] = []
    # An image named by the user must be readable; in a folder an unreadable file is named and passed over.
    strict = args.strict or not any(path.is_dir() for path in args.images)
    with Session(args.file, threads=args.threads, isa=args.isa) as session, ThreadPoolExecutor() as pool:
        labels = session.metadata.get("labels")

        def decode(path: Path) -> tuple[Path, np.ndarray[Any, Any] | SignbitError]:
            try:
                return path, load_image(path, session.metadata, session.input_shape, resize=args.resize)
            except SignbitError as error:
                return path, error

        for chunk in _chunks(_image_paths(args.images)):
            decoded = list(pool.map(decode, chunk))
            good: list[tuple[Path, np.ndarray[Any, Any]]] = []
            for path, image in decoded:
                if isinstance(image, SignbitError):
                    if strict:
                        raise image
                    failed.append(str(path))
                    print(f"signbit: skipped: {image}", file=sys.stderr)
                else:
                    good.append((path, image))
            if good:
                logits = session.run(np.concatenate([image for _, image in good]))
                for (path, _), scores in zip(good, logits, strict=True):
                    rows.append(_ranking(path, scores, labels, args.top))
                    say(args, f"{path}  " + "  ".join(f"{r['label']} {r['score']:.3f}" for r in rows[-1]["top"]))
    if args.csv:
        _write_csv(args.csv, rows)
    return {"images": rows, "failed": failed, "exit_code": 2 if failed else 0}


def _image_paths(given: Iterable[Path]) -> Iterator[Path]:
    for path in given:
        if path.is_dir():
            found = sorted(p for p in path.rglob("*") if p.suffix.lower() in SUFFIXES)
            if not found:
                raise DataError(f"{path}: no image in this folder; known endings: {', '.join(sorted(SUFFIXES))}")
            yield from found
        else:
            yield path


def _chunks(paths: Iterator[Path]) -> Iterator[list[Path]]:
    while chunk := list(islice(paths, CHUNK)):
        yield chunk


def _ranking(path: Path, scores: np.ndarray[Any, Any], labels: list[str] | None, top: int) -> dict[str, Any]:
    """The best classes of one image with their softmax scores."""
    exponents = np.exp(scores - scores.max())
    probabilities = exponents / exponents.sum()
    best = np.argsort(-probabilities, kind="stable")[:top]
    return {
        "image": str(path),
        "top": [
            {"index": int(i), "label": labels[i] if labels else str(i), "score": float(probabilities[i])} for i in best
        ],
    }


def _write_csv(target: Path, rows: list[dict[str, Any]]) -> None:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["image", "rank", "index", "label", "score"])
    for row in rows:
        for rank, r in enumerate(row["top"], start=1):
            writer.writerow([row["image"], rank, r["index"], r["label"], f"{r['score']:.6f}"])
    write_bytes_atomically(target, text.getvalue().encode())


COMMAND = Command(
    name="run",
    summary="classify images with a .sbn file",
    examples=("signbit run model.sbn cat.png", "signbit run model.sbn photos/ --top 5 --csv out.csv"),
    configure=configure,
    run=run,
)
