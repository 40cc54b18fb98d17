"""``signbit bench-train``: what binarization costs in training, beside the float twin of the same network."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from signbit.cli.command import Command, positive_int, say, table
from signbit.errors import ConfigError, UnknownNameError

if TYPE_CHECKING:
    from signbit.training.instructions import Count, Workload

DEVICES = ("cpu", "cuda")
REFERENCE = "ste"
"""What instructions are compared with."""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", default="resnet20", help="network (default resnet20)")
    parser.add_argument("--method", default="ste", help="binary method (default ste)")
    parser.add_argument("--batch-size", type=positive_int, help="images a step (default 128; 32 with --count)")
    parser.add_argument("--image-size", type=positive_int, default=32, help="height and width (default 32)")
    parser.add_argument("--channels", type=positive_int, default=3, help="image channels (default 3)")
    parser.add_argument(
        "--repeats", type=positive_int, help="counted steps of each network (default 20; 2 with --count)"
    )
    parser.add_argument("--threads", type=positive_int, default=2, help="torch threads (default 2; --count uses 1)")
    parser.add_argument("--device", default="cpu", help="cpu or cuda (default cpu)")
    parser.add_argument(
        "--modes",
        default="eager fp32,compiled fp32",
        help="comma-separated: eager|compiled fp32|bf16 (default both fp32)",
    )
    counting = parser.add_argument_group("counting instead of timing", "Takes minutes under callgrind.")
    counting.add_argument(
        "--count", choices=["instructions"], help="count a step's instructions with callgrind or perf, on one thread"
    )
    counting.add_argument(
        "--methods",
        help="comma-separated methods to count beside float and ste (default: all); sfao:6 is sfao with its first six "
        "binary layers frozen, sfao:6:below with what else learns below them frozen too",
    )
    counting.add_argument("--out", metavar="FILE.json", help="write the counts, settings and versions")


def run(args: argparse.Namespace) -> Mapping[str, Any]:
    if args.count:
        return _count(args)
    for name in ("methods", "out"):
        if getattr(args, name):
            raise ConfigError(f"--{name} goes with --count instructions; add that or leave it out")
    return _time(args)


def _time(args: argparse.Namespace) -> Mapping[str, Any]:
    import torch

    from signbit.training.step_time import MODES, compare_with_float_twin, torch_threads

    if args.device not in DEVICES:
        raise UnknownNameError("device", args.device, DEVICES)
    if args.device == "cuda" and not torch.cuda.is_available():
        raise ConfigError("torch finds no CUDA device here; take --device cpu")
    known = {mode.name: mode for mode in MODES}
    wanted = [name.strip() for name in args.modes.split(",")]
    for name in wanted:
        if name not in known:
            raise UnknownNameError("mode", name, known)
    batch_size, repeats = args.batch_size or 128, args.repeats or 20
    size = (batch_size, args.channels, args.image_size, args.image_size)
    results = []
    with torch_threads(args.threads):
        for name in wanted:
            say(args, f"measuring {args.model} {args.method}, {name} ...")
            results.append(
                compare_with_float_twin(args.model, args.method, size, known[name], repeats=repeats, device=args.device)
            )
    rows = [(r.mode, f"{1000 * r.binary:.1f}", f"{1000 * r.floating:.1f}", f"{r.ratio:.3f}") for r in results]
    say(args)
    say(args, f"{args.model}, batch {batch_size}, {args.threads} thread(s), {args.device}; medians of {repeats}")
    say(args, table(rows, ("mode", f"{args.method} ms", "float ms", "ratio")))
    return {
        "model": args.model,
        "method": args.method,
        "batch_size": batch_size,
        "threads": args.threads,
        "device": args.device,
        "modes": {
            r.mode: {"binary_ms": 1000 * r.binary, "float_ms": 1000 * r.floating, "ratio": r.ratio} for r in results
        },
    }


def _count(args: argparse.Namespace) -> Mapping[str, Any]:
    from signbit.files import write_bytes_atomically
    from signbit.training.instructions import count_instructions, prepare
    from signbit.training.instructions_tools import find_tool

    workloads = _workloads(args)
    tool = find_tool()
    for work in workloads.values():
        prepare(work)  # refuses what makes no sense before minutes are spent on counting
    steps = args.repeats or 2
    say(args, f"counting {len(workloads)} x {steps} steps of {args.model} with {tool.name} ...")
    counts = {}
    for name, count in zip(workloads, count_instructions(list(workloads.values()), tool), strict=True):
        counts[name] = count
        say(args, f"  {name}: {count.instructions:,}")
    record = _record(counts, tool.describe())
    if args.out:
        write_bytes_atomically(args.out, (json.dumps(record, indent=2) + "\n").encode())
    code = record["environment"]["cpu_capability"]
    say(args, f"\n{args.model}, batch {record['batch_size']}, {tool.name}, torch's {code} code; mean of {steps} steps")
    rows = [
        (
            name,
            f"{row['instructions']:,}",
            f"{row['ratio_to_ste']:.3f}",
            f"{row['frozen_layers']}/{row['binary_layers']}",
        )
        for name, row in record["counts"].items()
    ]
    say(args, table(rows, ("method", "instructions a step", f"ratio to {REFERENCE}", "frozen layers")))
    return record


def _workloads(args: argparse.Namespace) -> dict[str, Workload]:
    """The float twin and the reference first, then what was asked for."""
    from signbit.methods import METHODS
    from signbit.training.instructions import Workload

    size = (args.batch_size or 32, args.channels, args.image_size, args.image_size)
    asked = [name.strip() for name in args.methods.split(",")] if args.methods else METHODS.names()
    names = dict.fromkeys(["float", REFERENCE, *asked])
    return {name: Workload(args.model, input_size=size, steps=args.repeats or 2, **_state(name)) for name in names}


def _state(name: str) -> dict[str, Any]:
    """``"sfao:6:below"`` -> the settings of a workload."""
    method, *state = name.split(":")
    if not state:
        return {"method": method}
    if not state[0].isdigit() or int(state[0]) < 1 or state[1:] not in ([], ["below"]):
        raise ConfigError(f"--methods takes NAME, NAME:LAYERS or NAME:LAYERS:below with LAYERS >= 1; got {name!r}")
    return {"method": method, "frozen": int(state[0]), "method_options": {"freeze_below": True} if state[1:] else {}}


def _record(counts: Mapping[str, Count], tool: str) -> dict[str, Any]:
    """Counts by method, with what they depend on."""
    reference = counts[REFERENCE]
    work = reference.workload
    return {
        "model": work.model,
        "batch_size": work.input_size[0],
        "image_size": work.input_size[1:],
        "steps": work.steps,
        "tool": tool,
        "environment": reference.environment,
        "counts": {
            name: {
                "instructions": count.instructions,
                "ratio_to_ste": count.instructions / reference.instructions,
                "binary_layers": count.binary_layers,
                "frozen_layers": count.frozen_layers,
                "frozen_parameters": count.frozen_parameters,
            }
            for name, count in counts.items()
        },
    }


COMMAND = Command(
    name="bench-train",
    summary="time of a binary training step beside its float twin, or its instructions by method",
    examples=(
        "signbit bench-train",
        "signbit bench-train --model binarynet --modes 'eager fp32'",
        "signbit bench-train --count instructions --methods bop,sfao,sfao:6 --out counts.json",
    ),
    configure=configure,
    run=run,
)
