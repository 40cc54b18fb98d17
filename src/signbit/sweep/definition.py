"""What a study looks for and where: settings of runs, some of which are ranges."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from optuna.trial import BaseTrial

from signbit.errors import ConfigError
from signbit.options import refuse_unknown
from signbit.recipes import find as find_recipe
from signbit.sweep.ranges import Choice, Range, Template, combinations, filled, parse, parts
from signbit.sweep.search import PRUNERS, SAMPLERS
from signbit.training.config import RunConfig, read_yaml

NESTED = ("optimizer", "method_options", "model_options")
"""Settings made of settings: a parameter may name one of theirs, as in ``optimizer.tau``."""
ELSEWHERE = ("out", "data_dir", "download", "tensorboard", "threads")
"""Settings that no study varies: they say where and how, not what."""


@dataclass(frozen=True)
class StudyDefinition:
    """A search over settings of runs; its objective is validation accuracy after the last epoch, to be maximised.

    Attributes
    ----------
    name : of the study in its storage.
    settings : of every run, as :class:`~signbit.training.RunConfig` takes them.
    parameters : setting, or dotted setting within a setting, -> range or choice as in ``signbit.sweep.ranges``.
    sampler : a name of ``SAMPLERS``; default ``tpe``, Optuna's own.
    pruner : a name of ``PRUNERS``; default ``median``.
    trials : how many the study is made of, >= 1; default 50.
    seed : of the sampler, >= 0; default 0. Runs have the seed of ``settings``.
    about : a sentence for the report.
    """

    name: str
    settings: Mapping[str, Any]
    parameters: Mapping[str, Any]
    sampler: str = "tpe"
    pruner: str = "median"
    trials: int = 50
    seed: int = 0
    about: str = ""

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or Path(self.name).name != self.name:
            raise ConfigError(f"the name of a study is that of a folder, too: text without a slash; got {self.name!r}")
        SAMPLERS[str(self.sampler)], PRUNERS[str(self.pruner)]
        for key, value, least in (("trials", self.trials, 1), ("seed", self.seed, 0)):
            if not isinstance(value, int) or isinstance(value, bool) or value < least:
                raise ConfigError(f"study {self.name!r}: {key!r} is an integer >= {least}; got {value!r}")
        if not self.parameters or not isinstance(self.parameters, Mapping):
            raise ConfigError(f"study {self.name!r} needs 'parameters': settings and their ranges; got none")
        for key, template in self.templates.items():
            first, *rest = key.split(".")
            refuse_unknown(f"study {self.name!r}", [first], _variable())
            if bool(rest) != (first in NESTED):
                raise ConfigError(f"parameter {key!r}: {', '.join(NESTED)} take a dotted setting, others take none")
            if not any(parts(template)):
                raise ConfigError(f"parameter {key!r} has no range; put fixed values among the 'settings'")
        self.ranges()
        if self.sampler == "grid" and math.isinf(combinations(self.templates)):
            raise ConfigError(
                f"study {self.name!r}: a grid needs choices, whole numbers or steps, as in float:0:1:0.1; take another "
                "sampler for the other ranges"
            )

    @property
    def size(self) -> int:
        """Trials that it will have: ``trials``, but no more than a grid has combinations."""
        return int(min(self.trials, combinations(self.templates))) if self.sampler == "grid" else self.trials

    @cached_property
    def templates(self) -> dict[str, Template]:
        """Setting -> what its value is made of."""
        return {str(key): parse(str(key), raw) for key, raw in self.parameters.items()}

    def ranges(self) -> dict[str, Range | Choice]:
        """Every parameter by its name."""
        found: dict[str, Range | Choice] = {}
        for part in parts(self.templates):
            if found.setdefault(part.name, part) != part:
                raise ConfigError(f"parameter {part.name!r} stands for two ranges; give one of them another 'as'")
        return found

    def config(self, trial: BaseTrial, **where: Any) -> RunConfig:
        """The run of a trial; ``where`` overrides what a study does not vary, such as ``out``."""
        settings: dict[str, Any] = {**self.settings, **where}
        for key, template in self.templates.items():
            _set(settings, key.split("."), filled(template, trial))
        return RunConfig.from_dict(settings)

    def to_dict(self) -> dict[str, Any]:
        """Plain data, what decides over the runs and nothing else."""
        settings = {key: value for key, value in self.settings.items() if key not in ELSEWHERE}
        return {**asdict(self), "settings": settings}

    @staticmethod
    def from_yaml(path: Path, **given: Any) -> StudyDefinition:
        """Read a study; ``given`` settings win over its own.

        The file holds ``parameters`` and any of ``name`` (default: the file's), ``recipe`` (a shipped name or a YAML
        file beside the study's), ``settings`` (win over the recipe's), ``sampler``, ``pruner``, ``trials``, ``seed``
        and ``about``.
        """
        raw = read_yaml(path)
        known = ("name", "recipe", "settings", "parameters", "sampler", "pruner", "trials", "seed", "about")
        refuse_unknown(f"study {path}", raw, known)
        recipe, own = raw.pop("recipe", None), raw.pop("settings", None) or {}
        if not isinstance(own, Mapping):
            raise ConfigError(f"study {path}: 'settings' are those of a run, as 'name: value' lines; got {own!r}")
        base = _recipe(str(recipe), path.parent) if recipe else {}
        settings = {**base, **own, **given}
        return StudyDefinition(**{"name": path.stem, "parameters": {}, **raw, "settings": settings})


def _recipe(recipe: str, folder: Path) -> dict[str, Any]:
    beside = folder / recipe
    return RunConfig.from_yaml(beside if beside.is_file() else find_recipe(recipe)).to_dict()


def _variable() -> list[str]:
    return [name for name in RunConfig().to_dict() if name not in ELSEWHERE]


def _set(settings: dict[str, Any], path: list[str], value: Any) -> None:
    """Put ``value`` under a dotted name, beside what is there; the mappings on the way are copied."""
    for key in path[:-1]:
        inner = settings.get(key)
        settings[key] = dict(inner) if isinstance(inner, Mapping) else {}
        settings = settings[key]
    settings[path[-1]] = value
