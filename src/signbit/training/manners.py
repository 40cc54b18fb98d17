"""Keeping the manners of Lightning, and of the loggers it calls, in line with ours."""

from __future__ import annotations

import errno
import logging
import signal
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from signbit.errors import WriteError
from signbit.files import write_failure

NO_WRITING = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS}
"""What an operating system says that will take no more."""


def note(text: str) -> None:
    """Tell people something on standard error; standard output is for results."""
    print(f"note: {text}", file=sys.stderr, flush=True)


@contextmanager
def writing(run: Path) -> Iterator[None]:
    """What cannot be written into the folder of a run ends it with an error that says how to go on."""
    try:
        yield
    except (WriteError, OSError) as error:
        if isinstance(error, OSError):
            if error.errno not in NO_WRITING:
                raise
            error = write_failure(error.filename or run, error)
        raise WriteError(
            f"{error}; what was written before is intact: signbit train --resume {run} goes on once there is room"
        ) from error


@contextmanager
def interrupts_raise() -> Iterator[None]:
    """Lightning answers Ctrl-C by ignoring the signal for good and exiting; callers of ours get KeyboardInterrupt."""
    main = signal.getsignal(signal.SIGINT)
    try:
        yield
    except SystemExit as error:
        if isinstance(error.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from error
        raise
    finally:
        if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
            signal.signal(signal.SIGINT, main)


@contextmanager
def quiet_lightning() -> Iterator[None]:
    """Keep Lightning's notices about itself off the console; its errors stay."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric", "lightning")]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"lightning\..*")
            yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)
