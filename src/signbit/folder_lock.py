"""One process at a time in a folder."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from signbit.errors import ConfigError
from signbit.files import write_failure

LOCK = ".lock"


@contextmanager
def folder_lock(folder: Path, doing: str) -> Iterator[None]:
    """Keep ``folder`` to this process for the length of the block. A process that is killed leaves it free.

    Parameters
    ----------
    folder : must exist; during the block it holds the file ``.lock``.
    doing : what a process does in there, for the error, such as ``"training"``.

    Errors: :class:`ConfigError` while another process has the folder, WriteError where nothing can be written.
    """
    path = folder / LOCK
    descriptor = _locked(path, f"another process is {doing} in {folder}; wait for it, or stop it first")
    try:
        yield
    finally:
        with suppress(OSError):  # it does no harm where it cannot be deleted
            path.unlink()
        os.close(descriptor)


def _locked(path: Path, taken: str) -> int:
    while True:
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except OSError as error:
            raise write_failure(path, error) from error
        try:
            # Of the process, not of the open file: processes that it forks to load data do not keep it.
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError) as error:
            os.close(descriptor)
            raise ConfigError(taken) from error
        if os.fstat(descriptor).st_nlink > 0:
            return descriptor
        os.close(descriptor)  # deleted by the one before, after it was opened here
