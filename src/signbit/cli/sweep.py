"""``signbit sweep``: search over the settings of a run, then report on what was found."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from signbit.cli.command import Command, positive_int, say, table
from signbit.errors import ConfigError, MissingDependencyError
from signbit.files import make_folder, write_bytes_atomically

if TYPE_CHECKING:
    from signbit.sweep import StudyDefinition

GIVEN = ("data", "epochs", "train_images", "time_budget")
"""Settings of every trial that may be given here; they win over the study's."""
BEST = 10
"""Trials in the table that is printed; the files have all."""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "study", metavar="STUDY", help="a shipped study, a YAML file of one, or with --param a recipe (name or file)"
    )
    parser.add_argument("--param", action="append", default=[], metavar="KEY=RANGE",
                        help="search this setting: float, log, int or log_int:LOW:HIGH, or choice:A,B")  # fmt: skip
    parser.add_argument("--trials", type=positive_int, help="that the study shall have in all; default: its own number")
    parser.add_argument("--out", type=Path, help="folder of the study; the same one continues it (default runs/NAME)")
    parser.add_argument("--storage", metavar="URL",
                        help="an Optuna storage that several workers share (default: OUT/study.db)")  # fmt: skip
    parser.add_argument("--name", help="of the study in its storage; default: that of the file or recipe")
    parser.add_argument("--sampler", help="tpe (default), random or grid")
    parser.add_argument("--pruner", help="median (default), halving, hyperband or none")
    parser.add_argument("--data", help="data set; default: the study's")
    parser.add_argument("--data-dir", help="folder that holds the data set")
    parser.add_argument("--epochs", type=positive_int, help="of every trial; default: the study's")
    parser.add_argument("--train-images", type=positive_int, help="train on a stratified part of this many images")
    parser.add_argument("--time-budget", type=float, metavar="SECONDS", help="of training, for each trial")
    parser.add_argument("--threads", type=positive_int, help="torch threads of this worker")


def run(args: argparse.Namespace) -> Mapping[str, Any]:
    for package in ("torch", "optuna"):
        if find_spec(package) is None:
            raise MissingDependencyError(package, "signbit sweep", "train")
    from signbit.report.study_page import study_page
    from signbit.sweep import open_study, sweep
    from signbit.sweep.display import Display
    from signbit.sweep.runner import check, counted
    from signbit.sweep.storage import storage_errors
    from signbit.sweep.table import cells, header, parameters, ranking, to_csv, to_dict, trials_of

    definition = _definition(args)
    out = args.out or Path("runs") / definition.name
    where = {key: getattr(args, key) for key in ("data_dir", "threads") if getattr(args, key) is not None}
    check(definition, where)
    storage = args.storage or f"sqlite:///{(out / 'study.db').absolute()}"
    study = open_study(definition, storage)
    make_folder(out)
    try:
        done = len(counted(study.get_trials(deepcopy=False)))
        with storage_errors(storage), Display(definition.size, done) as display:
            sweep(definition, study, out, where, display)
    except KeyboardInterrupt:
        say(args, f"interrupted; the same command continues the study in {out}")
        raise

    best = ranking(study)
    names = parameters(trials_of(study))
    say(args, table([cells(trial, names) for trial in best[:BEST]], header(names)))
    if best:
        say(args, f"\nbest of {len(trials_of(study))} trials, run {out}/trials/{best[0].user_attrs['folder']:04}:")
        say(args, best[0].user_attrs["command"])
    else:
        say(args, "no trial ran to its end; trials.csv has the reasons")
    for name, text in (
        ("trials.csv", to_csv(study)),
        ("report.html", study_page(study, definition, _command(args)).html()),
    ):
        write_bytes_atomically(out / name, text.encode())
    say(args, f"report: {out / 'report.html'}, trials.csv beside it")
    return {
        **to_dict(study),
        "storage": storage,
        "out": str(out),
        "report": str(out / "report.html"),
        "exit_code": 0 if best else 2,
    }


def _definition(args: argparse.Namespace) -> StudyDefinition:
    from dataclasses import replace

    from signbit.recipes import find as find_recipe
    from signbit.recipes import names as recipes
    from signbit.studies import find as find_study
    from signbit.sweep import StudyDefinition
    from signbit.sweep.ranges import from_text
    from signbit.training import RunConfig

    given = {key: getattr(args, key) for key in GIVEN if getattr(args, key) is not None}
    if args.param:
        pairs = [text.partition("=") for text in args.param]
        for text, (key, equals, _) in zip(args.param, pairs, strict=True):
            if not key or not equals:
                raise ConfigError(f"--param takes KEY=RANGE, for example optimizer.tau=log:1e-9:1e-4; got {text!r}")
        if len({key for key, _, _ in pairs}) < len(pairs):
            raise ConfigError("--param gives one range for each setting; got two for one of them")
        path = find_recipe(args.study)
        parameters = {key: from_text(key, text) for key, _, text in pairs}
        definition = StudyDefinition(path.stem, {**RunConfig.from_yaml(path).to_dict(), **given}, parameters)
    elif args.study in recipes():
        raise ConfigError(f"{args.study} is a recipe; say what to search with --param, as in: signbit sweep --help")
    else:
        definition = StudyDefinition.from_yaml(find_study(args.study), **given)
    chosen = {key: getattr(args, key) for key in ("name", "trials", "sampler", "pruner")}
    return replace(definition, **{key: value for key, value in chosen.items() if value is not None})


def _command(args: argparse.Namespace) -> str:
    """The command without what only matters on this machine."""
    words = ["signbit", "sweep", args.study]
    for text in args.param:
        words += ["--param", text]
    for name in ("trials", "name", "sampler", "pruner", *GIVEN):
        value = getattr(args, name)
        if value is not None:
            words += [f"--{name.replace('_', '-')}", str(value)]
    return shlex.join(words) + (" --data-dir DIR" if args.data_dir else "")


COMMAND = Command(
    name="sweep",
    summary="search over the settings of a run, with pruning, and report on it",
    examples=(
        "signbit sweep digits/convnet-tiny-ste --param learning_rate=log:1e-4:1e-1 --trials 20 --out runs/rates",
        "signbit sweep bop2nd-ablation --data-dir DIR --trials 100 --out runs/ablation",
        "signbit sweep my-study.yaml --storage postgresql://HOST/optuna --out runs/worker-3",
    ),
    configure=configure,
    run=run,
)
