"""QONNX models in the ``qonnx`` package against the reference executor."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from networks_at_hand import NETWORKS, network
from sbn_graphs import every_operation, random_graph, random_input

from signbit.alphabet import Alphabet
from signbit.format import OPS, Bits, Graph, GraphBuilder
from signbit.runtime import reference

pytest.importorskip("onnx", reason="onnx is not installed: pip install 'signbit[interop]'")
pytest.importorskip("qonnx", reason="qonnx is not installed: pip install 'signbit[interop]'")

from qonnx.core.datatype import DataType
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.transformation.infer_datatypes import InferDataTypes
from qonnx.util.cleanup import cleanup_model

from signbit.interop.engines import run_qonnx
from signbit.interop.qonnx_graph import OPERATIONS, to_qonnx


def written(graph: Graph, folder: Path) -> Path:
    path = folder / "model.onnx"
    path.write_bytes(to_qonnx(graph).SerializeToString())
    return path


def difference(graph: Graph, x: np.ndarray, folder: Path) -> float:
    """Largest difference from the reference, relative to its largest output (and at least 1)."""
    expected, found = reference.run(graph, x), run_qonnx(written(graph, folder))(x)
    assert found.shape == (expected.shape if expected.shape[2:] != (1, 1) else expected.shape[:2])
    return float(np.abs(found.reshape(expected.shape) - expected).max() / np.abs(expected).max(initial=1.0))


def test_every_operation_is_there() -> None:
    assert set(OPERATIONS) == set(OPS)


def test_random_networks(tmp_path: Path) -> None:
    """Bits may only differ where a float is within rounding of its threshold; that doesn't happen with these seeds."""
    for seed, graph in enumerate([every_operation(), *(random_graph(seed) for seed in range(40))]):
        assert difference(graph, random_input(graph, seed, count=3), tmp_path) < 1e-5, f"seed {seed}"


@pytest.mark.parametrize(("model", "method", "size"), [n for n in NETWORKS if n[1] != "ste" or n[0] == "birealnet18"])
def test_whole_networks_after_clean_up(model: str, method: str, size: int, tmp_path: Path) -> None:
    """QONNX's own transformations run, and find the type that each quantizer makes."""
    graph, images = network(model, method, size)
    path = written(graph, tmp_path)
    clean = cleanup_model(ModelWrapper(str(path))).transform(InferDataTypes())
    clean.save(str(path))
    quantizers = [node for node in clean.graph.node if node.op_type in ("BipolarQuant", "Quant")]
    found = [clean.get_tensor_datatype(node.output[0]) for node in quantizers]
    assert set(found) <= {DataType["BIPOLAR"], DataType["BINARY"]}
    ours = [node for node in graph.nodes if node.op == "threshold" or isinstance(node.blobs.get("weight"), Bits)]
    assert len(quantizers) == len(ours)
    expected, found = reference.run(graph, images)[:, :, 0, 0], run_qonnx(path)(images)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4 * np.abs(expected).max(initial=1.0))
    np.testing.assert_array_equal(found.argmax(axis=1), expected.argmax(axis=1))


@pytest.mark.parametrize("alphabet", list(Alphabet))
def test_numbers_at_their_thresholds(alphabet: Alphabet, tmp_path: Path) -> None:
    """Ties, the numbers next to them, subnormal ones, and channels that are always 1 or always 0."""
    tiny = np.finfo(np.float32).smallest_subnormal
    thresholds = np.array([0, 0, 1, -1, 3e38, tiny, -tiny, 2**24, -np.inf, -np.inf, np.inf], np.float32)
    rising = np.array([1, 0, 1, 0, 1, 1, 0, 1, 1, 0, 1], bool)
    builder = GraphBuilder()
    blobs = {"thresholds": thresholds, "rising": Bits.pack(rising)}
    bits = builder.node("threshold", builder.input((1, 1, 11)), blobs=blobs, alphabet=alphabet)
    identity = Bits.pack(np.ones((11, 1, 1, 1)))
    same = builder.node("binary_conv2d", bits, attributes={"groups": 11}, blobs={"weight": identity})
    one = np.ones(11, np.float32)
    graph = builder.graph(builder.node("affine", same, blobs={"scale": one, "shift": 0 * one}))
    at = np.where(np.isfinite(thresholds), thresholds, np.float32(5))
    above, below = (np.nextafter(at, np.float32(end)) for end in (np.inf, -np.inf))
    images = np.stack([at, above, below])[:, :, None, None]
    assert difference(graph, images, tmp_path) == 0
