"""``signbit import``: weights of another PyTorch project become a run that can be evaluated and exported."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from signbit.cli.command import Command, assignments, say


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("weights", type=Path, metavar="WEIGHTS.pt", help="a state dict, as torch.save wrote it")
    parser.add_argument("--map", type=Path, required=True, metavar="MAP.yaml", help="key map; see docs/import.md")
    parser.add_argument("--model", required=True, help="network that takes the weights; see: signbit list models")
    parser.add_argument("--method", required=True, help="its method; see: signbit list methods")
    parser.add_argument("--data", required=True, help="data set that it was trained on; see: signbit list datasets")
    parser.add_argument("--data-dir", help="folder that holds the data set")
    parser.add_argument("--normalize", default="standard", help="standard (default), unit or symmetric pixels")
    for flag, text in (("--method-option", "option of the method"), ("--model-option", "option of the network")):
        parser.add_argument(flag, action="append", default=[], metavar="KEY=VALUE", help=text)
    parser.add_argument("--out", required=True, metavar="RUN", help="folder of the run, new or empty")


def run(args: argparse.Namespace) -> Mapping[str, Any]:
    from signbit.training import KeyMap, RunConfig, import_weights

    names = ("model", "method", "data", "data_dir", "normalize", "out")
    options = {
        "method_options": assignments("--method-option", args.method_option),
        "model_options": assignments("--model-option", args.model_option),
    }
    config = RunConfig.from_dict({**{name: getattr(args, name) for name in names}, **options})
    imported = import_weights(args.weights, KeyMap.from_yaml(args.map), config)
    say(
        args,
        f"{args.out}: {imported.tensors} tensors of {args.weights} in {args.model} ({args.method}), {imported.kept} "
        f"left as they are made; try: signbit eval {args.out} --data {args.data}",
    )
    return asdict(imported)


COMMAND = Command(
    name="import",
    summary="weights of another PyTorch project as a run, through a map of their names",
    examples=(
        "signbit import weights.pt --map map.yaml --model resnet20 --method ste --data cifar10 --out runs/theirs",
        "signbit eval runs/theirs --data cifar10",
        "signbit export runs/theirs -o model.sbn",
    ),
    configure=configure,
    run=run,
)
