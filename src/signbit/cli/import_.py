"""``signbit import``: a network of another tool becomes a ``.sbn`` file, weights of another project become a run."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from signbit.cli.command import Command, assignments, say
from signbit.errors import ConfigError, MissingDependencyError

NEEDED = {
    "map": "YAML file: which of its tensors is which of the network's; see docs/import.md",
    "model": "network that takes the weights; see: signbit list models",
    "method": "its method; see: signbit list methods",
    "data": "data set that it was trained on; see: signbit list datasets",
}
OPTIONAL = {
    "data_dir": "folder that holds the data set",
    "normalize": "standard (default), unit or symmetric pixels",
}
REPEATED = {"method_option": "option of the method", "model_option": "option of the network"}


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "file", type=Path, metavar="FILE", help="MODEL.onnx, a one-bit network; or a state dict, as torch.save wrote it"
    )
    parser.add_argument(
        "--out", type=Path, required=True, help="of an ONNX model the .sbn file to write, of weights the run's folder"
    )
    weights = parser.add_argument_group("for a state dict")
    for name, text in {**NEEDED, **OPTIONAL}.items():
        weights.add_argument(_flag(name), help=text)
    for name, text in REPEATED.items():
        weights.add_argument(_flag(name), action="append", metavar="KEY=VALUE", help=text)


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def run(args: argparse.Namespace) -> Mapping[str, Any]:
    settings = {name: vars(args)[name] for name in (*NEEDED, *OPTIONAL, *REPEATED) if vars(args)[name] is not None}
    return (_model if args.file.suffix == ".onnx" else _weights)(args, settings)


def _model(args: argparse.Namespace, settings: Mapping[str, Any]) -> Mapping[str, Any]:
    if settings:
        flags = ", ".join(map(_flag, settings))
        raise ConfigError(f"{flags}: for a state dict; {args.file} is taken for an ONNX model, which needs --out alone")
    if find_spec("torch") is None:
        raise MissingDependencyError("torch", "folding norms into thresholds", "train")
    from signbit.interop.import_qonnx import import_qonnx

    report = import_qonnx(args.file, args.out)
    say(args, str(report))
    return asdict(report)


def _weights(args: argparse.Namespace, settings: dict[str, Any]) -> Mapping[str, Any]:
    missing = ", ".join(_flag(name) for name in NEEDED if name not in settings)
    if missing:
        raise ConfigError(
            f"{args.file} is taken for a state dict, which also needs {missing}; an ONNX model ends in .onnx"
        )
    from signbit.training import KeyMap, RunConfig, import_weights

    key_map = KeyMap.from_yaml(settings.pop("map"))
    options = {f"{name}s": assignments(_flag(name), settings.pop(name, ())) for name in REPEATED}
    config = RunConfig.from_dict({**settings, **options, "out": str(args.out)})
    imported = import_weights(args.file, key_map, config)
    say(
        args,
        f"{args.out}: {imported.tensors} tensors of {args.file} in {config.model} ({config.method}), {imported.kept} "
        f"left as they are made; try: signbit eval {args.out} --data {config.data}",
    )
    return asdict(imported)


COMMAND = Command(
    name="import",
    summary="a one-bit ONNX model of another tool as a .sbn file, or weights of another PyTorch project as a run",
    examples=(
        "signbit import brevitas.onnx --out model.sbn",
        "signbit inspect model.sbn",
        "signbit import weights.pt --map map.yaml --model resnet20 --method ste --data cifar10 --out runs/theirs",
        "signbit eval runs/theirs --data cifar10",
    ),
    configure=configure,
    run=run,
)
