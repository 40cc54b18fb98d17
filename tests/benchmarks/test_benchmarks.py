"""``make bench ARGS=--quick`` works from end to end, and what it measures is what it says."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.cores import SECONDS, two_cores
from benchmarks.measure import _built, _tensors
from benchmarks.page import page
from benchmarks.subjects import chain, pointwise
from benchmarks.tiers import layer_on_tier
from benchmarks.usage import stolen_seconds
from signbit.format import write_bytes
from signbit.runtime import Session, reference

ROOT = Path(__file__).parents[2]

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
    assert any(step["share_of_ceiling"] for step in network["profile"])
    assert result["failures"] == []


def test_the_parts_of_a_layer_are_measured_beside_it() -> None:
    found = layer_on_tier({"size": 7, "channels": 64, "kernel": 3}, "portable")
    assert set(found["ms"]) == {"layer", "pointwise", "pointwise of twice as many"}
    assert min(found["ms"].values()) > 0
    assert found["quartiles"][0] <= found["share"] <= found["quartiles"][1]


def test_a_peer_that_fails_is_named_and_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    def fails(_: object) -> Any:
        raise RuntimeError("no such layer\nand more")

    works = {("ste", "signbit"): lambda _: np.copy, ("", "unbuilt"): fails, ("", "broken"): lambda _: fails}
    runners, failed = _built(works, [1, 2], np.zeros(1, np.float32))
    assert list(runners) == [("ste", "signbit", 1), ("ste", "signbit", 2)]
    assert set(failed) == {("", engine, threads) for engine in ("unbuilt", "broken") for threads in (1, 2)}
    assert set(failed.values()) == {"RuntimeError: no such layer"}
    assert "unbuilt, 2 thread(s), failed: RuntimeError: no such layer" in capsys.readouterr().err
    with pytest.raises(RuntimeError):
        _built({("ste", "signbit"): fails}, [1], np.zeros(1, np.float32))


def test_memory_of_the_parent_is_not_counted(tmp_path: Path) -> None:
    ballast = bytearray(b"x") * 300_000_000
    command = [sys.executable, "-m", "benchmarks.usage", str(tmp_path / "usage.json")]
    subprocess.run([*command, sys.executable, "-c", "x = bytearray(b'x') * 50_000_000"], cwd=ROOT, check=True)
    assert 50_000_000 < json.loads((tmp_path / "usage.json").read_text())["peak_bytes"] < len(ballast) / 2
    failing = subprocess.run([*command, "false"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (failing.returncode, failing.stderr) == (1, "false: exit code 1\n")


@pytest.mark.parametrize("kernel", [1, 3])
def test_chains_keep_their_shape(kernel: int) -> None:
    subject = chain(size=5, channels=8, kernel=kernel, depth=3)
    for graph, op in ((subject.binary, "binary_conv2d"), (subject.float_twin, "conv2d")):
        assert sum(node.op == op for node in graph.nodes) == 3
        out = reference.run(graph, np.random.default_rng(0).standard_normal((1, 8, 5, 5)).astype(np.float32))
        assert out.shape == (1, 8, 1, 1)
        assert np.abs(out).max() > 0


def test_two_cores_are_measured_and_the_neighbour_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.cores.REPEATS", 2)
    started = time.monotonic()
    found = two_cores()
    assert 0 < found["low"] <= found["median"] <= found["high"] < 100
    assert time.monotonic() - started < SECONDS  # it does not wait for the neighbour's own end


def test_stolen_seconds_are_those_of_the_cores_of_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {1, 2})
    stat = "cpu 9 9 9 9 9 9 9 9 9 9\n" + "".join(f"cpu{n} 1 1 1 1 1 1 1 {10**n} 1 1\n" for n in range(4)) + "intr 7\n"
    assert stolen_seconds(stat) == 110 / os.sysconf("SC_CLK_TCK")


def test_a_pointwise_layer_is_one_step() -> None:
    graph = pointwise(size=7, channels=72, filters=8)
    with Session(write_bytes(graph)) as session:
        steps = session.profile(np.zeros((1, 72, 7, 7), np.float32))
    (step,) = (step for step in steps if step.op == "binary_conv2d+threshold")
    assert step.macs == 7 * 7 * 72 * 8


def test_tensors_are_those_of_the_file() -> None:
    graph = pointwise(size=7, channels=72, filters=8)
    tensors = _tensors(graph)
    assert sum(tensor["bytes"] for tensor in tensors if tensor["op"] == "binary_conv2d") == 8 * 9 + 1
    assert {tensor["kind"] for tensor in tensors} == {"bits", "int32", "float32"}
    assert tensors == sorted(tensors, key=lambda tensor: -tensor["bytes"])
    assert sum(tensor["bytes"] for tensor in tensors) < len(write_bytes(graph))
