"""``signbit landscape``: the loss around the weights of trained runs."""

from __future__ import annotations

import argparse
import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from signbit.cli.command import Command, positive_int, say, table
from signbit.cli.progress import ProgressBar
from signbit.files import atomic_write, make_folder, write_bytes_atomically


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="trained runs, or folders of them")
    parser.add_argument(
        "--space", default="latent", help="latent (default): random directions in the weights; flips: bits"
    )
    parser.add_argument("--dimensions", type=int, default=1, help="1 (default): a line; 2: a map")
    parser.add_argument("--points", type=positive_int, default=21, help="along every direction (default 21)")
    parser.add_argument("--extent", type=float,
                        help="how far: filter norms (default 1), or share of flipped bits (default 0.2)")  # fmt: skip
    parser.add_argument("--split", default="val", help="val (default) or train")
    parser.add_argument("--images", type=positive_int, help="of the split, a stratified part (default: all)")
    parser.add_argument("--norms", default="kept",
                        help="batch statistics: kept (default) as trained, or recalibrated at every point")  # fmt: skip
    parser.add_argument("--seed", type=int, default=0, help="of the directions (default 0)")
    parser.add_argument("--checkpoint", help="relative to a run's folder (default: the last epoch's)")
    parser.add_argument("--data-dir", help="folder that holds the data set, if it has moved")
    parser.add_argument("--threads", type=positive_int, help="torch threads (default: as torch is set)")
    parser.add_argument(
        "--out", type=Path, required=True, help="folder for landscape.json, landscape.html and PNG files"
    )


def run(args: argparse.Namespace) -> Mapping[str, Any]:
    from contextlib import nullcontext

    from signbit.compare import find_runs
    from signbit.landscape import Scan, look
    from signbit.landscape.record import to_dict
    from signbit.report.landscape_page import figures, landscape_page
    from signbit.training.checkpoints import LAST
    from signbit.training.step_time import torch_threads

    names = ("space", "dimensions", "points", "extent", "split", "images", "norms", "seed")
    scan = Scan(**{name: getattr(args, name) for name in names})
    runs = find_runs(args.runs)
    views = look(runs, scan, data_dir=args.data_dir, checkpoint=args.checkpoint or LAST)
    make_folder(args.out)  # once all is found, and before minutes are spent
    say(args, f"{len(runs)} run{'s' * (len(runs) > 1)}, {scan.size} points each")
    with ProgressBar(scan.size * len(runs)) as bar, torch_threads(args.threads) if args.threads else nullcontext():
        found = [view.draw(bar.step) for view in views]
    say(args, table(
        [(each.name, f"{each.centre.loss:.4f}", f"{100 * each.centre.accuracy:.2f}",
          f"{max(point.loss for point in each.points):.4f}") for each in found],
        ("run", "loss at the centre", "accuracy, %", "highest loss"),
    ))  # fmt: skip
    record = to_dict(scan, found)
    write_bytes_atomically(args.out / "landscape.json", (json.dumps(record, indent=2) + "\n").encode())
    landscape_page(scan, found, _command(args)).write(args.out / "landscape.html")
    pictures = []
    for number, figure in enumerate(figures(scan, found), 1):
        pictures.append(args.out / f"landscape-{number}.png")
        with atomic_write(pictures[-1]) as temporary:
            figure.savefig(temporary, dpi=160)
    say(args, f"report: {args.out / 'landscape.html'}; figures and landscape.json beside it")
    return {**record, "report": str(args.out / "landscape.html"), "pictures": [str(picture) for picture in pictures]}


def _command(args: argparse.Namespace) -> str:
    words = ["signbit", "landscape", *(str(run) for run in args.runs)]
    for name in ("space", "dimensions", "points", "extent", "split", "images", "norms", "seed", "checkpoint"):
        value = getattr(args, name)
        if value is not None:
            words += [f"--{name}", str(value)]
    return shlex.join([*words, "--out", args.out.name]) + (" --data-dir DIR" if args.data_dir else "")


COMMAND = Command(
    name="landscape",
    summary="the loss around trained weights, drawn on one scale for several runs",
    examples=(
        "signbit landscape runs/first runs/second --out runs/landscape",
        "signbit landscape runs/compared --space flips --extent 0.1 --images 1000 --out runs/flips",
        "signbit landscape runs/first --dimensions 2 --points 15 --norms recalibrated --out runs/map",
    ),
    configure=configure,
    run=run,
)
