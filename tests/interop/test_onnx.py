"""ONNX models in ONNX Runtime against the reference executor."""

from __future__ import annotations

import json

import numpy as np
import pytest
from networks_at_hand import NETWORKS, network
from sbn_graphs import every_operation, random_graph, random_input

from signbit.format import OPS, Bits, Graph, GraphBuilder
from signbit.runtime import reference

onnx = pytest.importorskip("onnx", reason="onnx is not installed: pip install 'signbit[bench]'")
pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: pip install 'signbit[bench]'")

from signbit.interop.engines import run_onnx  # noqa: E402
from signbit.interop.onnx_graph import OPERATIONS, to_onnx  # noqa: E402


def difference(graph: Graph, x: np.ndarray) -> float:
    """Largest difference from the reference, relative to its largest output (and at least 1)."""
    expected = reference.run(graph, x)
    found = run_onnx(to_onnx(graph).SerializeToString(), threads=1)(x)
    assert found.shape == (expected.shape if expected.shape[2:] != (1, 1) else expected.shape[:2])
    return float(np.abs(found.reshape(expected.shape) - expected).max() / np.abs(expected).max(initial=1.0))


def test_every_operation_is_there() -> None:
    assert set(OPERATIONS) == set(OPS)


def test_random_networks() -> None:
    """Bits may only differ where a float is within rounding of its threshold; that doesn't happen with these seeds."""
    for seed, graph in enumerate([every_operation(), *(random_graph(seed) for seed in range(60))]):
        assert difference(graph, random_input(graph, seed, count=3)) < 1e-5, f"seed {seed}"


@pytest.mark.parametrize(("model", "method", "size"), NETWORKS)
def test_whole_networks(model: str, method: str, size: int) -> None:
    graph, images = network(model, method, size)
    assert difference(graph, images) < 1e-4


def test_one_model_takes_any_batch() -> None:
    graph = every_operation()
    run = run_onnx(to_onnx(graph).SerializeToString(), threads=1)
    images = random_input(graph, 0, count=5)
    together = run(images)
    apart = np.concatenate([run(images[:2]), run(images[2:])])
    np.testing.assert_allclose(together, apart, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("offset", [-1, 0, 1])
def test_thresholds_beyond_every_sum(offset: int) -> None:
    """2^24 + 1 is no float32; rounded to 2^24 it could be reached."""
    builder = GraphBuilder()
    zero = np.zeros(2, np.float32)
    bits = builder.node("threshold", builder.input((1, 1, 2)), blobs={"thresholds": zero, "rising": Bits.pack([1, 1])})
    sums = builder.node("binary_conv2d", bits, blobs={"weight": Bits.pack(np.ones((2, 1, 1, 2)))})
    large = np.array([(1 << 24) + offset, -(1 << 24) - offset], np.int32)
    second = builder.node("threshold", sums, blobs={"thresholds": large, "rising": Bits.pack([1, 0])})
    again = builder.node("binary_conv2d", second, blobs={"weight": Bits.pack(np.ones((2, 1, 1, 2)))})
    graph = builder.graph(builder.node("affine", again, blobs={"scale": zero + 1, "shift": zero}))
    assert difference(graph, np.ones((1, 2, 1, 1), np.float32)) == 0


def test_metadata_comes_along() -> None:
    properties = {entry.key: json.loads(entry.value) for entry in to_onnx(every_operation()).metadata_props}
    assert properties == dict(every_operation().metadata)
