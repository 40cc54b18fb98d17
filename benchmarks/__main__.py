"""``python -m benchmarks``: measure every case and write docs/results/inference.json and inference.md."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from benchmarks.environment import RESULTS, environment
from benchmarks.page import page
from benchmarks.stream import many_images
from signbit.files import write_bytes_atomically
from signbit.runtime import available_isas, ceilings

HERE = Path(__file__).parent

PEER_CAPS = {
    "avx512_vpopcntdq": {"ONEDNN_MAX_CPU_ISA": "AVX512_CORE_VNNI", "ATEN_CPU_CAPABILITY": "avx512"},
    "avx2": {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2"},
}
"""What keeps OpenVINO and torch to the instructions of a tier of ours; ONNX Runtime has no such setting."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="one layer and one small network under one cap, to see that it works"
    )
    parser.add_argument("--out", type=Path, default=RESULTS, help=f"folder of the results (default {RESULTS})")
    parser.add_argument("--repeats", type=int, default=25, help="counted runs of each engine (default 25)")
    parser.add_argument("--threads", default="1,2", help="numbers of threads (default 1,2)")
    parser.add_argument("--only", default="", metavar="WORD", help="cases whose description has this word, as resnet18")
    args = parser.parse_args()
    cases = yaml.safe_load((HERE / "cases.yaml").read_text())
    if args.quick:
        cases, args.repeats = cases["quick"], 5
    threads = [int(number) for number in args.threads.split(",")]
    images = 20 if args.quick else 1000
    result: dict[str, Any] = {
        "environment": environment(args.quick, args.repeats),
        "ceilings": [row._asdict() for row in ceilings()],
        "import_ms": import_ms(),
        "wheel_bytes": None if args.quick else wheel_bytes(),
        "many_images": many_images(images),
        "layers": [],
        "networks": [],
    }
    for kind, case in every_case(cases):
        if args.only not in f"{kind} {case}":
            continue
        for names, isa, variables in caps()[-1:] if args.quick else caps():
            print(f"{kind}: {case}, {' = '.join(names)}", file=sys.stderr, flush=True)
            request = {"case": case, "isa": isa, "threads": threads, "repeats": args.repeats}
            result[kind] += [{**case, "caps": names, **row} for row in in_own_process(request, variables)]
    args.out.mkdir(parents=True, exist_ok=True)
    write_bytes_atomically(args.out / "inference.json", (json.dumps(result, indent=1) + "\n").encode())
    write_bytes_atomically(args.out / "inference.md", page(result).encode())
    print(args.out / "inference.md")


def every_case(cases: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for case in cases["layers"]:
        yield "layers", case
    for case in cases["networks"]:
        for method in case["methods"]:
            yield "networks", {"model": case["model"], "method": method, "size": case["size"]}


def caps() -> list[tuple[list[str], str | None, dict[str, str]]]:
    """Names of the cap, tier of the native runtime, environment of the peers; first without any cap.

    Where the CPU has nothing beyond AVX2, its cap and none are the same run under two names.
    """
    tiers = [tier for tier in available_isas() if tier in PEER_CAPS]
    capped: list[tuple[list[str], str | None, dict[str, str]]] = [([tier], tier, PEER_CAPS[tier]) for tier in tiers]
    cpuinfo = Path("/proc/cpuinfo")
    beyond = not cpuinfo.exists() or any(word in cpuinfo.read_text() for word in (" avx512", " avx_vnni", " amx_"))
    if tiers == ["avx2"] and not beyond:
        return [(["none", "avx2"], "avx2", PEER_CAPS["avx2"])]
    return [(["none"], None, {}), *capped]


def in_own_process(request: Mapping[str, Any], variables: Mapping[str, str]) -> list[dict[str, Any]]:
    with TemporaryDirectory() as folder:
        asked, told = Path(folder) / "request.json", Path(folder) / "result.json"
        asked.write_text(json.dumps(request))
        command = [sys.executable, "-m", "benchmarks.measure", str(asked), str(told)]
        environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
        subprocess.run(command, check=True, cwd=HERE.parent, env=environment | variables, stdout=sys.stderr)
        rows: list[dict[str, Any]] = json.loads(told.read_text())
        return rows


def wheel_bytes() -> int:
    """Size of the wheel, built here and now."""
    with TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
        subprocess.run([*command, "--wheel-dir", folder, str(HERE.parent)], check=True, stdout=sys.stderr)
        (wheel,) = Path(folder).glob("signbit-*.whl")
        return wheel.stat().st_size


def import_ms() -> float:
    """What ``import signbit`` adds to starting Python."""

    def once(code: str) -> float:
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True)
        return time.perf_counter() - start

    return 1000 * median(once("import signbit") - once("pass") for _ in range(7))


if __name__ == "__main__":
    main()
