"""``signbit info``: what this installation and this CPU can do."""

from __future__ import annotations

import argparse
import importlib.util
import os
import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from signbit import __version__
from signbit.cli.command import Command, say, table

OPTIONAL = ("torch", "lightning", "torchmetrics", "kornia", "scikit-learn", "pillow")


def configure(parser: argparse.ArgumentParser) -> None:
    """No options of its own."""


def run(args: argparse.Namespace) -> Mapping[str, Any]:
    from signbit.runtime import _native, available_isas

    packages = {"numpy": version("numpy")} | {name: _version_or_none(name) for name in OPTIONAL}
    tiers = _native.isa_tiers()
    threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    say(args, f"signbit {__version__}, Python {platform.python_version()}, {platform.system()} {platform.machine()}")
    say(args, f"CPU: {_cpu_name()}, {threads} usable cores; accelerator: {_accelerator()}")
    say(args)
    say(args, table([(n, "usable" if ok else "not on this CPU", d) for n, ok, d in tiers], ("tier", "state", "needs")))
    say(args)
    say(args, table([(name, found or "not installed") for name, found in packages.items()], ("package", "version")))
    return {
        "version": __version__,
        "isa_tiers": available_isas(),
        "threads": threads,
        "cpu": _cpu_name(),
        "python": platform.python_version(),
        "packages": packages,
    }


def _version_or_none(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _cpu_name() -> str:
    listing = Path("/proc/cpuinfo")
    if listing.exists():
        for line in listing.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _accelerator() -> str:
    if importlib.util.find_spec("torch") is None:
        return "none (torch is not installed)"
    import torch

    return torch.cuda.get_device_name(0) if torch.cuda.is_available() else "none"


COMMAND = Command(
    name="info",
    summary="versions, CPU features, instruction-set tiers",
    examples=("signbit info", "signbit info --json"),
    configure=configure,
    run=run,
)
