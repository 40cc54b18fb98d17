"""``signbit compare``: train settings side by side under one protocol, then report on them."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from signbit.cli.command import Command, add_instructions, positive_int, say, table
from signbit.errors import SignbitError
from signbit.files import make_folder, write_bytes_atomically
from signbit.folder_lock import folder_lock

PROTOCOL = ("data", "data_dir", "epochs", "time_budget", "train_images", "batch_size", "augment")
"""Options that hold for every row; a recipe's own setting stays where they are not given."""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("recipes", nargs="*", metavar="RECIPE", help="shipped recipes, also patterns with *, or files")
    parser.add_argument("--methods", default="", metavar="A,B", help="methods, each on every network of --model")
    parser.add_argument("--model", default="convnet-tiny", metavar="N,M", help="networks (default convnet-tiny)")
    parser.add_argument("--data", help="data set; see: signbit list datasets")
    parser.add_argument("--data-dir", help="folder that holds the data set")
    parser.add_argument("--epochs", type=positive_int, help="passes over the training images")
    parser.add_argument("--time-budget", type=float, metavar="SECONDS", help="of training, for each run")
    parser.add_argument("--train-images", type=positive_int, help="train on a stratified part of this many images")
    parser.add_argument("--batch-size", type=positive_int, help="images a step")
    parser.add_argument("--augment", help="augmentation; default: the data set's")
    parser.add_argument("--seeds", type=positive_int, default=1, help="how many seeds, from 0 (default 1)")
    parser.add_argument("--jobs", type=positive_int, help="runs at a time; they share the cores (default: one a core)")
    parser.add_argument("--out", type=Path, required=True, help="folder of the comparison; the same one continues it")
    parser.add_argument("--title", default="Comparison", help="headline of the report (default: Comparison)")
    add_instructions(parser)


def run(args: argparse.Namespace) -> Mapping[str, Any]:
    from signbit.cli.turns import interleaved
    from signbit.compare import compare, read_record, verdict
    from signbit.compare.check import check_runs
    from signbit.compare.deployment import deploy
    from signbit.compare.display import Display
    from signbit.compare.plan import all_settings, folder_of, plan, unfinished
    from signbit.compare.records import read_instructions
    from signbit.compare.runner import LOGS, cores, run_all
    from signbit.report.comparison_page import comparison_page
    from signbit.report.comparison_table import markdown, overview, to_csv, to_dict, to_json

    counted = read_instructions(args.instructions) if args.instructions else None
    settings = all_settings(args.recipes, _names(args.methods), _names(args.model))
    given = {name: getattr(args, name) for name in PROTOCOL if getattr(args, name) is not None}
    jobs = min(args.jobs or cores(), len(settings) * args.seeds) or 1
    configs = plan(settings, given, args.seeds, max(1, cores() // jobs), args.out)
    waiting = unfinished(configs)
    check_runs(waiting)  # what is missing or does not fit is found here, once, and not by every run
    make_folder(args.out)
    try:
        with folder_lock(args.out, "comparing"), Display(configs) as display:
            failures = run_all(waiting, jobs, display)
    except KeyboardInterrupt:
        say(args, f"interrupted; the same command continues the comparison in {args.out}")
        raise

    # What failed has been said; the others are compared all the same.
    if len(failures) == len(configs):
        raise SignbitError(f"no run ended well; why, is said above and in {args.out / LOGS}")
    records = [read_record(folder_of(config)) for config in configs if folder_of(config) not in failures]
    first = [setting.runs[0] for setting in compare(records).settings]
    if not all(record.deployment for record in first):
        say(args, f"exporting {len(first)} networks and timing the files")
        # All of them, not only the new ones: times compare within one session.
        for folder, reason in deploy(first, interleaved).items():
            say(args, f"not exported: {folder.name}: {reason}")
        records = [read_record(record.folder) for record in records]
    comparison = compare(records, counted)
    header, rows = overview(comparison)
    say(args, table(rows, header))
    say(args, f"\n{verdict(comparison.pairs)}")
    for name, text in (
        ("report.html", comparison_page(comparison, args.title).html()),
        ("table.md", markdown(comparison, args.title, _command(args))),
        ("table.csv", to_csv(comparison)),
        ("table.json", to_json(comparison)),
    ):
        write_bytes_atomically(args.out / name, text.encode())
    say(args, f"report: {args.out / 'report.html'}, tables beside it")
    for folder, reason in failures.items():
        say(args, f"left out, it failed: {folder.name}: {reason}")
    return {
        **to_dict(comparison),
        "report": str(args.out / "report.html"),
        "failed": {str(folder): reason for folder, reason in failures.items()},
        "exit_code": 2 if failures else 0,
    }


def _command(args: argparse.Namespace) -> str:
    """The command without what only matters on this machine."""
    words = ["signbit", "compare", *args.recipes]
    for name in ("methods", "model", *PROTOCOL, "seeds"):
        value = getattr(args, name)
        if value and name != "data_dir" and (name != "model" or args.methods):
            words += [f"--{name.replace('_', '-')}", str(value)]
    for path in args.instructions:
        words += ["--instructions", path.name]
    return shlex.join([*words, "--out", args.out.name])


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


COMMAND = Command(
    name="compare",
    summary="train settings side by side under one protocol, and report on them",
    examples=(
        "signbit compare --methods float,ste,bop2nd --model convnet-tiny --data digits --seeds 3 --out runs/digits",
        "signbit compare 'cifar10/resnet20-*-quick' --data-dir DIR --seeds 1 --out runs/cifar10",
    ),
    configure=configure,
    run=run,
)
