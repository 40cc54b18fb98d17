"""A folder that another process has."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PROGRAM = """
import os, sys, time
from pathlib import Path
from signbit.folder_lock import folder_lock
with folder_lock(Path(sys.argv[1]), "working"):
    if os.fork() == 0:
        time.sleep(600)
    print("locked", flush=True)
    sys.stdin.read()
"""


@contextmanager
def held_by_another_process(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that holds ``folder``, and has a child as those that load data."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(folder)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    try:
        with process:
            assert process.stdout is not None
            assert process.stdout.readline() == "locked\n"
            try:
                yield process
            finally:
                process.kill()
    finally:
        os.killpg(process.pid, signal.SIGKILL)
