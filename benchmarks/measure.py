"""``python -m benchmarks.measure REQUEST RESULT``: one case under one cap of the instruction set, in its own process.

All engines of a case, on all numbers of threads, and the profiles of ours take turns in the same short rounds, so that
drift of the clock hits all alike. The caps of the peers are environment variables that they read when they are loaded,
hence the process.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from benchmarks.engines import CALIBRATION_IMAGES, Builder, binary_engines, float_engines
from benchmarks.phases import Phases
from benchmarks.subjects import Subject, chain, networks
from benchmarks.tiers import ceiling_now
from signbit.cli.bench import median_profile, open_ms
from signbit.cli.turns import in_turns, seconds
from signbit.format import Bits, Graph, write_bytes
from signbit.interop.engines import FloatArray, Runner
from signbit.runtime import Session

SHORT, LONG = 2, 10
"""Layers in the two chains whose difference is the time of some layers; a case may say how many the longer one has."""
PROFILE = "profile"

Key = tuple[str, str, int]
"""A subject, an engine and a number of threads."""
Rounds = Sequence[Mapping[Key, Sequence[Any]]]


def measure(request: Mapping[str, Any]) -> dict[str, Any]:
    """A row for each method and number of threads of one case, and the seconds of each phase of the work.

    Parameters
    ----------
    request : ``case`` (a row of cases.yaml), ``isa`` (a tier or None), ``threads`` (numbers), ``repeats``.
    """
    phases = Phases()
    rows = (_networks if "model" in request["case"] else _layers)(request, phases)
    return {"rows": rows, "seconds": phases.seconds}


def _networks(request: Mapping[str, Any], phases: Phases) -> list[dict[str, Any]]:
    """Rows of all methods. They share the full-precision twin, and its engines, which run once beside all of them."""
    case, isa = request["case"], request["isa"]
    subjects = networks(case["model"], case["methods"], case["size"], case["classes"])
    twin = next(iter(subjects.values())).float_twin
    images = _images(twin.values[twin.input].shape)
    x = images[:1]
    twin_facts = {"float_bytes": len(write_bytes(twin))}
    facts = {method: _file_facts(subject, isa) | twin_facts for method, subject in subjects.items()}
    phases.end("making networks")
    builders: dict[tuple[str, str], Builder] = {}
    for method, subject in subjects.items():
        builders |= {(method, engine): build for engine, build in binary_engines(subject.binary, isa).items()}
    builders |= {("", engine): build for engine, build in float_engines(twin, images).items()}
    runners, failed = _built(builders, request["threads"], x)
    sessions = {
        (method, PROFILE, threads): Session(write_bytes(subject.binary), threads=threads, isa=isa)
        for method, subject in subjects.items()
        for threads in request["threads"]
    }
    differences = {(of, n): _difference(runners, of, n, x) for of, engine, n in runners if engine == "signbit"}
    phases.end("building engines")
    runs: dict[Key, Callable[[], Any]] = _timed(runners, x)
    runs |= {key: partial(session.profile, x) for key, session in sessions.items()}
    rounds, ceilings = [], []
    for found in in_turns(_neighbours(runs), request["repeats"]):
        rounds.append(found)
        ceilings.append(ceiling_now(next(iter(sessions.values())).isa))
    phases.end("running")
    return [
        {
            "method": method,
            "threads": threads,
            **_times(rounds, [key for key in runners if key[0] in ("", method) and key[2] == threads]),
            "failed": {of[1]: why for of, why in failed.items() if of[0] in ("", method) and of[2] == threads},
            "difference": differences[method, threads],
            "profile": _steps(rounds, (method, PROFILE, threads), threads * median(ceilings)),
            **facts[method],
        }
        for method in subjects
        for threads in request["threads"]
    ]


def _layers(request: Mapping[str, Any], phases: Phases) -> list[dict[str, Any]]:
    case = request["case"]
    size, channels, kernel = case["size"], case["channels"], case["kernel"]
    depths = SHORT, case.get("layers", LONG)
    subjects = {str(depth): chain(size, channels, kernel, depth) for depth in depths}
    images = _images((size, size, channels))
    x = images[:1]
    phases.end("making networks")
    builders: dict[tuple[str, str], Builder] = {}
    for depth, subject in subjects.items():
        engines = binary_engines(subject.binary, request["isa"]) | float_engines(subject.float_twin, images)
        builders |= {(depth, engine): build for engine, build in engines.items()}
    runners, failed = _built(builders, request["threads"], x)
    differences = {threads: _difference(runners, str(depths[1]), threads, x) for threads in request["threads"]}
    phases.end("building engines")
    rounds = list(in_turns(_neighbours(_timed(runners, x)), request["repeats"]))
    phases.end("running")
    rows = []
    for threads in request["threads"]:
        why_not = {engine: why for (_, engine, n), why in failed.items() if n == threads}
        both = [engine for of, engine, n in runners if (of, n) == (str(depths[1]), threads) and engine not in why_not]
        ms = {engine: _of_a_layer(rounds, depths, engine, threads) for engine in both}
        for engine in [engine for engine, time in ms.items() if time <= 0]:
            why_not[engine] = "a longer chain took no longer"
            del ms[engine]
        row = {
            "threads": threads,
            "ms": ms,
            "rounds": {engine: [_of_a_layer([found], depths, engine, threads) for found in rounds] for engine in ms},
            "failed": why_not,
            "difference": differences[threads],
            "products": (size * kernel * channels) ** 2,
        }
        rows.append(row)
    return rows


def _of_a_layer(rounds: Rounds, depths: tuple[int, int], engine: str, threads: int) -> float:
    """Milliseconds of one of the layers that the long chain has more."""
    short, long = (median(each for found in rounds for each in found[str(n), engine, threads]) for n in depths)
    return 1000 * (long - short) / (depths[1] - depths[0])


def _images(shape: tuple[int, ...]) -> FloatArray:
    height, width, channels = shape
    return np.random.default_rng(0).standard_normal((CALIBRATION_IMAGES, channels, height, width), np.float32)


def _built(
    builders: Mapping[tuple[str, str], Builder], threads: Sequence[int], x: FloatArray
) -> tuple[dict[Key, Runner], dict[Key, str]]:
    """Those that run, on every number of threads, and why the others don't. Only a peer may fail."""
    runners: dict[Key, Runner] = {}
    failed: dict[Key, str] = {}
    for (subject, engine), build in builders.items():
        for number in threads:
            try:
                runner = build(number)
                runner(x)
            except Exception as error:
                if engine == "signbit":
                    raise
                failed[subject, engine, number] = why = f"{type(error).__name__}: {error}".splitlines()[0][:200]
                print(f"{subject} {engine}, {number} thread(s), failed: {why}".strip(), file=sys.stderr)
            else:
                runners[subject, engine, number] = runner
    return runners, failed


def _timed(runners: Mapping[Key, Runner], x: FloatArray) -> dict[Key, Callable[[], Any]]:
    return {key: partial(seconds, runner, x) for key, runner in runners.items()}


def _neighbours(runs: Mapping[Key, Callable[[], Any]]) -> dict[Key, Callable[[], Any]]:
    """One subject on one engine with all numbers of threads next to each other: their ratio is a goal."""
    return dict(sorted(runs.items(), key=lambda item: item[0]))


def _times(rounds: Rounds, keys: Sequence[Key]) -> dict[str, Any]:
    """Medians of all runs and of those of each round, in milliseconds, by engine."""
    return {
        "ms": {key[1]: 1000 * median(each for found in rounds for each in found[key]) for key in keys},
        "rounds": {key[1]: [1000 * median(found[key]) for found in rounds] for key in keys},
    }


def _steps(rounds: Rounds, key: Key, ceiling: float) -> list[dict[str, Any]]:
    """The profile of all rounds; the ceiling is the one that was measured in them."""
    return [
        {
            "name": step.name,
            "op": step.op,
            "ms": 1000 * step.seconds,
            "gmacs_per_second": step.gmacs_per_second,
            "share_of_ceiling": None if step.ceiling is None else step.gmacs_per_second / ceiling,
        }
        for step in median_profile([each for found in rounds for each in found[key]])
    ]


def _difference(runners: Mapping[Key, Runner], subject: str, threads: int, x: FloatArray) -> float | None:
    """OpenVINO's binary output beside ours, of our largest; None if it has none."""
    if (subject, "openvino binary", threads) not in runners:
        return None
    ours, theirs = (runners[subject, engine, threads](x).ravel().copy() for engine in ("signbit", "openvino binary"))
    return float(np.abs(ours - theirs).max() / np.abs(ours).max())


def _file_facts(subject: Subject, isa: str | None) -> dict[str, Any]:
    """Sizes, and the median time that opening a session of the file takes."""
    content = write_bytes(subject.binary)
    with TemporaryDirectory() as folder:
        file = Path(folder) / "net.sbn"
        file.write_bytes(content)
        with Session(file, isa=isa) as session:
            opened = open_ms(file, session)
    return {
        "sbn_bytes": len(content),
        "predicted_bytes": subject.predicted_bytes,
        "tensors": _tensors(subject.binary),
        "open_ms": opened,
    }


def _tensors(graph: Graph) -> list[dict[str, Any]]:
    """What the constants of each layer take in the file, bits and numbers apart; the largest first."""
    taken: Counter[tuple[str, str, str]] = Counter()
    for node in graph.nodes:
        for blob in node.blobs.values():
            kind, octets = ("bits", blob.octets.nbytes) if isinstance(blob, Bits) else (str(blob.dtype), blob.nbytes)
            taken[node.name, node.op, kind] += octets
    return [{"name": name, "op": op, "kind": kind, "bytes": octets} for (name, op, kind), octets in taken.most_common()]


if __name__ == "__main__":
    request = json.loads(Path(sys.argv[1]).read_text())
    Path(sys.argv[2]).write_text(json.dumps(measure(request)))
