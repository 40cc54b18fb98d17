"""``signbit train``: one recorded run, from a recipe, from options, or from where another one stopped."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from signbit.cli.command import Command, assignments, positive_int, say
from signbit.errors import ConfigError

TEXT = {
    "method": "training method; see: signbit list methods",
    "model": "network; see: signbit list models",
    "data": "data set; see: signbit list datasets",
    "data_dir": "folder that holds the data set",
    "augment": "augmentation; default: the data set's",
    "normalize": "standard (default), unit: pixels in [0, 1], or symmetric: in [-1, 1]",
    "schedule": "shape of the learning rate over the run; default: the method's",
    "precision": "fp32 or bf16 (autocast)",
    "strategy": "how processes work together: ddp or ddp_find_unused_parameters_true; default: what the method needs",
    "out": "folder of the run, new or empty; default: a name under runs/",
}
NUMBERS: dict[str, tuple[Any, str]] = {
    "epochs": (positive_int, "passes over the training images"),
    "time_budget": (float, "seconds of training; the run ends with the last epoch that fits (default: no limit)"),
    "train_images": (positive_int, "train on a fixed, stratified part of this many images; default: all"),
    "batch_size": (positive_int, "images a step, over all processes"),
    "learning_rate": (float, "peak learning rate; default: the method's"),
    "final_learning_rate": (float, "where the schedule ends; default: where its shape does"),
    "seed": (int, "weights, order and augmentation follow from it"),
    "threads": (positive_int, "torch threads of each process"),
    "devices": (positive_int, "accelerators of each machine, or processes on CPUs (default 1); needs --out if several"),
    "nodes": (positive_int, "machines (default 1); see docs/scaling.md"),
    "keep_checkpoints": (positive_int, "epochs to keep a checkpoint of, the best one apart (default 2)"),
}
ASSIGNED = {
    "optimizer": ("--set", "optimizer setting, for example --set tau=1e-6"),
    "method_options": ("--method-option", "option of the method, for example --method-option strength=0.1"),
    "model_options": ("--model-option", "option of the network, for example --model-option norm=layer"),
    "data_options": ("--data-option", "option of the data set, for example --data-option size=128"),
}
"""Setting -> its flag, which may be given several times, and what it says."""

DATA_OPTIONS: dict[str, tuple[Any, str]] = {
    "on_bad_image": (str, "stop or skip: what to do at an image file that cannot be decoded (default stop)"),
    "workers": (int, "processes that decode image files (default: one a core, at most 8)"),
}
"""Options of data sets of files that have a flag of their own."""

SWITCHES = {"compile": "compile the training step", "download": "fetch missing data from its official address"}


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("recipe", nargs="?", help="a shipped recipe or a YAML file; options override it")
    for name, text in TEXT.items():
        parser.add_argument(_flag(name), help=text)
    for name, (kind, text) in (*NUMBERS.items(), *DATA_OPTIONS.items()):
        parser.add_argument(_flag(name), type=kind, help=text)
    for name, text in SWITCHES.items():
        parser.add_argument(_flag(name), action="store_true", default=None, help=text)
    for name, (flag, text) in ASSIGNED.items():
        parser.add_argument(flag, dest=name, action="append", default=[], metavar="KEY=VALUE", help=text)
    parser.add_argument("--resume", metavar="RUN", help="continue this run; only --data-dir may be given with it")


def run(args: argparse.Namespace) -> Mapping[str, Any]:
    from signbit.recipes import find
    from signbit.training import RunConfig, fit, resume
    from signbit.training.processes import is_first_process

    given = {name: getattr(args, name) for name in (*TEXT, *NUMBERS, *SWITCHES) if getattr(args, name) is not None}
    if args.resume:
        named = (*ASSIGNED, *DATA_OPTIONS)
        if args.recipe or any(getattr(args, name) not in (None, []) for name in named) or set(given) - {"data_dir"}:
            raise ConfigError("a resumed run keeps its settings; give nothing but --data-dir beside --resume")
        result = resume(args.resume, data_dir=args.data_dir)
    else:
        settings = RunConfig.from_yaml(find(args.recipe)).to_dict() if args.recipe else {}
        for name, (flag, _) in ASSIGNED.items():
            given[name] = {**settings.get(name, {}), **assignments(flag, getattr(args, name))}
        flags = {name: getattr(args, name) for name in DATA_OPTIONS if getattr(args, name) is not None}
        given["data_options"] = {**given["data_options"], **flags}
        result = fit(RunConfig.from_dict({**settings, **given}))
    if not is_first_process():
        args.json = False
        return result.to_dict()
    say(
        args,
        f"{result.run}: test accuracy {100 * result.test_accuracy:.2f} %, validation {100 * result.val_accuracy:.2f} % "
        f"after {result.epochs} epoch{'s' * (result.epochs > 1)} in {result.seconds:.0f} s "
        f"(best on validation {100 * result.best_val_accuracy:.2f} % in epoch {result.best_epoch})",
    )
    return result.to_dict()


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


COMMAND = Command(
    name="train",
    summary="train a network and record the run",
    examples=(
        "signbit train digits/convnet-tiny-ste",
        "signbit train --method bop2nd --model binarynet --data cifar10 --data-dir DIR --epochs 10",
        "signbit train --method sd-bnn --set weight_decay=0 --method-option strength=0.1 --model-option width=16",
        "signbit train image-folder/resnet18-si-bnn-subset --data-dir photos/ --on-bad-image skip",
        "signbit train my-recipe.yaml --seed 3 --out runs/third",
        "signbit train --resume runs/third",
        "signbit train cifar10/resnet20-sd-bnn --data-dir DIR --devices 2 --out runs/both",
    ),
    configure=configure,
    run=run,
)
