"""What a run is asked to do: one frozen record, the same from the command line, a recipe and a run's folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

import yaml

from signbit.data import DATASETS, Dataset, load
from signbit.data.augment import AUGMENTATIONS
from signbit.data.dataset import check_normalization, check_options
from signbit.errors import ConfigError
from signbit.files import write_bytes_atomically
from signbit.methods import resolve
from signbit.models import MODELS
from signbit.training.rates import SHAPES
from signbit.yaml_file import parse_yaml

PRECISIONS = ("fp32", "bf16")

STRATEGIES = ("ddp", "ddp_find_unused_parameters_true")
"""Every process holds the whole network and its optimizer, and gradients are averaged before the update. The second
looks in every step for weights without a gradient: methods that freeze layers need it. Strategies that cut up weights
do not fit rules that look at whole ones."""

LEAST = {
    **dict.fromkeys(("train_images", "epochs", "batch_size", "threads", "devices", "nodes", "keep_checkpoints"), 1),
    "seed": 0,
}
GREATEST = {"seed": 2**32 - 1}
"""What every generator of numbers takes."""


@dataclass(frozen=True)
class RunConfig:
    """Settings of a training run. ``None`` means: what the method, the data set or the machine has as its default.

    Attributes
    ----------
    method : a registered name, or several joined by ``+``.
    model, data : registered names.
    data_dir : folder of the data set; default ``$SIGNBIT_DATA`` or ``~/.cache/signbit``.
    data_options : options of the data set, by name, for example the size of images in folders.
    download : fetch missing data files. Default no.
    train_images : train on a fixed, stratified part of this many images, for quick tries; default: all of them.
    epochs : >= 1; default 20.
    time_budget : seconds of training, > 0; the run ends with the last epoch that is expected to fit, at least one. The
        learning rate and other schedules still span ``epochs``. Default: no limit.
    batch_size : images a step, over all processes; >= 1; default 128.
    learning_rate : peak, > 0; default: the method's.
    final_learning_rate : where the schedule ends, >= 0 and at most ``learning_rate``; default: where its shape does.
    schedule : shape of the learning rate over the run; default: the method's.
    optimizer : overrides of the method's optimizer settings, by name. The rates of flip rules may be schedules, see
        :func:`signbit.training.rates.with_schedules`.
    method_options : options of the method, by name.
    model_options : keyword arguments of the model.
    augment : name of an augmentation; default: the data set's.
    normalize : what the network sees of pixels in [0, 1]: "standard" (default) subtracts the data set's mean and
        divides by its standard deviation, "unit" leaves them, "symmetric" maps them to [-1, 1].
    seed : >= 0; weights, order and augmentation follow from it. Default 0.
    precision : "fp32" (default) or "bf16": autocast; weights and sums stay float32.
    compile : compile the training step with torch.compile. Default no.
    threads : of torch in every process, >= 1; default: as torch is set.
    devices : accelerators of each machine that train, or processes where there is none; >= 1, default 1.
    nodes : machines, >= 1; default 1. With more than one process the run needs ``out``, which all of them know.
    strategy : Lightning's name for how processes work together, see :data:`STRATEGIES`; default: what the
        method needs.
    keep_checkpoints : the last so many epochs can be gone back to, >= 1; default 2, so that a damaged file costs one.
    out : folder of the run, new or empty; default: ``runs/`` and a name made of data, model, method and time.
    tensorboard : also write TensorBoard logs. Default yes.
    """

    method: str = "ste"
    model: str = "convnet-tiny"
    data: str = "digits"
    data_dir: str | None = None
    data_options: Mapping[str, Any] = field(default_factory=dict)
    download: bool = False
    train_images: int | None = None
    epochs: int = 20
    time_budget: float | None = None
    batch_size: int = 128
    learning_rate: float | None = None
    final_learning_rate: float | None = None
    schedule: str | None = None
    optimizer: Mapping[str, Any] = field(default_factory=dict)
    method_options: Mapping[str, Any] = field(default_factory=dict)
    model_options: Mapping[str, Any] = field(default_factory=dict)
    augment: str | None = None
    normalize: str = "standard"
    seed: int = 0
    precision: Literal["fp32", "bf16"] = "fp32"
    compile: bool = False
    threads: int | None = None
    devices: int = 1
    nodes: int = 1
    strategy: str | None = None
    keep_checkpoints: int = 2
    out: str | None = None
    tensorboard: bool = True

    def __post_init__(self) -> None:
        for key, types in _TYPES.items():
            value = getattr(self, key)
            if not _is(value, types):
                raise ConfigError(f"setting {key!r} must be {' or '.join(map(_type_name, types))}; got {value!r}")
        for key, least in LEAST.items():
            value = getattr(self, key)
            if value is not None and value < least:
                raise ConfigError(f"setting {key!r} must be at least {least}; got {value}")
        for key, greatest in GREATEST.items():
            if getattr(self, key) > greatest:
                raise ConfigError(f"setting {key!r} must be at most {greatest}; got {getattr(self, key)}")
        for key in ("learning_rate", "time_budget"):
            value = getattr(self, key)
            if value is not None and not 0 < value < float("inf"):
                raise ConfigError(f"setting {key!r} must be a positive number; got {value}")
        if self.final_learning_rate is not None and not 0 <= self.final_learning_rate < float("inf"):
            raise ConfigError(f"setting 'final_learning_rate' must be a number >= 0; got {self.final_learning_rate}")
        check_normalization(self.normalize)
        if self.precision not in PRECISIONS:
            raise ConfigError(f"setting 'precision' must be one of {', '.join(PRECISIONS)}; got {self.precision!r}")
        if self.strategy not in (None, *STRATEGIES):
            raise ConfigError(f"setting 'strategy' must be one of {', '.join(STRATEGIES)}; got {self.strategy!r}")
        for registry, name in (
            (MODELS, self.model),
            (DATASETS, self.data),
            (SHAPES, self.schedule),
            (AUGMENTATIONS, self.augment),
        ):
            if name is not None:
                registry[name]
        check_options(self.data, self.data_options)
        resolve(self.method, self.method_options)

    def load_data(self, data_dir: str | Path | None = None) -> Dataset:
        """Read the data set, as these settings say; from ``data_dir`` if it has moved."""
        dataset = load(self.data, data_dir or self.data_dir, self.download, **self.data_options)
        return dataset.normalized(self.normalize)

    @property
    def processes(self) -> int:
        """How many train together."""
        return self.devices * self.nodes

    @staticmethod
    def from_dict(raw: Mapping[str, Any]) -> RunConfig:
        """A record from plain data; unknown keys are errors with close matches.

        >>> RunConfig.from_dict({"epoch": 3})
        Traceback (most recent call last):
            ...
        signbit.errors.ConfigError: unknown setting 'epoch'; did you mean 'epochs'? known: augment, batch_size, ...
        """
        known = sorted(_TYPES)
        for key in raw:
            if key not in known:
                close = get_close_matches(str(key), known, n=1, cutoff=0.5)
                hint = f"did you mean {close[0]!r}? " if close else ""
                raise ConfigError(f"unknown setting {key!r}; {hint}known: {', '.join(known)}")
        return RunConfig(**raw)

    def to_dict(self) -> dict[str, Any]:
        """Plain data; the inverse of :meth:`from_dict`."""
        return asdict(self)

    @staticmethod
    def from_yaml(path: str | Path) -> RunConfig:
        """Read a YAML file of settings."""
        return RunConfig.from_dict(read_yaml(Path(path)))

    def to_yaml(self, path: str | Path) -> None:
        """Write every setting to a YAML file."""
        write_bytes_atomically(path, yaml.safe_dump(self.to_dict(), sort_keys=False).encode())


def read_yaml(path: Path) -> dict[Any, Any]:
    """The mapping that a YAML file of somebody's making holds.

    Errors: :class:`ConfigError`, in one line, for a file that cannot be read or holds something else.
    """
    try:
        raw = parse_yaml(path.read_text())
    except OSError as error:
        raise ConfigError(f"cannot read settings from {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"cannot read settings from {path}: {error}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is not valid YAML: {str(error).replace(chr(10), ' ')}") from error
    if not isinstance(raw, dict):
        raise ConfigError(f"{path} must hold 'name: value' lines; got {type(raw).__name__}")
    return raw


_NONE = type(None)
_TYPES: Mapping[str, tuple[type, ...]] = {
    **dict.fromkeys(("method", "model", "data", "normalize", "precision"), (str,)),
    **dict.fromkeys(("data_dir", "schedule", "augment", "strategy", "out"), (str, _NONE)),
    **dict.fromkeys(("download", "compile", "tensorboard"), (bool,)),
    **dict.fromkeys(("epochs", "batch_size", "seed", "devices", "nodes", "keep_checkpoints"), (int,)),
    **dict.fromkeys(("data_options", "optimizer", "method_options", "model_options"), (Mapping,)),
    **dict.fromkeys(("threads", "train_images"), (int, _NONE)),
    **dict.fromkeys(("learning_rate", "final_learning_rate", "time_budget"), (float, int, _NONE)),
}
assert set(_TYPES) == {f.name for f in fields(RunConfig)}


def _is(value: object, types: tuple[type, ...]) -> bool:
    # bool is an int to isinstance; `epochs: true` is a mistake all the same.
    return isinstance(value, types) and (bool in types or not isinstance(value, bool))


def _type_name(kind: type) -> str:
    names = {_NONE: "nothing", str: "text", bool: "true or false", int: "an integer", float: "a number"}
    return names.get(kind, "name: value pairs")
