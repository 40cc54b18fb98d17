"""Runs in parallel processes: finished ones are left alone, interrupted ones go on where they stopped."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from signal import SIGINT, Signals
from typing import Protocol

from signbit.compare.plan import folder_of
from signbit.files import make_folder
from signbit.training.config import RunConfig

WORKER = (sys.executable, "-m", "signbit.compare.worker")
LOGS = "logs"
POLL_SECONDS = 0.2
PATIENCE_SECONDS = 20.0
"""How long an interrupted run may take to end by itself."""


class Watcher(Protocol):
    """Sees what happens to the runs."""

    def started(self, config: RunConfig) -> None:
        """A run has been started."""

    def tick(self) -> None:
        """Some time has passed."""

    def ended(self, config: RunConfig, failure: str) -> None:
        """A run has ended; ``failure`` is empty if all went well."""


@dataclass(frozen=True)
class _Job:
    config: RunConfig
    process: subprocess.Popen[str]
    log: Path
    begins: int
    """Bytes of the log that earlier processes of this run wrote."""


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_all(configs: Sequence[RunConfig], jobs: int, watcher: Watcher) -> dict[Path, str]:
    """Run everything, ``jobs`` at a time; a run that fails does not stop the others.

    What a run prints goes to ``logs/NAME.log`` beside the folder of the runs. After Ctrl-C all runs are interrupted,
    and the same call continues them.

    Parameters
    ----------
    configs : planned runs that are not finished.
    jobs : processes at a time, >= 1; they share the cores through ``threads`` of the runs.
    watcher : is told what happens.

    Returns the folders of the runs that failed, with the reason.
    """
    waiting = list(configs)
    failures: dict[Path, str] = {}
    with _running() as running:
        while waiting or running:
            while waiting and len(running) < jobs:
                running.append(_start(waiting.pop(0)))
                watcher.started(running[-1].config)
            time.sleep(POLL_SECONDS)
            watcher.tick()
            for job in [job for job in running if job.process.poll() is not None]:
                running.remove(job)
                failure = _failure(job)
                if failure:
                    failures[folder_of(job.config)] = failure
                watcher.ended(job.config, failure)
    return failures


@contextmanager
def _running() -> Iterator[list[_Job]]:
    """The processes under way; whatever ends the block ends them too."""
    jobs: list[_Job] = []
    try:
        yield jobs
    finally:
        for job in jobs:
            with suppress(ProcessLookupError):
                job.process.send_signal(SIGINT)
        deadline = time.monotonic() + PATIENCE_SECONDS
        for job in jobs:
            try:
                job.process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                job.process.kill()
                job.process.wait()
            _close(job)


def _start(config: RunConfig) -> _Job:
    folder = folder_of(config)
    log = folder.parent.parent / LOGS / f"{folder.name}.log"
    make_folder(log.parent)
    # More threads than cores in sum would make the processes wait for each other in circles.
    environment = {**os.environ, "OMP_NUM_THREADS": str(config.threads or 1)}
    with log.open("a") as file:
        begins = file.tell()
        process = subprocess.Popen(
            WORKER,
            stdin=subprocess.PIPE,
            stdout=file,
            stderr=file,
            text=True,
            env=environment,
            start_new_session=True,  # a Ctrl-C in the terminal reaches this process alone, which passes it on
        )
    assert process.stdin is not None
    process.stdin.write(json.dumps(config.to_dict()) + "\n")
    process.stdin.flush()  # and stays open: its end is the worker's sign that this process is gone
    return _Job(config, process, log, begins)


def _failure(job: _Job) -> str:
    """Why a process failed: its last words, or who ended it."""
    _close(job)
    code = job.process.returncode
    if code == 0:
        return ""
    if code < 0:
        # Its last words are about the epoch that went well.
        name = _signal_name(-code)
        memory = ", as happens where memory runs out (fewer --jobs take less)" if name == "SIGKILL" else ""
        words = f"ended by {name}{memory}; the same command goes on after its last whole epoch"
    else:
        said = job.log.read_bytes()[job.begins :].decode(errors="replace")
        lines = [line for line in said.splitlines() if line.strip()]
        words = lines[-1].removeprefix("signbit: ") if lines else "it said nothing"
    return f"{words} (exit code {code}; {job.log})"


def _signal_name(number: int) -> str:
    return Signals(number).name if number in set(Signals) else f"signal {number}"


def _close(job: _Job) -> None:
    assert job.process.stdin is not None
    job.process.stdin.close()
