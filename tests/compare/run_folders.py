"""Run folders made by hand, to the byte what a run leaves except that nothing was trained."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from signbit.callbacks.record import format_rows
from signbit.data import load
from signbit.methods import resolve
from signbit.training import RunConfig
from signbit.training.folder import CARD, CONFIG, ENVIRONMENT, METRICS, RESULT

STEPS = 7


def write_run(
    out: Path,
    accuracy: float = 0.9,
    result: Mapping[str, Any] | None = None,
    flips: Sequence[float | None] = (0.2, 0.05),
    environment: Mapping[str, Any] | None = None,
    logged: Mapping[str, Sequence[float]] | None = None,
    **settings: Any,
) -> Path:
    """A finished run of as many epochs as ``flips``, with ``logged`` as more metrics of each.

    ``settings`` are those of its config, as resolved as a run resolves them.
    """
    config = RunConfig.from_dict({"epochs": len(flips), "augment": "none", **settings})
    defaults = resolve(config.method, config.method_options).defaults
    assert defaults is not None
    config = replace(
        config,
        out=str(out),
        learning_rate=config.learning_rate or defaults.learning_rate,
        schedule=config.schedule or defaults.schedule,
    )
    out.mkdir(parents=True)
    config.to_yaml(out / CONFIG)
    rows = [
        {"epoch": e, "step": STEPS * (e + 1), "seconds": 3.0, "val_accuracy": accuracy, "train_accuracy": accuracy,
         "val_loss": 0.5, "train_loss": 0.4,
         **({} if rate is None else {"sign_flip_rate": rate, "sign_flip_rate/body.0.weight": rate}),
         **{name: values[e] for name, values in (logged or {}).items()}}
        for e, rate in enumerate(flips)
    ]  # fmt: skip
    (out / METRICS).write_bytes(format_rows(rows))
    claim = {"run": str(out), "test_accuracy": accuracy, "val_accuracy": accuracy + 0.01,
             "epochs": len(flips), "seconds": 6.0, "cpu_seconds": 5.0, "best_val_accuracy": accuracy,
             "best_epoch": 1, **(result or {})}  # fmt: skip
    (out / RESULT).write_text(json.dumps(claim))
    (out / CARD).write_text(json.dumps(asdict(load("digits").card)))
    place = {"signbit": "0", "commit": "abc", "cpu": "a CPU", "threads": 1, "seed": config.seed, **(environment or {})}
    (out / ENVIRONMENT).write_text(json.dumps(place))
    return out
