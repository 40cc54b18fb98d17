"""What a second core adds on this machine: how fast one counts while another one counts as well.

Two cores may share the budget of a clock, or be two threads of one core, which a virtual machine does not say. A
network on two threads cannot gain more than they leave.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from benchmarks.tiers import ceiling_now
from signbit.cli.turns import Ratio, in_turns
from signbit.runtime import available_isas

ROOT = Path(__file__).parents[1]
REPEATS = 10
SECONDS = 120
"""After which the neighbour ends by itself, should nobody end it."""


def two_cores() -> dict[str, float]:
    """Products a second of two cores at once over those of one: median and quartiles of the rounds."""
    isa = available_isas()[0]
    with subprocess.Popen([sys.executable, "-m", "benchmarks.cores", isa], cwd=ROOT, stdout=subprocess.PIPE) as other:
        assert other.stdout
        other.stdout.readline()

        def count(beside: signal.Signals) -> Callable[[], float]:
            def run() -> float:
                os.kill(other.pid, beside)
                return ceiling_now(isa)

            return run

        try:
            runs = {"alone": count(signal.SIGSTOP), "beside another": count(signal.SIGCONT)}
            rounds = list(in_turns(runs, REPEATS))
        finally:
            other.kill()
    alone, beside = ([median(found[name]) for found in rounds] for name in runs)
    return Ratio.of([2 * speed for speed in beside], alone)._asdict()


def main() -> None:
    """The neighbour: says that it is there, and counts."""
    print(flush=True)
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        ceiling_now(sys.argv[1])


if __name__ == "__main__":
    main()
