"""The reference executor against element-by-element loops written straight from docs/format.md, and against torch."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from sbn_graphs import NODES, add_random_node, every_operation, floats, random_graph, random_input

from signbit.alphabet import Alphabet
from signbit.format import Bits, DType, Graph, GraphBuilder, Node
from signbit.runtime import reference

Array = np.ndarray[Any, Any]


def slow(graph: Graph, node: Node, inputs: list[Array]) -> Array:
    """One output element at a time, in Python numbers; x is ``[N, H, W, C]``."""
    value, a, x = graph.values[node.output], node.attributes, inputs[0]
    output = np.zeros((len(x), *value.shape))
    for index in np.ndindex(output.shape):
        output[index] = element(graph, node, a, inputs, index)
    return output


def positions(a: Any, h: int, w: int) -> list[tuple[int, int, int, int]]:
    """Tap row, tap column, image row, image column; the latter two may lie outside."""
    top, left = h * a["stride_h"] - a["pad_top"], w * a["stride_w"] - a["pad_left"]
    return [
        (i, j, top + i * a["dilation_h"], left + j * a["dilation_w"])
        for i in range(a["kernel_h"])
        for j in range(a["kernel_w"])
    ]


def element(graph: Graph, node: Node, a: Any, inputs: list[Array], index: tuple[int, ...]) -> float:
    n, h, w, c = index
    x = inputs[0]
    height, width, channels = x.shape[1:]

    def inside(row: int, column: int) -> bool:
        return 0 <= row < height and 0 <= column < width

    if node.op in ("conv2d", "binary_conv2d"):
        blob = node.blobs["weight"]
        weight = np.where(blob.unpack(), 1, -1) if isinstance(blob, Bits) else blob
        filters, per_group = weight.shape[0], weight.shape[3]
        first = c // (filters // a["groups"]) * per_group
        total = float(node.blobs["bias"][c]) if "bias" in node.blobs else 0.0
        for i, j, row, column in positions(a, h, w):
            for k in range(per_group):
                seen = x[n, row, column, first + k] if inside(row, column) else a.get("pad_value", 0)
                total += float(seen) * float(weight[c, i, j, k])
        return total
    if node.op in ("max_pool2d", "avg_pool2d"):
        seen = [float(x[n, row, column, c]) for _, _, row, column in positions(a, h, w) if inside(row, column)]
        if node.op == "max_pool2d":
            return max(seen)
        return sum(seen) / (a["kernel_h"] * a["kernel_w"] if a["count_include_pad"] else len(seen))
    if node.op == "flatten":
        return float(x[n, c // (width * channels), c // channels % width, c % channels])
    if node.op == "subsample":
        return float(x[n, h * a["stride_h"], w * a["stride_w"], c])
    if node.op == "pad_channels":
        return float(x[n, h, w, c - a["before"]]) if 0 <= c - a["before"] < channels else 0.0
    seen = float(x[n, h, w, c])
    if node.op == "affine":
        return float(node.blobs["scale"][c]) * seen + float(node.blobs["shift"][c])
    if node.op == "threshold":
        threshold = float(node.blobs["thresholds"][c])
        one = seen >= threshold if node.blobs["rising"].unpack()[c] else seen <= threshold
        alphabet = graph.values[node.output].alphabet
        return 1.0 if one else {Alphabet.PM1: -1.0, Alphabet.ZERO_ONE: 0.0}[alphabet]
    if node.op in ("add", "mul"):
        second = inputs[1]
        other = float(second[n, h, w, c] if second.shape == x.shape else second[n, 0, 0, c])
        return seen + other if node.op == "add" else seen * other
    if node.op == "clamp":
        return min(max(seen, float(np.float32(node.scalars["low"]))), float(np.float32(node.scalars["high"])))
    if node.op == "sigmoid":
        return 1 / (1 + math.exp(-seen))
    if node.op == "layer_norm":
        position = [float(number) for number in x[n, h, w]]
        mean = sum(position) / channels
        variance = sum((number - mean) ** 2 for number in position) / channels
        normal = (seen - mean) / math.sqrt(variance + node.scalars["eps"])
        return normal * float(node.blobs["scale"][c]) + float(node.blobs["shift"][c])
    assert node.op == "prelu"
    return seen if seen >= 0 else float(node.blobs["slope"][c]) * seen


EXACT = ("threshold", "binary_conv2d", "max_pool2d", "flatten", "subsample", "pad_channels", "clamp")


@pytest.mark.parametrize("op", NODES)
def test_each_operation_against_plain_loops(op: str) -> None:
    tried = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        b = GraphBuilder()
        extent, channels = [1, 2, 4, 5], [1, 2, 3, 4, 6]
        x = b.input((int(rng.choice(extent)), int(rng.choice(extent)), int(rng.choice(channels))))
        if op in ("binary_conv2d", "threshold", "max_pool2d", "flatten", "affine") and rng.integers(3):
            x = add_random_node(b, rng, x, "threshold")
        if op in ("threshold", "affine", "max_pool2d") and b.value(x).dtype is DType.BITS and rng.integers(2):
            x = add_random_node(b, rng, x, "binary_conv2d")
        x = add_random_node(b, rng, x, op)
        if x is None:
            continue
        final = x
        while b.value(final).dtype is not DType.F32:
            final = add_random_node(b, rng, final, "affine" if b.value(final).dtype is DType.I32 else "binary_conv2d")
        graph = b.graph(final)
        values = reference.run_all(graph, random_input(graph, seed, count=2))
        node = graph.nodes[x - 1]
        assert node.op == op
        expected = slow(graph, node, [values[index] for index in node.inputs])
        assert values[x].shape == expected.shape
        assert values[x].dtype == {DType.F32: np.float32, DType.I32: np.int32, DType.BITS: np.int8}[b.value(x).dtype]
        if op in EXACT:
            np.testing.assert_array_equal(values[x], expected)
        else:
            np.testing.assert_allclose(values[x], expected, rtol=1e-5, atol=1e-5)
        tried += 1
        if tried == 12:
            return
    raise AssertionError(f"{op} was tried only {tried} times")


@pytest.mark.parametrize("channels", [63, 64, 65])
@pytest.mark.parametrize("alphabet", list(Alphabet))
def test_a_sum_of_bits_at_the_word_boundary(channels: int, alphabet: Alphabet) -> None:
    """All ones against all ones is the number of taps; against all zeros its negative, or zero."""
    for rising, weight, expected in (
        (1, 1, channels),
        (1, 0, -channels),
        (0, 1, alphabet.low * channels),
        (0, 0, -alphabet.low * channels),
    ):
        b = GraphBuilder()
        x = b.input((1, 1, channels))
        never = np.full(channels, -np.inf, np.float32)
        x = b.node(
            "threshold", x, blobs={"thresholds": never, "rising": Bits.pack([rising] * channels)}, alphabet=alphabet
        )
        x = b.node("binary_conv2d", x, blobs={"weight": Bits.pack(np.full((1, 1, 1, channels), weight))})
        x = b.node("affine", x, blobs={"scale": np.ones(1, np.float32), "shift": np.zeros(1, np.float32)})
        graph = b.graph(x)
        assert reference.run(graph, random_input(graph, 0, count=1)).item() == expected


def test_ties_and_constant_channels() -> None:
    """x = t is a 1 on a rising and on a falling channel; -inf makes a constant channel."""
    b = GraphBuilder()
    x = b.input((1, 1, 4))
    thresholds = np.array([0.5, 0.5, -np.inf, -np.inf], np.float32)
    x = b.node("threshold", x, blobs={"thresholds": thresholds, "rising": Bits.pack([1, 0, 1, 0])})
    x = b.node("binary_conv2d", x, blobs={"weight": Bits.pack(np.ones((1, 1, 1, 4)))})
    graph = b.graph(b.node("affine", x, blobs=dict.fromkeys(("scale", "shift"), np.ones(1, np.float32))))
    batch = np.array([0.25, 0.5, 0.75], np.float32)[:, None, None, None].repeat(4, axis=1)
    bits = reference.run_all(graph, batch)[1].reshape(3, 4)
    assert bits.tolist() == [[-1, 1, 1, -1], [1, 1, 1, -1], [1, -1, 1, -1]]


def test_against_torch() -> None:
    """The float operations and zero padding, by an independent library."""
    torch = pytest.importorskip("torch", reason="torch is not installed")
    torch.set_num_threads(1)
    functional = torch.nn.functional
    for seed in range(20):
        rng = np.random.default_rng(seed)
        groups = int(rng.integers(1, 3))
        channels, filters, kernel = groups * int(rng.integers(1, 4)), groups * 3, int(rng.integers(1, 4))
        stride, dilation, pad = (int(number) for number in rng.integers(1, 3, 3))
        weight, bias = floats(rng, filters, kernel, kernel, channels // groups), floats(rng, filters)
        b = GraphBuilder()
        x = b.input((7, 9, channels))
        geometry = {f"pad_{side}": pad for side in ("top", "left", "bottom", "right")}
        geometry |= {"stride_h": stride, "stride_w": stride, "dilation_h": dilation, "dilation_w": dilation}
        x = b.node("conv2d", x, attributes={**geometry, "groups": groups}, blobs={"weight": weight, "bias": bias})
        inside = int(rng.integers(2))
        pool = {"kernel_h": 2, "kernel_w": 2, "pad_top": 1, "pad_left": 1, "pad_bottom": 1, "pad_right": 1}
        x = b.node("avg_pool2d", x, attributes={**pool, "count_include_pad": inside})
        x = b.node("max_pool2d", x, attributes={**pool, "stride_h": 2, "stride_w": 2})
        slope = floats(rng, filters)
        x = b.node("prelu", x, blobs={"slope": slope})
        x = b.node("clamp", x, scalars={"low": -1.0, "high": math.inf})
        norm = {"scale": floats(rng, filters), "shift": floats(rng, filters)}
        x = b.node("layer_norm", x, scalars={"eps": 1e-3}, blobs=norm)
        z = b.node("avg_pool2d", x, attributes=dict(zip(("kernel_h", "kernel_w"), b.value(x).shape[:2], strict=True)))
        graph = b.graph(b.node("add", x, b.node("sigmoid", z)))
        batch = random_input(graph, seed)
        y = functional.conv2d(
            torch.from_numpy(batch), torch.from_numpy(weight.transpose(0, 3, 1, 2).copy()), torch.from_numpy(bias),
            stride, pad, dilation, groups,
        )  # fmt: skip
        y = functional.avg_pool2d(y, 2, 1, 1, count_include_pad=bool(inside))
        y = functional.max_pool2d(y, 2, 2, 1)
        y = functional.prelu(y, torch.from_numpy(slope)).clamp(min=-1.0)
        scale, shift = (torch.from_numpy(norm[name]) for name in ("scale", "shift"))
        y = functional.layer_norm(y.permute(0, 2, 3, 1), (filters,), scale, shift, 1e-3).permute(0, 3, 1, 2)
        y = y + torch.sigmoid(y.mean(dim=(2, 3), keepdim=True))
        np.testing.assert_allclose(reference.run(graph, batch), y.numpy(), rtol=1e-4, atol=1e-5)


def test_an_empty_batch_and_a_batch_is_its_images() -> None:
    for graph in (every_operation(), *(random_graph(seed) for seed in range(30))):
        batch = random_input(graph, 1, count=3)
        whole = reference.run(graph, batch)
        assert reference.run(graph, batch[:0]).shape == (0, *whole.shape[1:])
        for image in range(3):
            np.testing.assert_allclose(
                reference.run(graph, batch[image : image + 1])[0], whole[image], rtol=1e-6, atol=1e-6
            )


def test_infinite_and_missing_numbers_raise_nothing() -> None:
    graph = every_operation()
    batch = random_input(graph, 0)
    batch[0, 0, 0, 0], batch[1, 0, 0, 0] = np.nan, np.inf
    reference.run(graph, batch)
