"""``python -m benchmarks.flip_rules``: a step of Bop and Bop2ndOrder beside torch's fused Adam on the same tensors.

BinaryNet's binary weights, float32, on the CPU; the optimizers take their steps in turns. Writes flip-rules.json.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import nn
from torch.optim import Adam, Optimizer

import signbit
from benchmarks.environment import RESULTS, environment
from signbit.files import write_bytes_atomically
from signbit.optimizers import Bop, Bop2ndOrder, parameters_by_role
from signbit.roles import Role

RULES: dict[str, Callable[[list[nn.Parameter]], Optimizer]] = {
    "fused Adam": lambda weights: Adam(weights, fused=True),
    "Bop": Bop,
    "Bop2ndOrder": Bop2ndOrder,
    "Bop2ndOrder, Adam's correction": lambda weights: Bop2ndOrder(weights, bias_correction="adam"),
}


def weights() -> list[nn.Parameter]:
    """BinaryNet's binary weights with gradients of a usual size, the same ones at every call."""
    model = signbit.create_model("binarynet", method="bop2nd", num_classes=10, input_size=(1, 3, 32, 32))
    own = [weight for _, weight in parameters_by_role(model)[Role.BINARY]]
    draw = torch.Generator().manual_seed(0)
    for weight in own:
        weight.grad = 1e-3 * torch.randn(weight.shape, generator=draw)
    return own


def measure(threads: int, repeats: int) -> dict[str, Any]:
    """Median milliseconds of a step by rule, and each over fused Adam's."""
    torch.set_num_threads(threads)
    optimizers = {name: make(weights()) for name, make in RULES.items()}
    times: dict[str, list[float]] = {name: [] for name in RULES}
    for _ in range(repeats + 3):
        for name, optimizer in optimizers.items():
            start = time.perf_counter()
            optimizer.step()
            times[name].append(1e3 * (time.perf_counter() - start))
    ms = {name: median(of_rule[3:]) for name, of_rule in times.items()}
    return {"threads": threads, "ms": ms, "of_adam": {name: time / ms["fused Adam"] for name, time in ms.items()}}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.flip_rules", description=__doc__)
    parser.add_argument("--out", type=Path, default=RESULTS, help=f"folder of the result (default {RESULTS})")
    parser.add_argument("--repeats", type=int, default=50, help="counted steps of each optimizer (default 50)")
    args = parser.parse_args()
    rows = [measure(threads, args.repeats) for threads in (1, 2)]
    result = {"environment": environment(quick=False, repeats=args.repeats), "steps": rows}
    write_bytes_atomically(args.out / "flip-rules.json", (json.dumps(result, indent=1) + "\n").encode())
    for row in rows:
        print(row["threads"], {name: round(ratio, 2) for name, ratio in row["of_adam"].items()})


if __name__ == "__main__":
    main()
