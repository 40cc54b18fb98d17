"""Tables of results, straight from the records of runs under ``docs/results``: no figure is typed by hand."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from generator import DOCS, table
from signbit.compare import Comparison, RunRecord, compare, is_finished, read_record
from signbit.compare.reproduce import command_of
from signbit.report.comparison_table import notes, overview
from signbit.training.folder import CARD, CONFIG

RESULTS = DOCS / "results"


def results_page() -> str:
    """Every documented comparison, and every recorded run, one table for each protocol."""
    written = [*sorted(RESULTS.glob("*.md")), *sorted(RESULTS.glob("*.html"))]
    pages = "\n".join(f"* [{_title(page)}]({page.name})" for page in written)
    parts = [
        "# Results",
        "Every figure below is read from the record of a run when this site is built. A record holds the run's "
        "settings, environment, metrics of every epoch and its claim, and lies under `docs/results`.",
        f"## Pages\n\n{pages}",
    ]
    for title, comparison in comparisons().items():
        commands = "\n".join(command_of(run) for run in comparison.runs)
        listed = "\n".join(f"* {note}" for note in notes(comparison))
        parts.append(f"## {title}\n\n{table(*overview(comparison))}\n\n{listed}")
        parts.append(f"Do it again:\n\n```sh\n{commands}\n```")
    if old := [run.relative_to(DOCS).as_posix() for run in _finished() if not _is_complete(run)]:
        listed = ", ".join(f"`docs/{run}`" for run in old)
        parts.append(f"Older records, which do not say what their images looked like and so are in no table: {listed}.")
    return "\n\n".join(parts) + "\n"


def results_of(method: str) -> str:
    """The recorded runs of one method; empty if there are none."""
    parts = []
    for title, comparison in comparisons().items():
        header, rows = overview(comparison, method)
        if rows:
            parts.append(f"{title}:\n\n{table(header, rows)}")
    if not parts:
        return ""
    more = "What the columns mean, and the other methods: [results](../results/index.md)."
    return "\n\n".join(["## Recorded here", *parts, more])


@cache
def comparisons() -> dict[str, Comparison]:
    """Recorded runs by what has to be equal before two of them are compared: network, data, images, epochs, batch."""
    groups: dict[str, list[RunRecord]] = {}
    for run in filter(_is_complete, _finished()):
        record = read_record(run)
        groups.setdefault(_protocol(record), []).append(record)
    return {title: compare(records) for title, records in groups.items()}


def _finished() -> list[Path]:
    return [config.parent for config in sorted(RESULTS.rglob(CONFIG)) if is_finished(config.parent)]


def _is_complete(run: Path) -> bool:
    return (run / CARD).is_file()


def _protocol(record: RunRecord) -> str:
    config = record.config
    images = "all training images" if config.train_images is None else f"{config.train_images:,} training images"
    return f"{config.model} on {config.data}: {images}, {config.epochs} epochs, batches of {config.batch_size}"


def _title(page: Path) -> str:
    if page.suffix == ".html":
        return page.read_text().partition("<title>")[2].partition("</title>")[0] + ", with charts"
    return page.read_text().partition("\n")[0].lstrip("# ")
