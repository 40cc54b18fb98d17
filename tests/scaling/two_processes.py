"""Trains runs with two processes, one after the other, and writes down what each process ended with.

``two_processes.py OUT TRAIN-OPTIONS... [-- TRAIN-OPTIONS...]...``: the first process starts the second one with the
same command line; the real command trains. ``OUT/RUN-rankR.pt`` holds what process R has in the end.
"""

from __future__ import annotations

import sys
from itertools import groupby
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Trainer
from torch import Tensor, nn

from signbit.callbacks import EpochRecord
from signbit.cli import main
from signbit.models import MODELS
from signbit.training import session


class Bare(nn.Module):
    """A float network whose logits of an image do not depend on the other images of its batch."""

    def __init__(self, layers: Any, *, num_classes: int, input_size: Any = (1, 1, 8, 8)) -> None:  # noqa: ARG002
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.Tanh(), nn.Linear(32, num_classes))

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.layers(x)
        return logits


class Witness(Trainer):
    """A trainer that tells afterwards who took part."""

    last: Witness

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        Witness.last = self


def write_down(out: Path, name: str) -> None:
    trainer = Witness.last
    (record,) = [callback for callback in trainer.callbacks if isinstance(callback, EpochRecord)]
    states = {type(callback).__name__: callback.state_dict() for callback in trainer.callbacks}
    seen = {
        "weights": trainer.lightning_module.state_dict(),
        "states": {name: state for name, state in states.items() if state},
        "rows": [{key: value for key, value in row.items() if "seconds" not in key} for row in record.rows],
        "stopped": trainer.should_stop,
        "world": trainer.world_size,
    }
    torch.save(seen, out / f"{name}-rank{trainer.global_rank}.pt")


if __name__ == "__main__":
    out = Path(sys.argv[1])
    MODELS.add("bare", "no batch statistics", Bare)
    session.Trainer = Witness  # type: ignore[misc]
    codes = []
    for separator, group in groupby(sys.argv[2:], lambda word: word == "--"):
        if not separator:
            options = list(group)
            codes.append(main(["train", *options, "--devices", "2"]))
            if codes[-1] == 0:
                write_down(out, Path(options[options.index("--out") + 1]).name)
    sys.exit(max(codes))
