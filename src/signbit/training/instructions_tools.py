"""Programs that count the instructions of another: valgrind's callgrind, and perf."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from signbit.errors import SignbitError

EVENT = "instructions:u"

Jobs = Sequence[Mapping[str, Any]]
"""What the child does, one after the other, as plain data."""


@dataclass(frozen=True)
class Tool:
    """A program that counts the instructions of another.

    Attributes
    ----------
    name : of the tool, for people and for the child's switch.
    usable : whether it is installed and works on this processor.
    version : the command that prints it.
    count : (jobs, empty folder) -> for each, the instructions of all its steps and what the child says about it.
    """

    name: str
    usable: Callable[[], bool]
    version: tuple[str, ...]
    count: Callable[[Jobs, Path], Iterator[tuple[int, str]]]

    def describe(self) -> str:
        """Name and version."""
        said = subprocess.run(self.version, capture_output=True, text=True).stdout.strip()
        return said if self.name in said else f"{self.name}, {said}"


def find_tool() -> Tool:
    """The first of callgrind and perf that is usable; SignbitError if neither is."""
    for tool in TOOLS:
        if tool.usable():
            return tool
    raise SignbitError(
        "counting instructions needs valgrind, or perf on a processor whose counters it may read; neither was found; "
        "install one, for example: apt install valgrind"
    )


def callgrind_total(dump: str) -> int:
    """Instructions in the text of a callgrind dump.

    >>> callgrind_total("events: Ir\\nfn=main\\n1 20\\ntotals: 20\\n")
    20
    """
    found = re.search(r"^totals: (\d+)", dump, re.MULTILINE)
    if found is None:
        raise SignbitError(
            "callgrind's file ends without a line 'totals: N'; is the disk full, or its version too old?"
        )
    return int(found[1])


def perf_total(report: str, event: str = EVENT) -> int:
    """Instructions in what ``perf stat -x,`` reports.

    >>> perf_total("1234,,instructions:u,5678,100.00,,")
    1234
    """
    found = re.search(rf"^(\d+)[.\d]*,[^,]*,{event},", report, re.MULTILINE)
    if found is None:
        raise SignbitError(f"perf counted no {event}; it reported {report.strip()!r}; install valgrind instead")
    return int(found[1])


def _callgrind_works() -> bool:
    return shutil.which("valgrind") is not None and shutil.which("vgdb") is not None


def _perf_works() -> bool:
    """Virtual machines and containers often hide the counters; perf then says so instead of a number."""
    if shutil.which("perf") is None:
        return False
    tried = subprocess.run(["perf", "stat", "-x,", f"--event={EVENT}", "true"], capture_output=True, text=True)
    try:
        return tried.returncode == 0 and perf_total(tried.stderr) > 0
    except SignbitError:
        return False


def _callgrind(jobs: Jobs, folder: Path) -> Iterator[tuple[int, str]]:
    """One process for all: under valgrind its start takes longer than the steps."""
    out = folder / "out"
    # Instrumentation makes a program tens of times slower: it is off until the first counted step.
    options = ("--tool=callgrind", "--instr-atstart=no", f"--callgrind-out-file={out}")
    with _child(("valgrind", *options), "callgrind", jobs) as lines:
        for number, line in enumerate(lines, 1):
            yield callgrind_total(Path(f"{out}.{number}").read_text()), line


def _perf(jobs: Jobs, folder: Path, event: str = EVENT) -> Iterator[tuple[int, str]]:
    control, acknowledged, report = folder / "control", folder / "acknowledged", folder / "report"
    os.mkfifo(control)
    os.mkfifo(acknowledged)
    pipes = {"SIGNBIT_PERF_CONTROL": str(control), "SIGNBIT_PERF_ACK": str(acknowledged)}
    options = (
        "-x,",
        f"--event={event}",
        "--delay=-1",
        f"--control=fifo:{control},{acknowledged}",
        f"--output={report}",
    )
    for job in jobs:
        with _child(("perf", "stat", *options, "--"), "perf", [job], pipes) as lines:
            said = list(lines)
        yield perf_total(report.read_text(), event), said[0]


@contextmanager
def _child(
    tool: tuple[str, ...], switch: str, jobs: Jobs, variables: Mapping[str, str] | None = None
) -> Iterator[IO[str]]:
    """The counted process under a tool; the lines that it prints. Hashing is fixed, and one thread works."""
    command = (*tool, sys.executable, "-m", "signbit.training.instructions_child", switch)
    fixed = {"PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            (*command, json.dumps(jobs)),
            env={**os.environ, **fixed, **(variables or {})},
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
        assert process.stdout is not None
        try:
            with process.stdout as lines:
                yield lines
            code = process.wait()
        finally:
            process.terminate()
            process.wait()
        if code != 0:
            errors.seek(0)
            last = (errors.read().strip().splitlines() or ["without a message"])[-1]
            raise SignbitError(f"the counted process under {tool[0]} ended with code {code}: {last}")


TOOLS = (
    Tool("callgrind", _callgrind_works, ("valgrind", "--version"), _callgrind),
    Tool("perf", _perf_works, ("perf", "--version"), _perf),
)
