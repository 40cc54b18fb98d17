"""What a second core adds on this machine: how fast one runs a layer while another one does so as well.

Two cores may share the budget of a clock, or be two threads of one core, which a virtual machine does not say, and
others may be at work on either. A network on two threads cannot gain more than they leave.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.subjects import chain
from signbit.cli.turns import Ratio, in_turns, seconds
from signbit.format import write_bytes
from signbit.runtime import Session

ROOT = Path(__file__).parents[1]
LAYER, LAYERS = {"size": 14, "channels": 256, "kernel": 3}, 4
REPEATS = 200
SECONDS = 120
"""After which the neighbour ends by itself, should nobody end it."""


def two_cores() -> dict[str, float]:
    """Layers a second of two cores, each on its own, over those of one: median and quartiles of the rounds."""
    with subprocess.Popen([sys.executable, "-m", "benchmarks.cores"], cwd=ROOT, stdout=subprocess.PIPE) as other:
        assert other.stdout
        other.stdout.readline()
        layers = _layers()

        def timed(beside: signal.Signals) -> Callable[[], float]:
            def run() -> float:
                os.kill(other.pid, beside)
                return layers()

            return run

        try:
            runs = {"alone": timed(signal.SIGSTOP), "beside another": timed(signal.SIGCONT)}
            rounds = list(in_turns(runs, REPEATS))
        finally:
            other.kill()
    alone, beside = ([median(found[name]) for found in rounds] for name in runs)
    return Ratio.of([2 * time for time in alone], beside)._asdict()


def _layers() -> Callable[[], float]:
    """The seconds of some layers, on one thread."""
    graph = chain(**LAYER, depth=LAYERS).binary
    height, width, channels = graph.values[graph.input].shape
    x = np.random.default_rng(0).standard_normal((1, channels, height, width), np.float32)
    return partial(seconds, Session(write_bytes(graph), threads=1).run, x)


def main() -> None:
    """The neighbour: says that it is there, and runs layers."""
    layers = _layers()
    print(flush=True)
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        layers()


if __name__ == "__main__":
    main()
