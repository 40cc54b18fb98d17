"""The goals read the right figures, and the page says what the JSON says and explains what is not reached."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from benchmarks.goals import Outcome, outcomes
from benchmarks.page import VERSION, page
from signbit.errors import SignbitError

ROOT = Path(__file__).parents[2]

STEPS = [
    {"name": "conv1", "op": "conv2d", "ms": 0.6, "gmacs_per_second": 12.0, "share_of_ceiling": None},
    {"name": "conv2", "op": "binary_conv2d+affine", "ms": 0.395, "gmacs_per_second": 300.0, "share_of_ceiling": 0.5},
    {"name": "pool", "op": "max_pool2d", "ms": 0.005, "gmacs_per_second": 0.0, "share_of_ceiling": None},
]
TENSORS = [
    {"name": "conv2", "op": "binary_conv2d", "kind": "bits", "bytes": 600},
    {"name": "conv1", "op": "conv2d", "kind": "float32", "bytes": 300},
    {"name": "conv1", "op": "affine", "kind": "float32", "bytes": 8},
]
FACTS = {"sbn_bytes": 990, "predicted_bytes": 1000, "float_bytes": 9900, "tensors": TENSORS, "open_ms": 20.0}


def row(ms: Mapping[str, float], spread: float = 0.01, **changes: object) -> dict[str, Any]:
    """A network; ours was slower by ``spread`` in the first round and faster in the last."""
    usual = {"model": "birealnet18", "method": "ste", "size": 224, "caps": ["none", "avx2"], "threads": 1}
    rounds = {engine: [time] * 3 for engine, time in ms.items()}
    rounds["signbit"] = [ms["signbit"] * factor for factor in (1 + spread, 1, 1 - spread)]
    return {**usual, **FACTS, "ms": ms, "rounds": rounds, "profile": STEPS, "failed": {}, **changes}


def layer(isa: str, speed: float, ceiling: float) -> dict[str, Any]:
    share = speed / ceiling
    case = {"size": 7, "channels": 512, "kernel": 3, "isa": isa, "products": 9_000_000}
    times = {"layer": 9 / speed, "pointwise": 7 / speed, "pointwise of twice as many": 12 / speed}
    figures = {"gmacs_per_second": speed, "ceiling": ceiling, "share": share, "ms": times}
    return {**case, **figures, "quartiles": [share - 0.02, share + 0.02]}


def results() -> dict[str, Any]:
    slow = {"signbit": 2.0, "openvino binary": 3.0, "openvino int8": 6.0, "torch fp32": 9.0}
    fast = {"signbit": 1.25, "openvino int8": 2.0}
    return {
        "version": VERSION,
        "environment": {
            **{"quick": False, "cpu": "a CPU", "cores": 2, "load": 0.5, "date": "2026-01-01", "seconds": 9},
            **{"tiers": ["avx2", "portable", "reference"], "python": "3.11", "packages": {"torch": "2"}, "repeats": 25},
        },
        "networks": [row(ms=slow), row(ms=fast, threads=2, failed={"torch fp32": "RuntimeError: no"})],
        "layers": [],
        "tiers": [layer("avx2", 90.0, 100.0), layer("portable", 5.0, 10.0)],
        "ceilings": [
            {"isa": "neon", "way": "", "gmacs_per_second": None},
            {"isa": "avx2", "way": "tables", "gmacs_per_second": 100.0},
        ],
        "two_cores": {"median": 1.9, "low": 1.85, "high": 1.97},
        "import_ms": 50.0,
        "wheel": {"bytes": 2_500_000, "requires": ["numpy>=1.24", "rich"]},
        "many_images": {
            "cores": 2,
            "runs": [
                {"images": 10, "seconds": 1.0, "cpu_seconds": 1.0, "stolen_seconds": 0.0, "peak_bytes": 100},
                {"images": 40, "seconds": 2.5, "cpu_seconds": 3.8, "stolen_seconds": 1.0, "peak_bytes": 105},
            ],
        },
        "failures": [{"part": "wheel", "error": "no compiler"}],
        "seconds": {"ceilings": {"all": 2.0}, "networks": {"all": 40.0, "running": 30.0}},
    }


def test_goals_read_the_fastest_peer_of_their_kind() -> None:
    found = list(outcomes(results()))
    measured = {(o.goal.partition(" ")[0], o.where): (o.measured, o.verdict()) for o in found}
    name = "birealnet18 ste 224x224"
    assert measured["binary", f"{name}, 1 thread(s), openvino int8"] == (3.0, "reached")
    assert measured["binary", f"{name}, 2 thread(s), openvino int8"] == (1.6, "64 % of the goal")
    assert measured["two", name] == (pytest.approx(1.6), "89 % of the goal")
    assert measured["each", "7x7x512 3x3, avx2"] == (90.0, "reached")
    assert measured["each", "7x7x512 3x3, portable"] == (50.0, "83 % of the goal")
    assert measured["each", "neon"] == (None, "not on this CPU")
    assert measured["opening", f"{name}, 990 bytes"] == (20.0, "200 % of the goal")
    assert measured["`import", ""] == (50.0, "reached")
    assert measured["deployment", ""] == (2.5, "125 % of the goal")
    assert measured["dependencies", "numpy>=1.24, rich"] == (1, "missed")
    many = {o.goal: (o.measured, o.verdict()) for o in found if o.goal.startswith("many images")}
    assert many == {
        "many images: cores kept busy": (pytest.approx(95.0), "reached"),
        "many images: peak memory": (1.05, "reached"),
    }
    unmeasured = {o.goal.partition(", tier ")[2] or o.goal.split()[1]: o.verdict() for o in found if o.measured is None}
    assert unmeasured["amx_int8"] == unmeasured["avx512_vpopcntdq"] == "not on this CPU"
    assert unmeasured["AlexNet"] == "not measured in this run"
    assert Outcome("wheel", "", None, 2).verdict() == "not measured in this run"


def test_a_run_without_a_cap_is_one_on_the_best_tier() -> None:
    found = results()
    found["environment"]["tiers"] = ["amx_int8", "avx512_vpopcntdq", "avx512", "avx2", "portable", "reference"]
    found["networks"] = [row(ms={"signbit": 1.0, "openvino int8": 1.6}, caps=["none"])]
    (outcome,) = (o for o in outcomes(found) if o.goal.endswith("tier amx_int8"))
    assert (outcome.measured, outcome.wanted, outcome.verdict()) == (1.6, 1.5, "reached")
    verdicts = [o.verdict() for o in outcomes(found) if o.goal.endswith(("tier avx512_vpopcntdq", "tier avx2"))]
    assert verdicts == ["not measured in this run"] * 2


def test_every_goal_has_a_line_whatever_was_measured() -> None:
    nothing = {**results(), "networks": [], "layers": []}
    nothing |= dict.fromkeys(("tiers", "ceilings", "two_cores", "import_ms", "wheel", "many_images"))
    goals = {o.goal for o in outcomes(results())}
    assert {o.goal for o in outcomes(nothing)} == goals
    assert len(goals) == 15
    assert all(o.measured is None for o in outcomes(nothing))
    assert page(nothing).count("Not measured in this run.") == 6


def test_whatever_a_network_layer_or_file_misses_has_what_explains_it() -> None:
    missed = [o for o in outcomes(results()) if o.measured is not None and not o.reached()]
    of_the_package = ("`import", "deployment", "dependencies", "many images")
    speak = [o for o in missed if not o.goal.startswith(of_the_package)]
    assert len({o.goal for o in speak}) >= 4
    assert all(o.networks or o.layers or o.files for o in speak)


def test_ratios_are_formed_round_by_round() -> None:
    found = results()
    ours, theirs = [1.0, 2.0, 4.0], [2.4, 4.8, 12.0]  # the clock slows down for both
    drifting = {"signbit": ours, "openvino int8": theirs}
    found["networks"] = [row(ms={"signbit": 2.0, "openvino int8": 3.0}, rounds=drifting)]
    (outcome,) = (o for o in outcomes(found) if o.goal.endswith("tier avx2"))
    assert (outcome.measured, outcome.quartiles) == (pytest.approx(2.4), pytest.approx((2.4, 2.7)))
    assert outcome.verdict() == "96 % of the goal, within noise"
    assert "| 2.4 x | 2.4 .. 2.7 | at least 2.5 x | 96 % of the goal, within noise |" in page(found)
    assert "2.000 (2.40x)" in page(found)
    found["networks"] = [row(ms={"signbit": 1.0, "openvino int8": 2.6}, spread=0.2)]
    (outcome,) = (o for o in outcomes(found) if o.goal.endswith("tier avx2"))
    assert outcome.verdict() == "reached, within noise"


def test_the_page_explains_what_is_not_reached() -> None:
    found = results()
    found["networks"] += [row(ms={"signbit": 1.0, "openvino int8": 9.0}, model="alexnet", sbn_bytes=980)]
    twice = [{**step, "ms": step["ms"] / 2} for step in STEPS[1:]]
    found["networks"][1]["profile"] = [STEPS[0], *twice]
    text = page(found)
    where = text[text.index("## Where the time goes") : text.index("## Networks")]
    assert "### birealnet18 ste 224x224, cap none = avx2" in where
    assert "| ms, 1 thread(s) | ms, 2 thread(s) | 2 against 1 | % of time | GMAC/s | % of ceiling |" in where
    assert "| conv1 | conv2d | 0.600 | 0.600 | 1.00x | 60 | 12 |  |" in where
    assert "| conv2 | binary_conv2d + affine | 0.395 | 0.198 | 2.00x | 40 | 300 | 50 |" in where
    assert "| 1 smaller steps |  | 0.005 | 0.003 | 2.00x | 0 |  |  |" in where
    assert "| all |  | 1.000 | 0.800 | 1.25x | 100 |  |  |" in where
    assert "### 7x7x512 3x3, portable" in where
    assert "### 7x7x512 3x3, avx2" not in where
    assert "what a 1x1 layer of as many taps does not need | 0.400 | 22 |" in where
    assert "what twice as many taps add to it | 1.000 | 56 |" in where
    assert "the rest | 0.400 | 22 |" in where
    assert "| the layer | 1.800 | 100 |" in where
    assert "| its product at the ceiling | 0.900 | 50 |" in where
    assert "### The file of alexnet ste 224x224" in where
    assert "| conv1 | conv2d | float32 | 300 | 30.6 |" in where
    assert "| 1 smaller ones, records, padding |  |  | 80 | 8.2 |" in where
    assert "| all |  | float32 | 308 | 31.4 |" in where
    assert "2 thread(s), torch fp32: RuntimeError: no" in text
    assert "* wheel: no compiler" in text
    assert "run 1.90 times those of one alone (quartiles 1.85 .. 1.97)" in text
    assert "| signbit | openvino int8 |\n" in text
    assert "| birealnet18 ste 224x224 | none = avx2 | 1.60 (1.60 .. 1.60) | 3.00 (3.00 .. 3.00) |" in text
    assert "| networks | 40 | 30 |" in text
    reached = results()
    reached["networks"] = [row(ms={"signbit": 1.0, "openvino int8": 9.0}, open_ms=1.0)]
    reached["tiers"] = []
    assert "Nothing is behind a goal" in page(reached)


def test_results_of_an_older_benchmark_are_refused() -> None:
    older = {name: value for name, value in results().items() if name != "version"}
    with pytest.raises(SignbitError, match=r"of version 1, the page is of version 3.*make bench"):
        page(older)


def test_the_page_can_be_drawn_again(tmp_path: Path) -> None:
    (tmp_path / "inference.json").write_text(json.dumps(results()))
    command = [sys.executable, "-m", "benchmarks", "--redraw", "--out"]
    subprocess.run([*command, str(tmp_path)], cwd=ROOT, check=True)
    assert (tmp_path / "inference.md").read_text() == page(results())
    failing = subprocess.run([*command, str(tmp_path / "none")], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (failing.returncode, "inference.json" in failing.stderr) == (2, True)
