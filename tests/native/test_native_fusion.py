"""Nodes that run as one step compute what they compute alone: random graphs with residual connections, exactly."""

from __future__ import annotations

import numpy as np
import pytest
from native_graphs import TIERS, as_floats, binarize, programs, random_images, slow_convolution

from signbit.alphabet import Alphabet
from signbit.format import Bits, Graph, GraphBuilder, write_bytes
from signbit.runtime import _native, reference

HEIGHT, WIDTH = 7, 9  # more pixels than steps that are shared out by filters have
PADS = {f"pad_{side}": 1 for side in ("top", "left", "bottom", "right")}


def floats(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.standard_normal(shape).astype(np.float32)


def affine(builder: GraphBuilder, rng: np.random.Generator, x: int) -> int:
    channels = builder.value(x).shape[2]
    return builder.node("affine", x, blobs={"scale": floats(rng, channels), "shift": floats(rng, channels)})


def binary_convolution(builder: GraphBuilder, rng: np.random.Generator, x: int) -> int:
    channels = builder.value(x).shape[2]
    bits = binarize(builder, x, Alphabet(int(rng.integers(1, 3))))
    blobs = {"weight": Bits.pack(rng.integers(0, 2, (channels, 3, 3, channels)))}
    return builder.node("binary_conv2d", bits, attributes=PADS, blobs=blobs)


def random_graph(rng: np.random.Generator, channels: int, steps: int) -> Graph:
    """Any earlier value may be read again, at once or much later; some are never read."""
    builder = GraphBuilder()
    values = [builder.input((HEIGHT, WIDTH, channels))]
    for _ in range(steps):
        x = values[-1] if rng.random() < 0.6 else int(rng.choice(values))
        kind = rng.choice(["conv", "conv", "add", "add", "mul", "affine", "clamp", "prelu", "pool", "vector"])
        if kind == "conv":
            y = affine(builder, rng, binary_convolution(builder, rng, x))
        elif kind == "add":
            y = builder.node("add", x, int(rng.choice(values)))
        elif kind == "mul":  # and no number grows without end
            y = builder.node("mul", x, int(rng.choice(values)))
            y = builder.node("clamp", y, scalars={"low": -4.0, "high": 4.0})
        elif kind == "affine":
            y = affine(builder, rng, x)
        elif kind == "clamp":
            y = builder.node("clamp", x, scalars={"low": -1.5, "high": 1.25})
        elif kind == "prelu":
            y = builder.node("prelu", x, blobs={"slope": floats(rng, channels)})
        elif kind == "pool":
            y = builder.node("max_pool2d", x, attributes={"kernel_h": 3, "kernel_w": 3, **PADS})
        else:
            window = {"kernel_h": HEIGHT, "kernel_w": WIDTH}
            vector = builder.node("max_pool2d", int(rng.choice(values)), attributes=window)
            y = builder.node(str(rng.choice(["add", "mul"])), x, vector)
        values.append(y)
    return builder.graph(values[-1])


@pytest.mark.parametrize("seed", range(25))
def test_random_graphs(seed: int) -> None:
    rng = np.random.default_rng([seed, 7])
    graph = random_graph(rng, int(rng.choice([5, 16, 40, 64, 65])), int(rng.integers(3, 16)))
    channels = graph.values[graph.input].shape[2]
    images = floats(rng, 2, channels, HEIGHT, WIDTH)
    expected = reference.run(graph, images)
    for program in programs(graph):
        np.testing.assert_array_equal(program.run(images), expected)


def block(builder: GraphBuilder, rng: np.random.Generator, x: int, late: str | None) -> int:
    """A residual block; its shortcut stands before the branch in the order of nodes, or after it."""
    shortcut = x if late else affine(builder, rng, x)
    branch = affine(builder, rng, binary_convolution(builder, rng, x))
    if late == "max_pool2d":
        shortcut = builder.node("max_pool2d", x, attributes={"kernel_h": 3, "kernel_w": 3, **PADS})
    elif late == "subsample":
        shortcut = builder.node("subsample", x, attributes={"stride_h": 1, "stride_w": 1})
    return builder.node("clamp", builder.node("add", branch, shortcut), scalars={"low": -1.0, "high": 1.0})


@pytest.mark.parametrize(
    ("late", "step"),
    [
        (None, "binary_conv2d+affine+add+clamp"),
        ("max_pool2d", "max_pool2d+add+clamp"),  # the branch is done by then
        ("subsample", "binary_conv2d+affine+add+clamp"),  # the branch waits
    ],
)
def test_the_end_of_a_residual_block_is_one_step(late: str | None, step: str) -> None:
    rng = np.random.default_rng(0)
    builder = GraphBuilder()
    x = builder.input((HEIGHT, WIDTH, 16))
    for _ in range(2):
        x = block(builder, rng, x, late)
    graph = builder.graph(x)
    images = floats(rng, 3, 16, HEIGHT, WIDTH)
    expected = reference.run(graph, images)
    for program in programs(graph):
        np.testing.assert_array_equal(program.run(images), expected)
        steps = [op for _, op, *_ in program.profile(images)]
        assert sum(found.startswith(step) for found in steps) == 2
        assert sorted("+".join(steps).split("+")) == sorted(node.op for node in graph.nodes)


def test_a_gate_made_from_what_the_block_reads_is_part_of_its_step() -> None:
    rng = np.random.default_rng(2)
    builder = GraphBuilder()
    x = builder.input((HEIGHT, WIDTH, 16))
    branch = affine(builder, rng, binary_convolution(builder, rng, x))
    mean = builder.node("avg_pool2d", x, attributes={"kernel_h": HEIGHT, "kernel_w": WIDTH})
    gate = builder.node("clamp", mean, scalars={"low": 0.0, "high": 1.0})
    y = builder.node("add", builder.node("mul", branch, gate), x)
    graph = builder.graph(y)
    images = floats(rng, 3, 16, HEIGHT, WIDTH)
    results = []
    for program in programs(graph):
        assert "binary_conv2d+affine+mul+add" in [op for _, op, *_ in program.profile(images)]
        results.append(program.run(images))
    np.testing.assert_allclose(results[0], reference.run(graph, images), rtol=1e-5, atol=1e-5)
    for result in results:
        np.testing.assert_array_equal(result, results[0])


@pytest.mark.parametrize("pad_value", [-1, 0, 1])
@pytest.mark.parametrize(
    ("channels", "filters"), [(5, 16), (16, 17), (63, 33), (64, 64), (65, 65), (128, 128), (30, 97)]
)
def test_a_threshold_on_products_sees_every_product(channels: int, filters: int, pad_value: int) -> None:
    """At, beside and far from the products, inside and on the border, rising and falling."""
    rng = np.random.default_rng([channels, pad_value + 1])
    images = random_images(rng, 2, channels, HEIGHT, WIDTH)
    ones = rng.integers(0, 2, (filters, 3, 3, channels))
    weight, pads = (2 * ones - 1).transpose(0, 3, 1, 2), (1, 1, 1, 1)
    for alphabet in Alphabet.PM1, Alphabet.ZERO_ONE:
        if alphabet is Alphabet.ZERO_ONE and pad_value < 0:
            continue
        a = np.where(images >= 0, 1, -1) if alphabet is Alphabet.PM1 else np.where(images > 0, 1, 0)
        sums = slow_convolution(a, weight, (1, 1), pads, (1, 1), 1, pad_value)
        seen = sums[0].reshape(filters, -1)[np.arange(filters), rng.integers(0, HEIGHT * WIDTH, filters)]
        cuts = (seen + rng.integers(-1, 2, filters)).astype(np.int32)
        far = np.array([-(2**31), 2**31 - 1, 2**31 - 2, -(2**31) + 1, 100_000, -100_000], np.int32)
        cuts[: len(far)] = far[: len(cuts)]
        rising = rng.integers(0, 2, filters)
        builder = GraphBuilder()
        bits = binarize(builder, builder.input((HEIGHT, WIDTH, channels)), alphabet)
        attributes = {**PADS, "pad_value": pad_value}
        y = builder.node("binary_conv2d", bits, attributes=attributes, blobs={"weight": Bits.pack(ones)})
        y = builder.node("threshold", y, blobs={"thresholds": cuts, "rising": Bits.pack(rising)}, alphabet=Alphabet.PM1)
        t, up = cuts[:, None, None], rising[:, None, None] == 1
        expected = np.where(np.where(up, sums >= t, sums <= t), 1, -1)
        for program in programs(builder.graph(as_floats(builder, y))):
            np.testing.assert_array_equal(program.run(images), expected, err_msg=f"{program.isa}, {alphabet}")


def test_what_only_the_next_node_reads_takes_no_memory() -> None:
    rng = np.random.default_rng(1)
    builder = GraphBuilder()
    x = builder.input((HEIGHT, WIDTH, 64))
    for _ in range(3):
        x = affine(builder, rng, binary_convolution(builder, rng, x))
    weight = Bits.pack(rng.integers(0, 2, (8, 3, 3, 64)))
    bits = binarize(builder, x, Alphabet.PM1)
    y = affine(builder, rng, builder.node("binary_conv2d", bits, blobs={"weight": weight}))
    data = write_bytes(builder.graph(y))
    image, packed = 4 * HEIGHT * WIDTH * 64, 8 * HEIGHT * WIDTH
    for isa in TIERS:
        assert _native.Program(data, isa).memory_bytes < image + 2 * packed + 4 * 64
