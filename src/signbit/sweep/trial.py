"""One trial: a run with the settings that the study suggests, given up early where it promises little."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from lightning.pytorch import Callback, LightningModule, Trainer
from optuna import Trial, TrialPruned

from signbit.callbacks.record import Row, read_rows
from signbit.compare.records import RunRecord
from signbit.compare.reproduce import command_of
from signbit.errors import SignbitError
from signbit.sweep.definition import StudyDefinition
from signbit.training import RunConfig, fit_trial, read_config
from signbit.training.folder import ENVIRONMENT, METRICS, read_json

TRIALS = "trials"
OBJECTIVE = "val_accuracy"

FOLDER, COMMAND, FAILURE, SECONDS = "folder", "command", "failure", "seconds"
HELD, PLACE = "held_by_threshold", "environment"
"""What a trial's attributes say: where its run lies, how to repeat it, why it failed, how long it took, the
share of weights that the threshold held in its last epoch, and versions, commit and processor."""

Seen = Callable[[RunConfig, int, float], None]
"""Is told the run, its 0-based epoch and the validation accuracy after it."""


class Watch(Callback):  # type: ignore[misc]
    """Reports validation accuracy after every epoch, and stops the run where the study's pruner says so."""

    def __init__(self, trial: Trial, config: RunConfig, seen: Seen) -> None:
        self._trial, self._config, self._seen = trial, config, seen
        self._reported = 0
        self.pruned = False

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Report the epochs that an interrupted run has behind it."""
        self.catch_up(read_rows(Path(self._config.out or "") / METRICS)[: trainer.current_epoch])

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Report, and ask."""
        accuracy = trainer.callback_metrics[OBJECTIVE].item()
        self._trial.report(accuracy, trainer.current_epoch)
        self._reported += 1
        self._seen(self._config, trainer.current_epoch, accuracy)
        if trainer.current_epoch + 1 < self._config.epochs and self._trial.should_prune():
            self.pruned = trainer.should_stop = True

    def catch_up(self, rows: Sequence[Row]) -> None:
        """Report what has not been: a run that was interrupted after its last epoch is not trained again."""
        for row in rows[self._reported :]:
            self._trial.report(row[OBJECTIVE], int(row["epoch"]))
            self._reported += 1


def objective(trial: Trial, definition: StudyDefinition, out: Path, where: dict[str, object], seen: Seen) -> float:
    """Validation accuracy of a trial after its last epoch; its run is in ``out/trials``.

    Errors: :class:`optuna.TrialPruned`, and whatever ends a run, after it has been noted in the trial's attributes.
    """
    folder = out / TRIALS / f"{trial.user_attrs.get(FOLDER, trial.number):04}"
    trial.set_user_attr(FOLDER, int(folder.name))
    try:
        config = definition.config(trial, **where, out=str(folder), tensorboard=False)
        return _run(trial, config, folder, seen)
    except TrialPruned:
        raise
    except Exception as error:
        reason = str(error) if isinstance(error, SignbitError) else f"{type(error).__name__}: {error}"
        trial.set_user_attr(FAILURE, reason)
        raise


def _run(trial: Trial, config: RunConfig, folder: Path, seen: Seen) -> float:
    watch = Watch(trial, config, seen)
    rows = fit_trial(config, [watch])
    watch.catch_up(rows)
    record = RunRecord(folder, read_config(folder), read_json(folder / ENVIRONMENT), {}, tuple(rows), {})
    trial.set_user_attr(COMMAND, command_of(record))
    trial.set_user_attr(PLACE, dict(record.environment))
    trial.set_user_attr(SECONDS, round(sum(row["seconds"] for row in rows), 3))
    if HELD in rows[-1]:
        trial.set_user_attr(HELD, rows[-1][HELD])
    if watch.pruned:
        raise TrialPruned
    return rows[-1][OBJECTIVE]


def drop_weights(out: Path, folder: int) -> None:
    """Delete the checkpoints of a trial: those of hundreds would fill the disk."""
    shutil.rmtree(out / TRIALS / f"{folder:04}" / "checkpoints", ignore_errors=True)
