"""What a person sees of a study under way: how many trials are done, and how the one that runs is doing."""

from __future__ import annotations

from typing import TextIO

from optuna.trial import FrozenTrial, TrialState
from rich.progress import TaskID

from signbit.compare.display import console_and_bars
from signbit.sweep.trial import FAILURE
from signbit.training.config import RunConfig


class Display:
    """Bars where the stream is a terminal, a line for every trial that ends. A context manager.

    Parameters
    ----------
    trials, done : that the study is to have, and has.
    stream : where to; default standard error, so that standard output stays for results.
    """

    def __init__(self, trials: int, done: int, stream: TextIO | None = None) -> None:
        self._console, self._bars = console_and_bars(stream)
        self._all = self._bars.add_task("trials", total=trials, completed=done)
        self._trial: TaskID | None = None
        self._trials, self._done = trials, done
        self.current: int | None = None
        """Number of the trial that runs."""

    def __enter__(self) -> Display:
        if self._done:
            self._console.print(f"{self._done} of {self._trials} trials are done already")
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def started(self, number: int) -> None:
        """Add a bar."""
        self.current = number
        self._trial = self._bars.add_task(f"trial {number}", total=None)

    def epoch(self, config: RunConfig, epoch: int, accuracy: float) -> None:
        """Move the trial's bar."""
        if self._trial is not None:
            text = f"trial {self.current}  val {accuracy:.2%}"
            self._bars.update(self._trial, total=config.epochs, completed=epoch + 1, description=text)

    def ended(self, trial: FrozenTrial, done: int) -> None:
        """Replace the trial's bar by a line."""
        if self._trial is not None:
            self._bars.remove_task(self._trial)
        self.current, self._trial = None, None
        self._bars.update(self._all, completed=done)
        self._console.print(f"{done}/{self._trials}  trial {trial.number}  {outcome(trial)}", markup=False)


def outcome(trial: FrozenTrial) -> str:
    """What became of a trial, in a few words."""
    if trial.state is TrialState.FAIL:
        return f"failed: {trial.user_attrs[FAILURE]}" if FAILURE in trial.user_attrs else "interrupted"
    values = [trial.intermediate_values[epoch] for epoch in sorted(trial.intermediate_values)]
    if trial.state is TrialState.PRUNED:
        return f"val {values[-1]:.2%}, given up after {len(values)} epochs"
    if trial.state is TrialState.COMPLETE:
        return f"val {trial.value:.2%} after {len(values)} epochs"
    return trial.state.name.lower()
