"""``signbit report``: finished runs side by side, as a page, a Markdown document, CSV and JSON."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from signbit.cli.command import Command, add_instructions, say, table
from signbit.errors import DataError
from signbit.files import write_bytes_atomically


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="finished runs, or folders with some")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write a self-contained HTML page")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write table, commands and environment")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write one line a setting")
    parser.add_argument("--record", type=Path, metavar="FILE", help="write everything as JSON")
    parser.add_argument("--title", default="Comparison", help="headline (default: Comparison)")
    add_instructions(parser)


def run(args: argparse.Namespace) -> Mapping[str, Any]:
    from signbit.compare import compare, find_runs, is_finished, read_record, verdict
    from signbit.compare.records import read_instructions
    from signbit.report.comparison_page import comparison_page
    from signbit.report.comparison_table import markdown, overview, to_csv, to_dict, to_json

    counted = read_instructions(args.instructions) if args.instructions else None
    found = find_runs(args.runs)
    # A run that is named must be finished; one that lies among others may still be under way.
    waiting = [run for run in found if run not in args.runs and not is_finished(run)]
    if len(waiting) == len(found):
        raise DataError(f"none of {len(found)} runs is finished; signbit train --resume {waiting[0]} goes on with one")
    for run in waiting:
        say(args, f"left out, not finished: {run}; signbit train --resume {run} finishes it")
    comparison = compare([read_record(run) for run in found if run not in waiting], counted)
    header, rows = overview(comparison)
    say(args, table(rows, header))
    say(args, f"\n{verdict(comparison.pairs)}")
    targets: list[tuple[Path | None, Callable[[], str]]] = [
        (args.markdown, lambda: markdown(comparison, args.title, _command(args))),
        (args.csv, lambda: to_csv(comparison)),
        (args.record, lambda: to_json(comparison)),
        (args.out, lambda: comparison_page(comparison, args.title).html()),
    ]
    for path, text in targets:
        if path is not None:
            write_bytes_atomically(path, text().encode())
            say(args, f"written: {path}")
    return to_dict(comparison)


def _command(args: argparse.Namespace) -> str:
    """The command that wrote a document; folders of runs by their names, since they may lie anywhere."""
    words = ["signbit", "report", *(path.name for path in args.runs)]
    for path in args.instructions:
        words += ["--instructions", path.name]
    return shlex.join(words)


COMMAND = Command(
    name="report",
    summary="finished runs side by side: table, significance, commands",
    examples=(
        "signbit report runs/first runs/second --out report.html --markdown table.md",
        "signbit report runs/ --csv table.csv --record table.json",
    ),
    configure=configure,
    run=run,
)
