"""``make bench ARGS=--quick`` works from end to end, and its page says what its JSON says."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from benchmarks.goals import Outcome, outcomes  # noqa: E402
from benchmarks.page import page  # noqa: E402
from benchmarks.subjects import chain  # noqa: E402
from signbit.runtime import reference  # noqa: E402

MISSING = [name for name in ("onnx", "onnxruntime", "openvino", "nncf") if find_spec(name) is None]


@pytest.mark.slow
@pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}; pip install 'signbit[bench]'")
@pytest.mark.skipif(shutil.which("c++") is None, reason="no C++ compiler")
def test_quick_run(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks", "--quick", "--threads", "1", "--out", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=280)
    assert done.returncode == 0, done.stderr[-3000:]
    result = json.loads((tmp_path / "inference.json").read_text())
    assert page(result) == (tmp_path / "inference.md").read_text()
    assert "quick run" in page(result)
    (network,) = result["networks"]
    peers = {"openvino binary", "openvino fp32", "openvino int8", "onnxruntime fp32", "onnxruntime int8", "torch fp32"}
    assert {"signbit", *peers} <= network["ms"].keys()
    assert min(network["ms"].values()) > 0
    assert network["difference"] < 1e-4, "OpenVINO ran another network"
    assert network["predicted_bytes"] == network["sbn_bytes"] < network["float_bytes"]


def row(**changes: object) -> dict[str, object]:
    usual = {"model": "birealnet18", "method": "ste", "size": 224, "caps": ["none"], "threads": 1, "sbn_bytes": 990}
    return {**usual, "predicted_bytes": 1000, "float_bytes": 9900, "open_ms": 20.0, **changes}


def test_goals_read_the_fastest_peer() -> None:
    slow, fast = {"signbit": 2.0, "openvino int8": 4.0, "torch fp32": 9.0}, {"signbit": 1.25, "openvino int8": 2.0}
    result = {
        "networks": [row(ms=slow), row(ms=fast, threads=2)],
        "layers": [{**row(ms={"signbit": 1.0, "torch fp32": 3.0}), "caps": ["none", "avx2"], "products": 90_000_000}],
        "ceilings": [
            {"isa": "amx_int8", "way": "", "gmacs_per_second": None},
            {"isa": "avx2", "way": "best", "gmacs_per_second": 100.0},
            {"isa": "avx2", "way": "other", "gmacs_per_second": 50.0},
        ],
        "import_ms": 50.0,
        "wheel_bytes": 2_500_000,
        "many_images": {
            "cores": 2,
            "runs": [
                {"images": 10, "seconds": 1.0, "cpu_seconds": 1.0, "peak_bytes": 100},
                {"images": 40, "seconds": 2.0, "cpu_seconds": 3.8, "peak_bytes": 105},
            ],
        },
    }
    found = list(outcomes(result))
    measured = {(o.goal.partition(" ")[0], o.where): (o.measured, o.verdict()) for o in found}
    name = "birealnet18 ste 224x224"
    assert measured["binary", f"{name}, 1 thread(s), openvino int8"] == (2.0, "reached")
    assert measured["binary", f"{name}, 2 thread(s), openvino int8"] == (1.6, "reached")
    assert measured["two", name] == (1.6, "89 % of the goal")
    assert measured["each", f"{name}, avx2"] == (90.0, "reached")
    assert measured["opening", f"{name}, 990 bytes"] == (20.0, "200 % of the goal")
    assert measured["`import", ""] == (50.0, "reached")
    assert measured["deployment", ""] == (2.5, "125 % of the goal")
    many = {o.goal: (o.measured, o.verdict()) for o in found if o.goal.startswith("many images")}
    assert many == {
        "many images: cores kept busy": (pytest.approx(95.0), "reached"),
        "many images: peak memory": (1.05, "reached"),
    }
    assert Outcome("wheel", "", None, 2).verdict() == "not measured in this run"
    assert [o.goal for o in found if o.measured is None and "AlexNet" in o.goal]


@pytest.mark.parametrize("kernel", [1, 3])
def test_chains_keep_their_shape(kernel: int) -> None:
    subject = chain(size=5, channels=8, kernel=kernel, depth=3)
    for graph, op in ((subject.binary, "binary_conv2d"), (subject.float_twin, "conv2d")):
        assert sum(node.op == op for node in graph.nodes) == 3
        out = reference.run(graph, np.random.default_rng(0).standard_normal((1, 8, 5, 5)).astype(np.float32))
        assert out.shape == (1, 8, 1, 1)
        assert np.abs(out).max() > 0
