"""``python -m benchmarks.measure REQUEST RESULT``: one case under one cap of the instruction set, in its own process.

The engines of a case take turns in short rounds, so that drift of the clock hits all alike. The caps of the peers are
environment variables that they read when they are loaded, hence the process.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks.engines import CALIBRATION_IMAGES, engines
from benchmarks.subjects import Subject, chain, network
from signbit.cli.bench import interleaved
from signbit.format import write_bytes
from signbit.runtime import Session

SHORT, LONG = 2, 10
"""Layers in the two chains whose difference is the time of LONG - SHORT layers."""

Milliseconds = dict[str, float]


def measure(request: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Medians of one case for each number of threads.

    Parameters
    ----------
    request : ``case`` (a row of cases.yaml), ``isa`` (a tier or None), ``threads`` (numbers), ``repeats``.
    """
    case = request["case"]
    if "model" in case:
        subject = network(case["model"], case["method"], case["size"])
        found = _medians({"": subject}, request)
        facts = _file_facts(subject)
        return [{**row, "ms": row["ms"][""], **facts} for row in found]
    size = {name: case[name] for name in ("size", "channels", "kernel")}
    found = _medians({str(depth): chain(**size, depth=depth) for depth in (SHORT, LONG)}, request)
    products = (case["size"] * case["kernel"] * case["channels"]) ** 2
    rows = []
    for row in found:
        short, long = row["ms"][str(SHORT)], row["ms"][str(LONG)]
        layer = {name: (long[name] - short[name]) / (LONG - SHORT) for name in long}
        noisy = [name for name, ms in layer.items() if ms <= 0]
        if noisy:
            print(f"longer chains took no longer, left out: {', '.join(noisy)}", file=sys.stderr)
        if "signbit" not in noisy and len(noisy) < len(layer) - 1:
            kept = {name: ms for name, ms in layer.items() if ms > 0}
            rows.append({**row, "ms": kept, "products": products})
    return rows


def _medians(subjects: Mapping[str, Subject], request: Mapping[str, Any]) -> list[dict[str, Any]]:
    """``ms``: subject -> engine -> median; ``difference``: OpenVINO's binary output beside ours, of our largest."""
    any_graph = next(iter(subjects.values())).binary
    height, width, channels = any_graph.values[any_graph.input].shape
    images = np.random.default_rng(0).standard_normal((CALIBRATION_IMAGES, channels, height, width), np.float32)
    x = images[:1].copy()
    tables = {name: engines(subject, images, request["isa"]) for name, subject in subjects.items()}
    rows = []
    for threads in request["threads"]:
        runners = {(name, engine): build(threads) for name, table in tables.items() for engine, build in table.items()}
        times = interleaved(runners, x, request["repeats"])  # type: ignore[type-var]
        ms: dict[str, Milliseconds] = {name: {} for name in subjects}
        for (name, engine), samples in times.items():  # type: ignore[misc]
            ms[name][engine] = 1000 * median(samples)
        name = list(subjects)[-1]
        ours, theirs = (runners[name, engine](x).ravel().copy() for engine in ("signbit", "openvino binary"))
        difference = float(np.abs(ours - theirs).max() / np.abs(ours).max())
        rows.append({"threads": threads, "ms": ms, "difference": difference})
    return rows


def _file_facts(subject: Subject) -> dict[str, Any]:
    """Sizes, and the median time that opening a session takes."""
    content = write_bytes(subject.binary)
    opened = []
    for _ in range(5):
        start = time.perf_counter()
        Session(content).close()
        opened.append(time.perf_counter() - start)
    return {
        "sbn_bytes": len(content),
        "predicted_bytes": subject.predicted_bytes,
        "float_bytes": len(write_bytes(subject.float_twin)),
        "open_ms": 1000 * median(opened),
    }


if __name__ == "__main__":
    request = json.loads(Path(sys.argv[1]).read_text())
    Path(sys.argv[2]).write_text(json.dumps(measure(request)))
