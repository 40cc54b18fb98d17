"""``signbit bench-train``: what binarization costs in training, beside the float twin of the same network."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from signbit.cli.command import Command, positive_int, say, table


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", default="resnet20", help="network (default resnet20)")
    parser.add_argument("--method", default="ste", help="binary method (default ste)")
    parser.add_argument("--batch-size", type=positive_int, default=128, help="images a step (default 128)")
    parser.add_argument("--image-size", type=positive_int, default=32, help="height and width (default 32)")
    parser.add_argument("--channels", type=positive_int, default=3, help="image channels (default 3)")
    parser.add_argument("--repeats", type=positive_int, default=20, help="counted steps of each network (default 20)")
    parser.add_argument("--threads", type=positive_int, default=2, help="torch threads (default 2)")
    parser.add_argument("--device", default="cpu", help="cpu or cuda (default cpu)")
    parser.add_argument(
        "--modes",
        default="eager fp32,compiled fp32",
        help="comma-separated: eager|compiled fp32|bf16 (default both fp32)",
    )


def run(args: argparse.Namespace) -> Mapping[str, Any]:
    from signbit.errors import UnknownNameError
    from signbit.training.step_time import MODES, compare_with_float_twin, torch_threads

    known = {mode.name: mode for mode in MODES}
    wanted = [name.strip() for name in args.modes.split(",")]
    for name in wanted:
        if name not in known:
            raise UnknownNameError("mode", name, known)
    size = (args.batch_size, args.channels, args.image_size, args.image_size)
    results = []
    with torch_threads(args.threads):
        for name in wanted:
            say(args, f"measuring {args.model} {args.method}, {name} ...")
            mode = known[name]
            results.append(
                compare_with_float_twin(args.model, args.method, size, mode, repeats=args.repeats, device=args.device)
            )
    rows = [(r.mode, f"{1000 * r.binary:.1f}", f"{1000 * r.floating:.1f}", f"{r.ratio:.3f}") for r in results]
    say(args)
    say(
        args,
        f"{args.model}, batch {args.batch_size}, {args.threads} thread(s), {args.device}; medians of {args.repeats}",
    )
    say(args, table(rows, ("mode", f"{args.method} ms", "float ms", "ratio")))
    return {
        "model": args.model,
        "method": args.method,
        "batch_size": args.batch_size,
        "threads": args.threads,
        "device": args.device,
        "modes": {
            r.mode: {"binary_ms": 1000 * r.binary, "float_ms": 1000 * r.floating, "ratio": r.ratio} for r in results
        },
    }


COMMAND = Command(
    name="bench-train",
    summary="time of a binary training step beside its float twin",
    examples=("signbit bench-train", "signbit bench-train --model binarynet --modes 'eager fp32'"),
    configure=configure,
    run=run,
)
