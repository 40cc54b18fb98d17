"""The command line that repeats a run, from nothing but its recorded settings."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from functools import cache
from typing import Any

import yaml

from signbit.compare.records import RunRecord
from signbit.methods import resolve
from signbit.recipes import find, names
from signbit.training.config import RunConfig
from signbit.training.folder import CONFIG

ELSEWHERE = {"out", "data_dir", "download", "tensorboard", "keep_checkpoints"}
"""Where things lie and what is kept and logged besides: no figure of a run depends on it."""
ASSIGNED = {"optimizer": "--set", "method_options": "--method-option", "model_options": "--model-option"}
"""Settings made of settings, and the option that gives one of them."""
ALWAYS_SAID = ("method", "model", "data")
"""By the name of a recipe or by options."""


def command_of(record: RunRecord) -> str:
    """``signbit train ...`` with the settings of ``record``: the shipped recipe that needs the fewest options.

    Settings that have no option and stand in no recipe are taken from the run's own ``config.yaml``.
    """
    config = record.config
    wanted = {**config.to_dict(), "threads": config.threads or record.environment.get("threads")}
    wanted = {name: value for name, value in wanted.items() if name not in ELSEWHERE}
    defaults = resolve(config.method, config.method_options).defaults
    assert defaults is not None
    implied = {"learning_rate": defaults.learning_rate, "schedule": defaults.schedule}
    recipes = {name: r for name, r in _recipes().items() if all(r[key] == wanted[key] for key in ALWAYS_SAID)}
    starts = {"": {**RunConfig().to_dict(), **dict.fromkeys(ALWAYS_SAID)}, **recipes}
    options = {name: _options(start, wanted, implied) for name, start in starts.items()}
    usable = {name: flags for name, flags in options.items() if flags is not None}
    recipe = min(usable, key=lambda name: (len(usable[name]), name), default=None)
    words = [str(record.folder / CONFIG)] if recipe is None else [*filter(None, [recipe]), *usable[recipe]]
    # Where the data lie on one machine says nothing on another.
    return shlex.join(["signbit", "train", *words]) + (" --data-dir DIR" if config.data_dir else "")


@cache
def _recipes() -> dict[str, dict[str, Any]]:
    """The settings of every shipped recipe."""
    return {recipe: RunConfig.from_yaml(find(recipe)).to_dict() for recipe in names()}


def _options(start: Mapping[str, Any], wanted: Mapping[str, Any], implied: Mapping[str, Any]) -> list[str] | None:
    """The options that lead from ``start`` to ``wanted``, given what is ``implied`` where nothing is said.

    None where no options do.
    """
    words: list[str] = []
    for name, value in wanted.items():
        given = implied.get(name) if start[name] is None else start[name]
        if value == given:
            continue
        if name in ASSIGNED:
            assert isinstance(given, Mapping)
            if given.keys() - value.keys() or not all(isinstance(v, str | int | float | dict) for v in value.values()):
                return None
            changed = [(key, setting) for key, setting in value.items() if given.get(key) != setting]
            words += [word for key, setting in changed for word in (ASSIGNED[name], f"{key}={_assigned(setting)}")]
        elif value is None or value is False:
            return None
        else:
            words += [_flag(name)] if value is True else [_flag(name), str(value)]
    return words


def _assigned(setting: Any) -> str:
    """A setting's value on one line, as a recipe writes it."""
    return (
        yaml.safe_dump(setting, default_flow_style=True, width=10_000).strip()
        if isinstance(setting, dict)
        else str(setting)
    )


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"
