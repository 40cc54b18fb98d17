"""``signbit bench``: latency of one file, beside other engines running the same network in the same process."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from signbit.cli.command import Command, positive_int, say, table
from signbit.cli.turns import Ratio, in_turns, seconds
from signbit.files import atomic_write
from signbit.format import read
from signbit.interop import PEERS
from signbit.runtime import LayerTime, Session, chrome_trace

IMPORTS, OPENINGS = 5, 10
IMPORT = "import time; start = time.perf_counter(); import signbit; print(time.perf_counter() - start)"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, help="the .sbn file")
    parser.add_argument("--threads", type=positive_int, default=1, help="threads of every engine (default 1)")
    parser.add_argument("--isa", help="instruction-set tier of the native runtime; see: signbit info")
    parser.add_argument("--batch-size", type=positive_int, default=1, help="images a run (default 1)")
    parser.add_argument("--repeats", type=positive_int, default=50, help="counted runs an engine (default 50)")
    parser.add_argument(
        "--against", default="", metavar="A,B", help=f"other engines, comma-separated: {', '.join(PEERS.names())}"
    )
    parser.add_argument("--profile", action="store_true", help="time and speed of every layer, also as a trace")
    parser.add_argument(
        "--trace",
        type=Path,
        metavar="JSON",
        help="where --profile writes its trace, for chrome://tracing or Perfetto (default FILE.trace.json here)",
    )


def run(args: argparse.Namespace) -> Mapping[str, Any]:
    peers = [PEERS[name.strip()] for name in args.against.split(",") if name.strip()]
    graph = read(args.file)
    with Session(args.file, threads=args.threads, isa=args.isa) as session:
        shape = (args.batch_size, *session.input_shape)
        x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
        engines = {"native": session.run} | {peer.name: peer.target(graph, args.threads) for peer in peers}
        runs: dict[str, Callable[[], Any]] = {name: partial(seconds, run, x) for name, run in engines.items()}
        if args.profile:
            runs["profile"] = partial(session.profile, x)
        rounds = list(in_turns(runs, args.repeats))
        medians = {name: 1000 * median(each for found in rounds for each in found[name]) for name in engines}
        ratios = against_native(rounds, engines)
        native_ms = medians.pop("native")
        say(args, f"{args.file}: batch {args.batch_size}, {session.threads} thread(s), tier {session.isa}")
        start_up = {"import_ms": import_ms(), "open_ms": open_ms(args.file, session)}
        size = args.file.stat().st_size / 1e6
        say(args, f"import signbit {start_up['import_ms']:.1f} ms, open {size:.2f} MB {start_up['open_ms']:.2f} ms")
        rows = [("native", f"{native_ms:.3f}", "1", "")]
        for name, ratio in ratios.items():
            rows.append((name, f"{medians[name]:.3f}", f"{ratio.median:.2f}", f"{ratio.low:.2f} .. {ratio.high:.2f}"))
        say(args, table(rows, ("engine", "median ms", "time / native", "quartiles of the rounds")))
        if args.profile:
            layers = median_profile([each for found in rounds for each in found["profile"]])
            total = sum(layer.seconds for layer in layers)
            parts = [
                (
                    e.name,
                    e.op,
                    f"{1e3 * e.seconds:.4f}",
                    f"{100 * e.seconds / total:.1f}",
                    f"{e.gmacs_per_second:.0f}",
                    "" if e.share_of_ceiling is None else f"{100 * e.share_of_ceiling:.0f}",
                )
                for e in layers
            ]
            say(args)
            say(args, table(parts, ("layer", "operation", "ms", "%", "GMAC/s", "% of ceiling")))
            trace = args.trace or Path(f"{args.file.stem}.trace.json")
            with atomic_write(trace) as temporary:
                temporary.write_text(json.dumps(chrome_trace(layers)), encoding="utf-8")
            say(args, f"values of one image: at most {session.memory_bytes} bytes at once; trace: {trace}")
        return {
            "native_ms": native_ms,
            "threads": session.threads,
            "isa": session.isa,
            "against": medians,
            "ratios": {name: ratio._asdict() for name, ratio in ratios.items()},
            **start_up,
        }


def import_ms() -> float:
    """Milliseconds that ``import signbit`` takes in a fresh interpreter, the median of five."""
    command = [sys.executable, "-c", IMPORT]
    return 1000 * median(float(subprocess.run(command, capture_output=True, check=True).stdout) for _ in range(IMPORTS))


def open_ms(file: Path, like: Session) -> float:
    """Milliseconds from a path to a session that can run, with the threads and the tier of another; median of ten."""
    times = []
    for _ in range(OPENINGS):
        start = time.perf_counter()
        opened = Session(file, threads=like.threads, isa=like.isa)
        times.append(time.perf_counter() - start)
        opened.close()
    return 1000 * median(times)


def against_native(rounds: Sequence[Mapping[str, Sequence[float]]], engines: Mapping[str, Any]) -> dict[str, Ratio]:
    """The time of each other engine over the native one's."""
    figures = {name: [median(found[name]) for found in rounds] for name in engines}
    native = figures.pop("native")
    return {name: Ratio.of(theirs, native) for name, theirs in figures.items()}


def median_profile(profiles: Sequence[Sequence[LayerTime]]) -> list[LayerTime]:
    """The median time of every step over some profiles of one session."""
    return [replace(steps[0], seconds=median(step.seconds for step in steps)) for steps in zip(*profiles, strict=True)]


COMMAND = Command(
    name="bench",
    summary="latency of a .sbn file, beside other engines",
    examples=(
        "signbit bench model.sbn",
        "signbit bench model.sbn --threads 2 --against onnxruntime,openvino --profile",
    ),
    configure=configure,
    run=run,
)
