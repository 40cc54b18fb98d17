"""``python -m benchmarks.measure REQUEST RESULT``: one case under one cap of the instruction set, in its own process.

The engines of a case take turns in short rounds, so that drift of the clock hits all alike. The caps of the peers are
environment variables that they read when they are loaded, hence the process.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from benchmarks.engines import CALIBRATION_IMAGES, Builder, binary_engines, float_engines
from benchmarks.subjects import Subject, chain, networks
from signbit.cli.bench import fastest_profile, interleaved, open_ms
from signbit.format import write_bytes
from signbit.interop.engines import FloatArray, Runner
from signbit.runtime import Session

SHORT, LONG = 2, 10
"""Layers in the two chains whose difference is the time of LONG - SHORT layers."""

Key = tuple[str, str]
"""A subject and an engine."""


def measure(request: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Medians of one case for each number of threads.

    Parameters
    ----------
    request : ``case`` (a row of cases.yaml), ``isa`` (a tier or None), ``threads`` (numbers), ``repeats``.
    """
    return _networks(request) if "model" in request["case"] else _layers(request)


def _networks(request: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Rows of all methods. They share the full-precision twin, and its engines, which run once beside all of them."""
    case = request["case"]
    subjects = networks(case["model"], case["methods"], case["size"])
    twin = next(iter(subjects.values())).float_twin
    images = _images(twin.values[twin.input].shape)
    builders: dict[Key, Builder] = {}
    for method, subject in subjects.items():
        builders |= _keyed(method, binary_engines(subject.binary, request["isa"]))
    builders |= _keyed("", float_engines(twin, images))
    facts = {method: _file_facts(subject, request["isa"]) for method, subject in subjects.items()}
    rows = []
    for threads in request["threads"]:
        runners, failed = _built(builders, threads, images[:1])
        ms = {key: 1000 * median(times) for key, times in _timed(runners, images[:1], request["repeats"]).items()}
        for method, subject in subjects.items():
            rows.append(
                {
                    "method": method,
                    "threads": threads,
                    "ms": {engine: time for (of, engine), time in ms.items() if of in ("", method)},
                    "failed": {engine: why for (of, engine), why in failed.items() if of in ("", method)},
                    "difference": _difference(runners, method, images[:1]),
                    "profile": _profile(subject, request["isa"], threads, images[:1]),
                    **facts[method],
                }
            )
    return rows


def _layers(request: Mapping[str, Any]) -> list[dict[str, Any]]:
    case = request["case"]
    subjects = {str(depth): chain(**case, depth=depth) for depth in (SHORT, LONG)}
    images = _images((case["size"], case["size"], case["channels"]))
    builders: dict[Key, Builder] = {}
    for depth, subject in subjects.items():
        builders |= _keyed(depth, binary_engines(subject.binary, request["isa"]))
        builders |= _keyed(depth, float_engines(subject.float_twin, images))
    rows = []
    for threads in request["threads"]:
        runners, failed = _built(builders, threads, images[:1])
        times = {key: median(samples) for key, samples in _timed(runners, images[:1], request["repeats"]).items()}
        why_not = {engine: why for (_, engine), why in failed.items()}
        ms = {}
        for engine in dict.fromkeys(engine for _, engine in runners if engine not in why_not):
            ms[engine] = 1000 * (times[str(LONG), engine] - times[str(SHORT), engine]) / (LONG - SHORT)
        why_not |= {engine: "a longer chain took no longer" for engine, time in ms.items() if time <= 0}
        rows.append(
            {
                "threads": threads,
                "ms": {engine: time for engine, time in ms.items() if time > 0},
                "failed": why_not,
                "difference": _difference(runners, str(LONG), images[:1]),
                "products": (case["size"] * case["kernel"] * case["channels"]) ** 2,
            }
        )
    return rows


def _images(shape: tuple[int, ...]) -> FloatArray:
    height, width, channels = shape
    return np.random.default_rng(0).standard_normal((CALIBRATION_IMAGES, channels, height, width), np.float32)


def _keyed(subject: str, engines: Mapping[str, Builder]) -> dict[Key, Builder]:
    return {(subject, engine): build for engine, build in engines.items()}


def _built(builders: Mapping[Key, Builder], threads: int, x: FloatArray) -> tuple[dict[Key, Runner], dict[Key, str]]:
    """Those that run, and why the others don't. Only a peer may fail."""
    runners: dict[Key, Runner] = {}
    failed: dict[Key, str] = {}
    for key, build in builders.items():
        try:
            runner = build(threads)
            runner(x)
        except Exception as error:
            if key[1] == "signbit":
                raise
            failed[key] = f"{type(error).__name__}: {error}".splitlines()[0][:200]
            print(f"{' '.join(key).strip()} failed: {failed[key]}", file=sys.stderr)
        else:
            runners[key] = runner
    return runners, failed


def _timed(runners: Mapping[Key, Runner], x: FloatArray, repeats: int) -> dict[Key, list[float]]:
    return interleaved(runners, x, repeats)  # type: ignore[type-var,return-value,arg-type]


def _difference(runners: Mapping[Key, Runner], subject: str, x: FloatArray) -> float | None:
    """OpenVINO's binary output beside ours, of our largest; None if it has none."""
    if (subject, "openvino binary") not in runners:
        return None
    ours, theirs = (runners[subject, engine](x).ravel().copy() for engine in ("signbit", "openvino binary"))
    return float(np.abs(ours - theirs).max() / np.abs(ours).max())


def _profile(subject: Subject, isa: str | None, threads: int, x: FloatArray) -> list[dict[str, Any]]:
    """The steps of the least disturbed of some runs."""
    with Session(write_bytes(subject.binary), threads=threads, isa=isa) as session:
        return [
            {
                "name": layer.name,
                "op": layer.op,
                "ms": 1000 * layer.seconds,
                "gmacs_per_second": layer.gmacs_per_second,
                "share_of_ceiling": layer.share_of_ceiling,
            }
            for layer in fastest_profile(session, x)
        ]


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
        "float_bytes": len(write_bytes(subject.float_twin)),
        "open_ms": opened,
    }


if __name__ == "__main__":
    request = json.loads(Path(sys.argv[1]).read_text())
    Path(sys.argv[2]).write_text(json.dumps(measure(request)))
