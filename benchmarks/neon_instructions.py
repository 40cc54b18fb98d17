"""``python -m benchmarks.neon_instructions``: instructions of one binary layer on 64-bit Arm, counted under qemu-user.

The core is built by a cross compiler; a plugin of qemu counts what it executes. Says nothing of time. Writes
neon-instructions.json and neon-instructions.md.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import yaml

from benchmarks.environment import RESULTS
from benchmarks.goals import label
from benchmarks.markdown import table
from benchmarks.subjects import chain
from signbit import __version__
from signbit.errors import SignbitError
from signbit.files import write_bytes_atomically
from signbit.format import write_bytes

HERE = Path(__file__).parent
CROSS = "aarch64-linux-gnu-g++"
CROSS_OPTIONS = (
    "-DCMAKE_SYSTEM_NAME=Linux",
    "-DCMAKE_SYSTEM_PROCESSOR=aarch64",
    f"-DCMAKE_CXX_COMPILER={CROSS}",
    "-DCMAKE_EXE_LINKER_FLAGS=-static",
)
TIERS = ("neon", "portable")
SHORT, LONG = 2, 3
"""Layers of the chains whose difference is one layer."""


class Tools(NamedTuple):
    """What counts: the emulator, its plugin and the program that it runs."""

    qemu: str
    plugin: Path
    program: Path


def find_qemu() -> str:
    """The emulator.

    Errors
    ------
    SignbitError : it or the cross compiler is not installed.
    """
    qemu = shutil.which("qemu-aarch64") or shutil.which("qemu-aarch64-static")
    if qemu is None or shutil.which(CROSS) is None:
        missing = CROSS if qemu else "qemu-aarch64"
        raise SignbitError(
            f"{missing} is not installed, and instructions of 64-bit Arm are counted with a cross compiler and an "
            "emulator; install them (Debian: g++-aarch64-linux-gnu, libc6-dev-arm64-cross, qemu-user)"
        )
    return qemu


def build_plugin(qemu: str, folder: Path) -> Path:
    """The counting plugin, for the interface that this qemu has."""
    release = re.search(r"version (\d+)\.", subprocess.check_output([qemu, "--version"], text=True))
    interface = 1 if release and int(release[1]) < 9 else 2
    plugin = folder / "count_instructions.so"
    options = ["-O2", "-Wall", "-Wextra", "-shared", "-fPIC", f"-DQEMU_PLUGIN_API={interface}", "-o", str(plugin)]
    subprocess.run([os.environ.get("CC", "cc"), *options, HERE / "count_instructions.c"], check=True)
    return plugin


def build_program(folder: Path) -> Path:
    """The core and the program on it, cross-compiled."""
    cmake = shutil.which("cmake", path=str(Path(sys.executable).parent)) or "cmake"
    options = ("-DCMAKE_BUILD_TYPE=Release", "-DSIGNBIT_PYTHON=OFF", "-DSIGNBIT_TESTS=ON", *CROSS_OPTIONS)
    subprocess.run([cmake, "-S", HERE.parent, "-B", folder, *options], check=True, stdout=sys.stderr)
    command = [cmake, "--build", folder, "--target", "run_tier", "--parallel"]
    subprocess.run(command, check=True, stdout=sys.stderr)
    return folder / "run_tier"


def instructions(tools: Tools, *arguments: object) -> tuple[int, str]:
    """Instructions of one run of the program, and what it printed.

    Errors
    ------
    SignbitError : the program or the emulator failed.
    """
    command = [tools.qemu, "-plugin", str(tools.plugin), str(tools.program), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    counted = re.search(r"^instructions (\d+)$", done.stderr, re.MULTILINE)
    if done.returncode != 0 or counted is None:
        raise SignbitError(f"{' '.join(command)}: exit code {done.returncode}: {done.stderr.strip()}")
    return int(counted[1]), done.stdout


def of_one_run(tools: Tools, tier: str, what: object) -> int:
    """Instructions of one run of a network file, or of one round of a ceiling, without those of starting."""
    return instructions(tools, tier, what, 2)[0] - instructions(tools, tier, what, 1)[0]


def count_ceiling(tools: Tools, tier: str) -> dict[str, Any]:
    """Products and instructions of a round."""
    _, printed = instructions(tools, tier, "ceiling", 1)
    return {"tier": tier, "products": int(printed), "instructions": of_one_run(tools, tier, "ceiling")}


def count_layer(tools: Tools, case: Mapping[str, int], tier: str) -> dict[str, Any]:
    """Products and instructions of one layer with batch norm and sign, in a chain of equal ones."""
    with TemporaryDirectory() as folder:
        counts = []
        for depth in (SHORT, LONG):
            file = Path(folder) / f"{depth}.sbn"
            file.write_bytes(write_bytes(chain(**case, depth=depth).binary))
            counts.append(of_one_run(tools, tier, file))
    products = (case["size"] * case["kernel"] * case["channels"]) ** 2
    return {**case, "tier": tier, "products": products, "instructions": counts[1] - counts[0]}


def page(result: Mapping[str, Any]) -> str:
    """neon-instructions.md for the content of neon-instructions.json."""
    facts = result["environment"]
    header = ("layer", "tier", "instructions", "products an instruction", "ceiling", "of it", "portable / tier")
    return f"""# Instructions of binary layers on 64-bit Arm

Written by `python -m benchmarks.neon_instructions` from [neon-instructions.json](neon-instructions.json); do not edit.

One layer with batch norm and sign on one thread, in a chain of equal ones, counted by a plugin of qemu:
{facts["qemu"]}; {facts["compiler"]}; signbit {facts["signbit"]}; {facts["date"]}.
Counts are exact and say nothing of time: that takes a CPU. The ceiling is what the counting instructions of the tier
take on registers and a few cache lines (`native/src/kernels/ceiling.h`).

{table(header, _rows(result))}
"""


def _rows(result: Mapping[str, Any]) -> Iterator[tuple[object, ...]]:
    ceilings = {row["tier"]: row["products"] / row["instructions"] for row in result["ceilings"]}
    portable = {label(row): row["instructions"] for row in result["layers"] if row["tier"] == "portable"}
    for row in result["layers"]:
        rate, limit = row["products"] / row["instructions"], ceilings[row["tier"]]
        fewer = f"{portable[label(row)] / row['instructions']:.2f}x"
        share = f"{100 * rate / limit:.0f} %"
        yield label(row), row["tier"], f"{row['instructions']:,}", f"{rate:.1f}", f"{limit:.1f}", share, fewer


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.neon_instructions", description=__doc__)
    parser.add_argument("--out", type=Path, default=RESULTS, help=f"folder of the results (default {RESULTS})")
    args = parser.parse_args()
    try:
        qemu = find_qemu()
        folder = HERE.parent / "build" / "neon-instructions"
        tools = Tools(qemu, plugin=build_plugin(qemu, _made(folder)), program=build_program(folder))
        cases = yaml.safe_load((HERE / "cases.yaml").read_text())["reference_layers"]
        layers = []
        for case in cases:
            for tier in TIERS:
                layers.append(count_layer(tools, case, tier))
                print(f"{label(case)} {tier}: {layers[-1]['instructions']:,}", file=sys.stderr, flush=True)
        ceilings = [count_ceiling(tools, tier) for tier in TIERS]
    except SignbitError as error:
        parser.error(str(error))
    result = {"environment": _environment(qemu), "layers": layers, "ceilings": ceilings}
    args.out.mkdir(parents=True, exist_ok=True)
    write_bytes_atomically(args.out / "neon-instructions.json", (json.dumps(result, indent=1) + "\n").encode())
    write_bytes_atomically(args.out / "neon-instructions.md", page(result).encode())
    print(args.out / "neon-instructions.md")


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _environment(qemu: str) -> dict[str, str]:
    said = [subprocess.check_output([tool, "--version"], text=True).splitlines()[0] for tool in (qemu, CROSS)]
    return {"date": time.strftime("%Y-%m-%d"), "signbit": __version__, "qemu": said[0], "compiler": said[1]}


if __name__ == "__main__":
    main()
