"""The coverage-guided fuzzer of the native loader and executor: built with clang and sanitizers, run, recorded.

python native/fuzz/run.py                   # a million executions; writes docs/results/fuzz.json
python native/fuzz/run.py --runs 20000 --out /tmp/fuzz.json
python native/fuzz/run.py --select 150000   # choose the files of native/fuzz/corpus anew from all that was found

It starts from the committed corpus and from small graphs that hold every operation, and keeps what it finds in
build/fuzz/corpus for the next time. A finding ends it with the input's path: repair the cause, then add the input to
native/fuzz/corpus as finding-NAME.sbn; the tests run it on every tier.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build" / "fuzz"
CORPUS = ROOT / "native" / "fuzz" / "corpus"
FOUND, SEEDS = BUILD / "corpus", BUILD / "seeds"
SANITIZE = "fuzzer-no-link,address,undefined"
MAX_BYTES = 5120
RANDOM_GRAPHS = 150
OPTIONS = (f"-max_len={MAX_BYTES}", "-timeout=25", "-rss_limit_mb=2048", "-entropic=0")
"""The entropic schedule takes as long as loading and running the file."""
STATUS = re.compile(r"#(\d+)\s.*cov: (\d+) ft: (\d+) corp: (\d+)/")


def compiler() -> str:
    """clang++ with libFuzzer, or the end of the program."""
    for name in ("clang++", *(f"clang++-{version}" for version in range(22, 13, -1))):
        if shutil.which(name):
            return name
    sys.exit("fuzzing needs clang with its libFuzzer and sanitizers; run: apt-get install clang libclang-rt-dev")


def build() -> Path:
    """The fuzzer."""
    tools = str(Path(sys.executable).parent) + os.pathsep + os.environ["PATH"]
    options = ["-DSIGNBIT_PYTHON=OFF", "-DSIGNBIT_TESTS=ON", f"-DSIGNBIT_SANITIZE={SANITIZE}"]
    commands = (
        ["cmake", "-S", ROOT, "-B", BUILD, f"-DCMAKE_CXX_COMPILER={compiler()}", *options],
        ["cmake", "--build", BUILD, "--target", "fuzz_sbn", "--parallel", "2"],
    )
    for command in commands:
        cmake = shutil.which(command[0], path=tools) or sys.exit("fuzzing needs cmake; run: make setup")
        done = subprocess.run(
            [cmake, *command[1:]], capture_output=True, text=True, check=False, env=os.environ | {"PATH": tools}
        )
        if done.returncode != 0:
            sys.exit(done.stdout + done.stderr)
    return BUILD / "fuzz_sbn"


def write_seeds() -> None:
    """Small graphs that hold every operation: those of the tests of the format."""
    sys.path += [str(ROOT / "tests" / "format"), str(ROOT / "src")]
    from sbn_graphs import every_operation, random_graph, wide_graph

    from signbit.format import write_bytes

    for folder in (FOUND, SEEDS):
        folder.mkdir(parents=True, exist_ok=True)
    for index, graph in enumerate([every_operation(), wide_graph(), *map(random_graph, range(RANDOM_GRAPHS))]):
        data = write_bytes(graph)
        if len(data) <= MAX_BYTES:
            (SEEDS / f"{index:03}.sbn").write_bytes(data)


def fuzz(program: Path, runs: int, seed: int) -> dict[str, Any]:
    """Run it, show its progress, and return what it did; a finding is the end of the program."""
    command = [program, *OPTIONS, f"-runs={runs}", f"-seed={seed}", f"-artifact_prefix={BUILD}/", FOUND, CORPUS, SEEDS]
    counts: dict[str, Any] = {}
    tail: list[str] = []
    start = shown = time.monotonic()
    with subprocess.Popen(list(map(str, command)), stderr=subprocess.PIPE, text=True, errors="replace") as process:
        assert process.stderr is not None
        for line in process.stderr:
            tail = [*tail[-60:], line]
            if edges := re.search(r"\((\d+) inline 8-bit counters\)", line):
                counts["edges"] = int(edges[1])
            if status := STATUS.match(line):
                keys = ("executions", "edges_covered", "features", "corpus_files")
                counts |= zip(keys, map(int, status.groups()), strict=True)
                if time.monotonic() > shown + 10:
                    shown = time.monotonic()
                    print(f"{counts['executions']:,} executions, {counts['edges_covered']} edges", flush=True)
    if process.returncode != 0:
        sys.exit("".join(tail) + f"\nfuzzing found something; repeat it: {program} and the file named above")
    return {**counts, "seconds": round(time.monotonic() - start, 1), "findings": 0}


def environment() -> dict[str, Any]:
    """Where this was."""
    cpuinfo = Path("/proc/cpuinfo")
    models = re.findall(r"model name\s*: (.*)", cpuinfo.read_text()) if cpuinfo.is_file() else []
    version = subprocess.run([compiler(), "--version"], capture_output=True, text=True, check=True).stdout
    commit = subprocess.run(
        ["git", "-C", ROOT, "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    from signbit.runtime import available_isas

    tiers = [name for name in available_isas() if name != "reference"]
    if not tiers:
        sys.exit("the record names the tiers of this CPU, for which the native module has to be built; run: make setup")
    return {
        "fuzzer": "libFuzzer",
        "sanitizers": SANITIZE.split(",")[1:],
        "compiler": version.splitlines()[0],
        "commit": commit.stdout.strip() or None,
        "date": time.strftime("%Y-%m-%d"),
        "cpu": models[0] if models else platform.processor(),
        "tiers": tiers,
    }


def select(program: Path, most: int) -> None:
    """Replace the committed corpus: findings, the two graphs that are made to cover much, then files that cover the
    same edges together, the smallest first, up to ``most`` bytes."""
    chosen = BUILD / "selected"
    shutil.rmtree(chosen, ignore_errors=True)
    chosen.mkdir()
    subprocess.run([program, *OPTIONS, "-set_cover_merge=1", chosen, FOUND, CORPUS, SEEDS], check=True)
    kept = {path.name: path.read_bytes() for path in CORPUS.glob("finding-*")}
    kept |= {f"seed-{name}": (SEEDS / name).read_bytes() for name in ("000.sbn", "001.sbn")}
    size = sum(map(len, kept.values()))
    for path in sorted(chosen.iterdir(), key=lambda path: path.stat().st_size):
        data = path.read_bytes()
        if size + len(data) <= most:
            size += len(data)
            kept[f"{path.name[:12]}.sbn"] = data
    for path in CORPUS.iterdir():
        path.unlink()
    for name, data in kept.items():
        (CORPUS / name).write_bytes(data)
    print(f"{CORPUS}: {len(kept)} files, {size:,} bytes")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1_000_000, help="executions (default a million)")
    parser.add_argument("--seed", type=int, help="of the mutations (default: from the clock)")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results" / "fuzz.json", help="the record to write")
    parser.add_argument("--select", type=int, metavar="BYTES", help="only choose the committed corpus anew")
    args = parser.parse_args()
    program = build()
    write_seeds()
    if args.select:
        select(program, args.select)
        return
    seed = args.seed or time.time_ns() // 1_000_000_000
    where = environment()  # now: the sources may change before it ends
    counts = fuzz(program, args.runs, seed)
    args.out.write_text(json.dumps({**counts, "seed": seed, **where}, indent=1) + "\n")
    print(f"{args.out}: {counts['executions']:,} executions without a finding")


if __name__ == "__main__":
    main()
