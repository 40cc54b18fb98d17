"""``python -m benchmarks``: measure every case and write docs/results/inference.json and inference.md.

The files are written after every part, so an interrupted run leaves what it has measured. ``--redraw`` measures
nothing and writes the page of the JSON that is there.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from benchmarks.cores import two_cores
from benchmarks.deployment import import_ms, wheel
from benchmarks.environment import RESULTS, environment
from benchmarks.page import VERSION, page
from benchmarks.stream import many_images
from signbit.errors import SignbitError
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
    parser.add_argument("--repeats", type=int, default=40, help="counted runs of each engine (default 40)")
    parser.add_argument("--threads", default="1,2", help="numbers of threads (default 1,2)")
    parser.add_argument(
        "--only", default="", metavar="WORD", help="parts whose description has this word, as resnet18, tiers or wheel"
    )
    parser.add_argument("--redraw", action="store_true", help="write the page of the JSON again, without measuring")
    args = parser.parse_args()
    if args.redraw:
        redraw(parser, args.out)
        return
    cases = yaml.safe_load((HERE / "cases.yaml").read_text())
    if args.quick:
        cases, args.repeats = cases["quick"], 5
    parts = [
        *single_parts(args.quick),
        *cases_under_caps(cases, args.repeats, [int(number) for number in args.threads.split(",")], args.quick),
    ]
    parts = [part for part in parts if args.only in part[0]]
    if not parts:
        parser.error(f"--only {args.only}: no part of the benchmark has this word in its description")
    result: dict[str, Any] = {
        "version": VERSION,
        "environment": environment(args.quick, args.repeats),
        **dict.fromkeys(("ceilings", "two_cores", "tiers", "import_ms", "wheel", "many_images")),
        "layers": [],
        "networks": [],
        "failures": [],
        "seconds": {},
    }
    started = time.monotonic()
    for number, (description, kind, measured) in enumerate(parts, 1):
        minutes, seconds = divmod(int(time.monotonic() - started), 60)
        print(f"[{number}/{len(parts)}] {minutes}:{seconds:02} {description}", file=sys.stderr, flush=True)
        before = time.monotonic()
        phases: Mapping[str, float] = {}
        try:
            found = measured()
            if kind in ("layers", "networks"):
                phases = found["seconds"]
                found = [*result[kind], *found["rows"]]
        except (subprocess.CalledProcessError, OSError) as error:
            result["failures"].append({"part": description, "error": str(error)})
        else:
            result[kind] = found
        took = result["seconds"].setdefault(kind, {})
        for phase, passed in {"all": time.monotonic() - before, **phases}.items():
            took[phase] = took.get(phase, 0.0) + passed
        result["environment"]["seconds"] = round(time.monotonic() - started)
        args.out.mkdir(parents=True, exist_ok=True)
        write_bytes_atomically(args.out / "inference.json", (json.dumps(result, indent=1) + "\n").encode())
        write_bytes_atomically(args.out / "inference.md", page(result).encode())
    print(args.out / "inference.md")
    if result["failures"]:
        raise SystemExit("failed: " + "; ".join(failure["part"] for failure in result["failures"]))


def redraw(parser: argparse.ArgumentParser, folder: Path) -> None:
    try:
        text = page(json.loads((folder / "inference.json").read_text()))
    except (OSError, SignbitError) as error:
        parser.error(str(error))
    write_bytes_atomically(folder / "inference.md", text.encode())
    print(folder / "inference.md")


Part = tuple[str, str, Callable[[], Any]]
"""Description, key of the result, what measures it."""


def single_parts(quick: bool) -> Iterator[Part]:
    yield "ceilings", "ceilings", lambda: [row._asdict() for row in ceilings()]
    yield "cores", "two_cores", two_cores
    yield "import", "import_ms", import_ms
    yield "many images", "many_images", lambda: many_images(20 if quick else 500)
    if not quick:
        yield "tiers", "tiers", lambda: in_own_process("benchmarks.tiers", None, {})
        yield "wheel", "wheel", wheel


def cases_under_caps(cases: Mapping[str, Any], repeats: int, threads: Sequence[int], quick: bool) -> Iterator[Part]:
    layers = [*cases.get("reference_layers", ()), *cases["layers"]]
    for kind, case in [("layers", case) for case in layers] + [("networks", case) for case in cases["networks"]]:
        for names, isa, variables in caps()[-1:] if quick else caps():
            runs = repeats * case.get("runs", 1)
            request = {"case": case, "isa": isa, "threads": threads, "repeats": runs}
            plain = {name: value for name, value in case.items() if name != "methods"} | {"caps": names}

            def measured(
                request: Mapping[str, Any] = request,
                variables: Mapping[str, str] = variables,
                plain: Mapping[str, Any] = plain,
            ) -> dict[str, Any]:
                found = in_own_process("benchmarks.measure", request, variables)
                return {**found, "rows": [{**plain, **row} for row in found["rows"]]}

            what = " ".join(f"{name} {value}" for name, value in case.items() if name != "runs")
            yield f"{kind}: {what}, cap {' = '.join(names)}", kind, measured


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


def in_own_process(module: str, request: Mapping[str, Any] | None, variables: Mapping[str, str]) -> Any:
    """What a module of this package writes to the file that it is given."""
    with TemporaryDirectory() as folder:
        asked, told = Path(folder) / "request.json", Path(folder) / "result.json"
        asked.write_text(json.dumps(request))
        command = [sys.executable, "-m", module, *([] if request is None else [str(asked)]), str(told)]
        environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
        subprocess.run(command, check=True, cwd=HERE.parent, env=environment | variables, stdout=sys.stderr)
        return json.loads(told.read_text())


if __name__ == "__main__":
    main()
