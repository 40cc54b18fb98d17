"""What a person sees of a comparison under way: one line for each run, and how many are done."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from signbit.callbacks.record import read_rows
from signbit.compare.plan import folder_of, unfinished
from signbit.training.config import RunConfig
from signbit.training.folder import METRICS


def console_and_bars(stream: TextIO | None) -> tuple[Console, Progress]:
    """Lines and, where the stream is a terminal, bars below them; default standard error."""
    console = Console(file=stream or sys.stderr, highlight=False, soft_wrap=True)
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return console, Progress(*columns, console=console, disable=not console.is_terminal)


class Display:
    """Bars where the stream is a terminal, a line for every run that ends elsewhere. A context manager.

    Parameters
    ----------
    configs : all planned runs, the finished ones too.
    stream : where to; default standard error, so that standard output stays for results.
    """

    def __init__(self, configs: Sequence[RunConfig], stream: TextIO | None = None) -> None:
        self._console, self._bars = console_and_bars(stream)
        self._count, self._done = len(configs), len(configs) - len(unfinished(configs))
        self._all = self._bars.add_task("runs", total=self._count, completed=self._done)
        self._tasks: dict[str, tuple[RunConfig, TaskID]] = {}

    def __enter__(self) -> Display:
        if self._done:
            self._console.print(f"{self._done} of {self._count} runs are finished already")
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def started(self, config: RunConfig) -> None:
        """Add a bar."""
        name = folder_of(config).name
        self._tasks[name] = config, self._bars.add_task(name, total=config.epochs)

    def tick(self) -> None:
        """Move the bars to what the runs have recorded."""
        if self._bars.disable:
            return
        for name, (config, task) in self._tasks.items():
            rows = read_rows(folder_of(config) / METRICS)
            text = f"{name}  val {rows[-1]['val_accuracy']:.2%}" if rows else name
            self._bars.update(task, completed=len(rows), description=text)

    def ended(self, config: RunConfig, failure: str) -> None:
        """Replace the bar by a line."""
        name = folder_of(config).name
        self._bars.remove_task(self._tasks.pop(name)[1])
        if failure:
            outcome = f"failed: {failure}"
        else:
            self._done += 1
            self._bars.update(self._all, completed=self._done)
            rows = read_rows(folder_of(config) / METRICS)
            outcome = f"val {rows[-1]['val_accuracy']:.2%} after {len(rows)} epochs"
        self._console.print(f"{self._done}/{self._count}  {name}  {outcome}", markup=False)
