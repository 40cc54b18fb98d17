"""What a comparison will run: recipes, or methods x networks, each under every seed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from signbit.compare.records import is_finished
from signbit.compare.reproduce import ELSEWHERE
from signbit.errors import ConfigError, UnknownNameError
from signbit.recipes import find, names
from signbit.training.config import RunConfig
from signbit.training.folder import CONFIG, read_config

RUNS = "runs"


def recipe_settings(patterns: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Name -> settings of the recipes that are named or match a pattern, such as ``cifar10/resnet20-*-quick``.

    A recipe is called by its file; where two files have the same name, by its folders, too.
    """
    chosen: list[str] = []
    for pattern in patterns:
        found = [name for name in names() if fnmatchcase(name, pattern)] if "*" in pattern else [pattern]
        if not found:
            raise UnknownNameError("recipe", pattern, names(), see="signbit list recipes")
        chosen += [name for name in found if name not in chosen]
    files = Counter(Path(name).stem for name in chosen)
    called = {
        name: Path(name).stem if files[Path(name).stem] == 1 else "-".join(Path(name).with_suffix("").parts).strip("/-")
        for name in chosen
    }
    return {called[name]: RunConfig.from_yaml(find(name)).to_dict() for name in chosen}


def method_settings(methods: Sequence[str], models: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Name -> settings of every method on every network."""
    return {f"{model}-{method}": {"method": method, "model": model} for model in models for method in methods}


def all_settings(recipes: Sequence[str], methods: Sequence[str], models: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Those of the recipes, then those of the methods; ConfigError where a name stands for two rows."""
    named, made = recipe_settings(recipes), method_settings(methods, models)
    if twice := named.keys() & made.keys():
        raise ConfigError(
            f"{min(twice)} is a recipe, and what --methods makes; leave out one of them, or copy the recipe to a file "
            "of another name"
        )
    return {**named, **made}


def plan(
    settings: Mapping[str, Mapping[str, Any]], given: Mapping[str, Any], seeds: int, threads: int, out: Path
) -> list[RunConfig]:
    """The runs, seed by seed, so that an interrupted comparison has whole seeds.

    Parameters
    ----------
    settings : name -> settings of one row.
    given : settings that hold for all rows and win over theirs: the protocol.
    seeds : 0 .. seeds - 1 are run, >= 1.
    threads : of torch in every run, >= 1.
    out : folder of the comparison; a run's folder is ``out/runs/NAME-sSEED``.

    Errors: :class:`ConfigError` if there is nothing to run, for settings that do not exist, or if a folder holds a run
    with other settings.
    """
    if not settings:
        raise ConfigError("nothing to compare; name recipes, or methods with --methods")
    configs = []
    for seed in range(seeds):
        for name, row in settings.items():
            fixed = {"seed": seed, "threads": threads, "out": str(out / RUNS / f"{name}-s{seed}"), "tensorboard": False}
            fixed |= {"devices": 1, "nodes": 1}  # the processes of a comparison are its runs
            configs.append(RunConfig.from_dict({**row, **given, **fixed}))
    for config in configs:
        _check_same(config)
    return configs


def unfinished(configs: Sequence[RunConfig]) -> list[RunConfig]:
    """Those that have not made their claim yet."""
    return [config for config in configs if not is_finished(folder_of(config))]


def folder_of(config: RunConfig) -> Path:
    """Where a planned run lives."""
    assert config.out is not None
    return Path(config.out)


def _check_same(config: RunConfig) -> None:
    """A folder from an earlier call must hold this very run: what is left to defaults here may be anything there."""
    folder = folder_of(config)
    if not (folder / CONFIG).is_file():
        return
    recorded = read_config(folder).to_dict()
    for name, value in config.to_dict().items():
        if name not in ELSEWHERE | {"threads"} and value is not None and recorded[name] != value:
            raise ConfigError(
                f"{folder} holds a run with {name} {recorded[name]!r}, this comparison asks for {value!r}; "
                "choose another --out"
            )
