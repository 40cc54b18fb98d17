"""OpenVINO models against the reference executor, and whether the one-bit kernel ran."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from networks_at_hand import NETWORKS, network
from sbn_graphs import every_operation, random_graph, random_input

from signbit.alphabet import Alphabet
from signbit.format import OPS, Bits, Graph, GraphBuilder
from signbit.runtime import reference

pytest.importorskip("openvino", reason="openvino is not installed: pip install 'signbit[bench]'")

from signbit.interop.engines import Runner, run_openvino
from signbit.interop.one_bit import packed_values
from signbit.interop.openvino_graph import OPERATIONS, to_openvino
from signbit.interop.rewrite import thresholds_before_convolutions


def compiled(graph: Graph, batch: int) -> Runner:
    return run_openvino(to_openvino(graph, batch), threads=1, PERF_COUNT=True)


def difference(graph: Graph, run: Runner, x: np.ndarray) -> float:
    """Largest difference from the reference, relative to its largest output (and at least 1)."""
    expected, found = reference.run(graph, x), run(x)
    assert found.shape == (expected.shape if expected.shape[2:] != (1, 1) else expected.shape[:2])
    return float(np.abs(found.reshape(expected.shape) - expected).max() / np.abs(expected).max(initial=1.0))


def executed(run: Runner) -> list[tuple[str, str]]:
    """Type and kernel of every node that ran, in order."""
    profile = run.request.profiling_info  # type: ignore[attr-defined]
    return [(node.node_type, node.exec_type) for node in profile if node.status.name == "EXECUTED"]


def told(node: Any) -> dict[str, str]:
    """What the compiled model says of a node."""
    return {key: getattr(value, "value", value) for key, value in node.get_rt_info().items()}


def test_every_operation_is_there() -> None:
    assert set(OPERATIONS) == set(OPS)


def test_random_networks() -> None:
    """Bits may only differ where a float is within rounding of its threshold; that doesn't happen with these seeds."""
    for seed, graph in enumerate([every_operation(), *(random_graph(seed) for seed in range(30))]):
        x = random_input(graph, seed)
        assert difference(graph, compiled(graph, len(x)), x) < 1e-5, f"seed {seed}"


@pytest.mark.parametrize("alphabet", list(Alphabet))
@pytest.mark.parametrize("channels", [8, 63, 64, 65, 72])
def test_chains_are_exact(alphabet: Alphabet, channels: int) -> None:
    """Every padding, rising, falling and constant channels; 63 and 65 channels are float convolutions there."""
    rng = np.random.default_rng(channels)
    for pad_value in (-1, 0, 1) if alphabet is Alphabet.PM1 else (0, 1):
        builder = GraphBuilder()
        x = builder.input((5, 6, channels))
        for layer in range(3):
            lowest = np.float32(-np.inf) if layer == 0 else np.iinfo(np.int32).min
            thresholds = rng.integers(-5, 6, channels).astype(np.float32 if layer == 0 else np.int32)
            thresholds[:2], rising = lowest, rng.integers(0, 2, channels)
            rising[:2] = 0, 1
            blobs = {"thresholds": thresholds, "rising": Bits.pack(rising)}
            x = builder.node("threshold", x, blobs=blobs, alphabet=alphabet)
            around = {"pad_top": 1, "pad_left": 1, "pad_bottom": 1, "pad_right": 1, "pad_value": pad_value}
            weight = Bits.pack(rng.integers(0, 2, (channels, 3, 3, channels)))
            x = builder.node("binary_conv2d", x, attributes=around, blobs={"weight": weight})
        one = np.ones(channels, np.float32)
        graph = builder.graph(builder.node("affine", x, blobs={"scale": one, "shift": 0 * one}))
        run = compiled(graph, 2)
        # Integers in the first input as well, so that numbers meet their thresholds exactly.
        images = rng.integers(-5, 6, (2, channels, 5, 6)).astype(np.float32)
        assert difference(graph, run, images) == 0
        one_bit = sum(kernel.endswith("u1") for _, kernel in executed(run))
        assert one_bit == (3 if channels % 8 == 0 else 0)


@pytest.mark.parametrize(("model", "method", "size"), NETWORKS)
def test_whole_networks_run_on_the_one_bit_kernel(model: str, method: str, size: int) -> None:
    graph, images = network(model, method, size)
    run = compiled(graph, len(images))
    assert difference(graph, run, images) < 1e-4
    nodes = executed(run)
    convolutions = [kernel for kind, kernel in nodes if kind == "BinaryConvolution"]
    assert len(convolutions) == sum(node.op == "binary_conv2d" for node in graph.nodes)
    assert all(kernel.endswith("u1") for kernel in convolutions), convolutions
    first = nodes.index(("BinaryConvolution", convolutions[0]))
    last = len(nodes) - nodes[::-1].index(("BinaryConvolution", convolutions[-1]))
    assert not [kind for kind, _ in nodes[first:last] if kind == "Reorder"], nodes
    model = run.request.get_compiled_model().get_runtime_model()  # type: ignore[attr-defined]
    binary = [node for node in model.get_ordered_ops() if told(node)["layerType"] == "BinaryConvolution"]
    assert len(binary) == len(convolutions)
    for node in binary:
        assert told(node)["runtimePrecision"] == "u1"
        assert told(node)["primitiveType"].endswith("_u1")
        pixels, weight = (told(source.get_source_output().get_node()) for source in node.inputs()[:2])
        assert (pixels["outputPrecisions"], weight["outputPrecisions"]) == ("u1", "u1")
        assert pixels["layerType"] in ("FakeQuantize", "BinaryConvolution"), "bits come as they were made"


@pytest.mark.parametrize(("model", "method", "size"), NETWORKS)
def test_rewritten_networks_are_equal(model: str, method: str, size: int) -> None:
    graph, images = network(model, method, size)
    rewritten = thresholds_before_convolutions(graph)
    np.testing.assert_array_equal(reference.run(rewritten, images), reference.run(graph, images))
    sources = {node.output: node.op for node in rewritten.nodes}
    read = [sources[node.inputs[0]] for node in rewritten.nodes if node.op == "binary_conv2d"]
    assert set(read) == {"threshold"}
    assert len(packed_values(rewritten)) == len(read)
