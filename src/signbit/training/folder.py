"""The folder of a run: what is in it, and how it is read back."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torch import nn

from signbit.data import Card
from signbit.errors import ConfigError, DataError
from signbit.files import is_temporary, make_folder, remove_temporaries, write_bytes_atomically
from signbit.methods import create_model
from signbit.training.checkpoints import FOLDER, LAST, network_weights, read_checkpoint
from signbit.training.config import RunConfig

CONFIG, CARD, ENVIRONMENT, METRICS, RESULT = (
    "config.yaml",
    "data.json",
    "environment.json",
    "metrics.csv",
    "result.json",
)
IMPORTED = "import.json"
"""Where the weights of a run come from that was imported, not trained."""


@dataclass(frozen=True)
class RunResult:
    """What a finished run claims. Accuracies are shares, 0 .. 1, in float32, of the network after the last epoch.

    Attributes
    ----------
    run : its folder.
    test_accuracy : over every test image; evaluated once, when training was over.
    val_accuracy : over every validation image.
    epochs : trained.
    seconds : of all epochs, validation included, summed over interruptions.
    cpu_seconds : processor time of the same, over all threads.
    best_val_accuracy, best_epoch : the best epoch on validation as logged during training, counted from 1; its weights
        are in ``checkpoints/best.ckpt``.
    """

    run: Path
    test_accuracy: float
    val_accuracy: float
    epochs: int
    seconds: float
    cpu_seconds: float
    best_val_accuracy: float
    best_epoch: int

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {**asdict(self), "run": str(self.run)}


def begin(run: Path, config: RunConfig, card: Card, environment: dict[str, Any]) -> None:
    """Make the folder of a new run. It is one from the moment its settings are there, which are written last.

    Errors: :class:`ConfigError` for a folder that holds anything but what a run leaves that was killed before that.
    """
    ours = (CARD, ENVIRONMENT)
    if run.exists() and (not run.is_dir() or any(p.name not in ours and not is_temporary(p) for p in run.iterdir())):
        raise ConfigError(f"the folder of a run must be new or empty; {run} is not; choose another --out, or resume it")
    make_folder(run)
    remove_temporaries(run)
    write_json(run / CARD, asdict(card))
    write_json(run / ENVIRONMENT, environment)
    config.to_yaml(run / CONFIG)


def begin_again(run: Path, environment: dict[str, Any]) -> None:
    """Delete files that a process was writing when it was killed; note if a run is resumed somewhere else."""
    for folder in (run, run / FOLDER):
        remove_temporaries(folder)
    record = read_json(run / ENVIRONMENT)
    resumed = record.pop("resumed", [])
    if environment != [record, *resumed][-1]:
        resumed.append(environment)
    write_json(run / ENVIRONMENT, {**record, **({"resumed": resumed} if resumed else {})})


def read_config(run: str | Path) -> RunConfig:
    """The resolved settings of a run."""
    path = Path(run) / CONFIG
    if not path.is_file():
        raise ConfigError(f"{run} is not the folder of a run: it holds no {CONFIG}; signbit train makes one")
    return RunConfig.from_yaml(path)


def read_card(run: str | Path) -> Card:
    """What a run's network has to know about its data: classes, input size, mean and standard deviation."""
    return Card.from_dict(read_json(Path(run) / CARD))


def read_result(run: str | Path) -> RunResult | None:
    """What a finished run claims; None while it is not finished."""
    path = Path(run) / RESULT
    return RunResult(**{**read_json(path), "run": Path(run)}) if path.is_file() else None


def load_run(run: str | Path, checkpoint: str = LAST) -> tuple[nn.Module, RunConfig]:
    """The network of a run in evaluation mode, and the run's settings.

    Parameters
    ----------
    run : folder that :func:`fit` made.
    checkpoint : which one, relative to the folder; default the last epoch's, which is the one the result is about.

    Errors: :class:`DataError` for weights that are damaged or those of another network than the settings describe.
    """
    config, card = read_config(run), read_card(run)
    network = build_network(config, card)
    path = Path(run) / checkpoint
    try:
        network.load_state_dict(network_weights(read_checkpoint(path)))
    except RuntimeError as error:
        difference = (str(error).splitlines()[1:2] or [str(error)])[0].strip()[:200]
        raise DataError(
            f"{path} does not hold the weights of the network that {CONFIG} describes ({difference});"
            f" use the version of the code that {ENVIRONMENT} names"
        ) from error
    return network.eval(), config


def build_network(config: RunConfig, card: Card) -> nn.Module:
    """A fresh network of a run."""
    return create_model(
        config.model,
        method=config.method,
        num_classes=len(card.classes),
        input_size=card.input_size,
        method_options=config.method_options,
        **config.model_options,
    )


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write one JSON object; a reader sees the old file or the new one."""
    write_bytes_atomically(path, (json.dumps(content, indent=2) + "\n").encode())


def read_json(path: Path) -> dict[str, Any]:
    """Read one JSON object; :class:`DataError` for anything else."""
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise DataError(f"cannot read {path} of the run: {error}; is the folder complete?") from error
    if not isinstance(content, dict):
        raise DataError(f"{path} must hold a JSON object; it holds {type(content).__name__}")
    return content
