"""The process that is counted: a few training steps by Lightning's loop, with counting switched on around them.

Started by :mod:`signbit.training.instructions` under a counting tool, with the tool's name and workloads as JSON in its
arguments. Prints one JSON object for each workload when its count is complete.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch.utils.data import DataLoader

from signbit.metrics.flips import FlipTracker
from signbit.training.environment import environment
from signbit.training.instructions import CLASSES, RATE, Prepared, Workload, prepare
from signbit.training.manners import quiet_lightning
from signbit.training.module import Classifier

WARM_UP = 2
"""Steps before the counted ones: the first allocates the optimizer's state."""

Switch = Callable[[bool], None]


def switch_callgrind(on: bool) -> None:
    """Start counting from zero; or write what was counted since to the next file.

    Instrumentation stays on after the first time: turning it translates the whole program anew, which takes minutes.
    """
    commands = ["instrumentation on", "zero"] if on else ["dump"]
    given = [part for command in commands for part in ("-c", command)]
    subprocess.run(["vgdb", f"--pid={os.getpid()}", *given], check=True, capture_output=True)


def switch_perf(on: bool) -> None:
    """Enable or disable the counter of ``perf stat`` through its pipes, and wait for the acknowledgement."""
    Path(os.environ["SIGNBIT_PERF_CONTROL"]).write_text("enable\n" if on else "disable\n")
    with Path(os.environ["SIGNBIT_PERF_ACK"]).open() as answers:
        answers.readline()


SWITCHES: dict[str, Switch] = {"callgrind": switch_callgrind, "perf": switch_perf}


class CountedSteps(Callback):  # type: ignore[misc]
    """Counts from the start of one step to the start of another: whole turns of the loop, everything in them."""

    def __init__(self, switch: Switch, steps: int) -> None:
        self._switch, self._stop = switch, WARM_UP + steps

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: object, batch_idx: int) -> None:  # noqa: ARG002
        """Switch where the counted steps begin and where they are over."""
        if batch_idx in (WARM_UP, self._stop):
            self._switch(batch_idx == WARM_UP)


def train(work: Workload, switch: Switch) -> dict[str, Any]:
    """Take the steps; what was done, for the record."""
    batch, *image = work.input_size
    parts = prepare(work)
    batches: Any = [
        (torch.randn(batch, *image), torch.randint(CLASSES, (batch,))) for _ in range(WARM_UP + work.steps + 1)
    ]
    with quiet_lightning():
        trainer = Trainer(
            accelerator="cpu",
            max_epochs=1,
            callbacks=[CountedSteps(switch, work.steps), *parts.callbacks],
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        module = Classifier(parts.network, parts.optimizer, RATE, num_classes=CLASSES)
        trainer.fit(module, DataLoader(batches, batch_size=None))
    return _what_was_left_out(parts) | {"environment": environment(0)}


def _what_was_left_out(parts: Prepared) -> dict[str, int]:
    parameters = dict(parts.network.named_parameters())
    layers = FlipTracker(parts.network).sizes
    return {
        "binary_layers": len(layers),
        "frozen_layers": sum(not parameters[name].requires_grad for name in layers),
        "frozen_parameters": sum(not parameter.requires_grad for parameter in parameters.values()),
    }


if __name__ == "__main__":
    torch.set_num_threads(1)
    for settings in json.loads(sys.argv[2]):
        print(json.dumps(train(Workload(**settings), SWITCHES[sys.argv[1]])), flush=True)
