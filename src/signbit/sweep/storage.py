"""Where a study is kept: a database that several workers, also on several machines, may share."""

from __future__ import annotations

import json
import logging
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import optuna
from optuna import Study
from optuna.exceptions import ExperimentalWarning, StorageInternalError
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.exc import SQLAlchemyError

from signbit.errors import ConfigError, SignbitError
from signbit.sweep.definition import StudyDefinition
from signbit.sweep.search import PRUNERS, SeededByTrial
from signbit.training.config import RunConfig

JOURNAL = "journal:"
HEARTBEAT_SECONDS, GRACE_SECONDS = 20, 120
"""A trial whose worker has been silent for so long is taken over by another one."""
LOCK_SECONDS = 60
"""How long SQLite waits for another worker's write."""
ATTEMPTS = 5
DEFINITION = "definition"
"""The study's attribute that says what it looks for."""


def open_study(definition: StudyDefinition, url: str) -> Study:
    """The study of this name in a storage; made there if it is new.

    Parameters
    ----------
    definition : what the study looks for.
    url : an SQLAlchemy URL such as ``sqlite:///study.db``, or ``journal:FILE`` for a log on a shared file system.

    Errors: :class:`ConfigError` if the storage holds a study of this name that looks for something else;
    :class:`SignbitError` for a storage that cannot be used.
    """
    optuna.logging.set_verbosity(logging.ERROR)
    told = json.loads(json.dumps(definition.to_dict()))
    del told["trials"], told["about"]  # a study may be made longer
    with storage_errors(url, OSError, ImportError, ValueError):
        study = _loaded(definition, url)
        recorded = study.user_attrs.get(DEFINITION)
        if recorded is None:
            study.set_user_attr(DEFINITION, told)
            recorded = told
    changed = [key for key in told if recorded.get(key) != told[key]]
    if changed:
        raise ConfigError(
            f"the study {definition.name!r} in {url} was begun with other {' and '.join(changed)}; choose another "
            "--out, --storage or name, or undo the change"
        )
    return study


@contextmanager
def storage_errors(url: str, *also: type[Exception]) -> Iterator[None]:
    """Say in a line what a database says in pages; ``also`` names errors that are the storage's while it is opened."""
    kinds: tuple[type[Exception], ...] = (SQLAlchemyError, StorageInternalError, *also)
    try:
        yield
    except kinds as error:
        reason = str(error.__cause__ or error).splitlines()[0]
        raise SignbitError(
            f"cannot use the storage {url}: {reason}; give an SQLAlchemy URL that can be reached, such as "
            "sqlite:///study.db, or journal:FILE"
        ) from error


def continued(study: Study, trial: FrozenTrial) -> None:
    """Queue the settings of a trial that was interrupted, for whoever is next; its run goes on where it stood."""
    study.add_trial(
        optuna.create_trial(
            state=TrialState.WAITING,
            params=trial.params,
            distributions=trial.distributions,
            user_attrs={"folder": trial.user_attrs.get("folder", trial.number), "continues": trial.number},
        )
    )


def _loaded(definition: StudyDefinition, url: str) -> Study:
    epochs = definition.settings.get("epochs", RunConfig.epochs)
    for attempt in range(ATTEMPTS):
        try:
            return optuna.create_study(
                study_name=definition.name,
                storage=_storage(url),
                sampler=SeededByTrial(definition.sampler, definition.seed),
                pruner=PRUNERS[definition.pruner].target(epochs),
                direction="maximize",
                load_if_exists=True,
            )
        except (SQLAlchemyError, StorageInternalError):
            # Two workers that both find an empty database both make its tables; the slower one looks again.
            if attempt == ATTEMPTS - 1 or not url.startswith("sqlite"):
                raise
            time.sleep(0.5)
    raise AssertionError


def _storage(url: str) -> BaseStorage:
    if url.startswith(JOURNAL):
        path = Path(url.removeprefix(JOURNAL))
        path.parent.mkdir(parents=True, exist_ok=True)
        return JournalStorage(JournalFileBackend(str(path)))
    if url.startswith("sqlite:///"):
        Path(url.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
    options = {"connect_args": {"timeout": LOCK_SECONDS}} if url.startswith("sqlite") else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        return RDBStorage(
            url,
            engine_kwargs=options,
            heartbeat_interval=HEARTBEAT_SECONDS,
            grace_period=GRACE_SECONDS,
            heartbeat_stale_trial_callback=continued,
        )
