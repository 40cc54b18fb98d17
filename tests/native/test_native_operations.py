"""Every other operation against the reference executor, alone and in random chains; integers and bits exactly."""

from __future__ import annotations

import numpy as np
import pytest
from native_graphs import TIERS, as_floats, binarize, programs, random_images

from signbit.alphabet import Alphabet
from signbit.format import Bits, DType, Graph, GraphBuilder, write_bytes
from signbit.runtime import _native, reference

EXTENTS = (1, 2, 5, 8)
CHANNELS = (1, 3, 8, 63, 64, 65)
I32_MIN, I32_MAX = np.iinfo(np.int32).min, np.iinfo(np.int32).max


def check(graph: Graph, x: np.ndarray, *, exact: bool) -> None:
    expected = reference.run(graph, x)
    for program in programs(graph):
        found = program.run(x)
        assert found.shape == expected.shape
        if exact:
            np.testing.assert_array_equal(found, expected)
        else:
            np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def shapes(seed: int) -> tuple[np.random.Generator, int, int, int]:
    rng = np.random.default_rng(seed)
    return rng, int(rng.choice(EXTENTS)), int(rng.choice(EXTENTS)), int(rng.choice(CHANNELS))


def floats(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.standard_normal(shape).astype(np.float32)


def window(rng: np.random.Generator, height: int, width: int, *, pool: bool) -> dict[str, int]:
    attributes = {}
    for axis, extent, before, after in (("h", height, "top", "bottom"), ("w", width, "left", "right")):
        kernel = int(rng.integers(1, min(extent, 3) + 1))
        attributes |= {f"kernel_{axis}": kernel, f"stride_{axis}": int(rng.integers(1, 4))}
        for side in (before, after):
            attributes[f"pad_{side}"] = int(rng.integers(0, kernel if pool else 3))
    return attributes


@pytest.mark.parametrize("seed", range(24))
@pytest.mark.parametrize("weights", ["f32", "bits"])
def test_conv2d(seed: int, weights: str) -> None:
    rng, height, width, channels = shapes(seed)
    groups = int(rng.choice([g for g in (1, 3, channels) if channels % g == 0]))
    attributes = {**window(rng, height, width, pool=False), "groups": groups}
    shape = (
        groups * int(rng.choice((1, 5, 16, 17))),
        attributes["kernel_h"],
        attributes["kernel_w"],
        channels // groups,
    )
    blobs = {"weight": floats(rng, *shape) if weights == "f32" else Bits.pack(rng.integers(0, 2, shape))}
    if seed % 2:
        blobs["bias"] = floats(rng, shape[0])
    builder = GraphBuilder()
    graph = builder.graph(
        builder.node("conv2d", builder.input((height, width, channels)), attributes=attributes, blobs=blobs)
    )
    check(graph, floats(rng, 2, channels, height, width), exact=False)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("dtype", ["f32", "i32", "pm1", "zero_one"])
def test_max_pool2d(seed: int, dtype: str) -> None:
    rng, height, width, channels = shapes(seed)
    builder = GraphBuilder()
    x = builder.input((height, width, channels))
    if dtype != "f32":
        x = binarize(builder, x, Alphabet.ZERO_ONE if dtype == "zero_one" else Alphabet.PM1)
    if dtype == "i32":
        x = builder.node(
            "binary_conv2d", x, blobs={"weight": Bits.pack(rng.integers(0, 2, (channels, 1, 1, channels)))}
        )
    y = builder.node("max_pool2d", x, attributes=window(rng, height, width, pool=True))
    check(builder.graph(as_floats(builder, y)), random_images(rng, 2, channels, height, width), exact=True)


@pytest.mark.parametrize("seed", range(12))
def test_avg_pool2d(seed: int) -> None:
    rng, height, width, channels = shapes(seed)
    builder = GraphBuilder()
    attributes = {**window(rng, height, width, pool=True), "count_include_pad": seed % 2}
    graph = builder.graph(builder.node("avg_pool2d", builder.input((height, width, channels)), attributes=attributes))
    check(graph, floats(rng, 2, channels, height, width), exact=False)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("dtype", ["f32", "bits"])
def test_flatten(seed: int, dtype: str) -> None:
    """Bits of several pixels move together without gaps."""
    rng, height, width, channels = shapes(seed)
    builder = GraphBuilder()
    x = builder.input((height, width, channels))
    if dtype == "bits":
        x = binarize(builder, x, Alphabet.PM1)
    y = builder.node("flatten", x)
    check(builder.graph(as_floats(builder, y)), random_images(rng, 3, channels, height, width), exact=True)


@pytest.mark.parametrize("seed", range(8))
def test_elementwise_and_moving_operations(seed: int) -> None:
    """One chain with a residual connection: values are kept as long as they are needed, and reused in place."""
    rng, height, width, channels = shapes(seed)
    builder = GraphBuilder()
    first = builder.input((height, width, channels))
    x = builder.node("affine", first, blobs={"scale": floats(rng, channels), "shift": floats(rng, channels)})
    x = builder.node("clamp", x, scalars={"low": -0.75, "high": np.inf})
    x = builder.node("add", x, first)
    unread = builder.node("prelu", first, blobs={"slope": floats(rng, channels)})
    x = builder.node("add", x, x)
    x = builder.node("prelu", x, blobs={"slope": floats(rng, channels)})
    x = builder.node("add", first, x)
    small = builder.node("subsample", x, attributes={"stride_h": 2, "stride_w": 3})
    y = builder.node("pad_channels", small, attributes={"before": 2, "after": 1})
    assert builder.value(unread).dtype is DType.F32
    check(builder.graph(y), floats(rng, 2, channels, height, width), exact=True)


@pytest.mark.parametrize("channels", [1, 7, 8, 9, 63, 64, 65, 130])
def test_thresholds_on_floats(channels: int) -> None:
    """Rising and falling, at the threshold itself, zeros of both signs, infinities, NaN, constant channels."""
    rng = np.random.default_rng(channels)
    special = np.array([0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, 1e-45, -1e-45], np.float32)
    thresholds, rising = rng.choice(special, channels), rng.integers(0, 2, channels)
    builder = GraphBuilder()
    blobs = {"thresholds": thresholds, "rising": Bits.pack(rising)}
    bits = builder.node("threshold", builder.input((3, 5, channels)), blobs=blobs)
    graph = builder.graph(as_floats(builder, bits))
    x = rng.choice(np.append(special, np.float32(np.nan)), (2, channels, 3, 5))
    t, up = thresholds[:, None, None], rising[:, None, None] == 1
    expected = np.where(np.where(up, x >= t, x <= t), 1, -1)
    for program in programs(graph):
        np.testing.assert_array_equal(program.run(x), expected)


@pytest.mark.parametrize("channels", [1, 8, 63, 65])
def test_thresholds_on_integers(channels: int) -> None:
    """The extremes of int32 as thresholds: always and never."""
    rng = np.random.default_rng(channels)
    builder = GraphBuilder()
    bits = binarize(builder, builder.input((2, 3, channels)), Alphabet.PM1)
    sums = builder.node(
        "binary_conv2d", bits, blobs={"weight": Bits.pack(rng.integers(0, 2, (channels, 1, 1, channels)))}
    )
    thresholds = rng.choice([I32_MIN, I32_MAX, I32_MAX - 1, I32_MIN + 1, -1, 0, 1, channels], channels).astype(np.int32)
    blobs = {"thresholds": thresholds, "rising": Bits.pack(rng.integers(0, 2, channels))}
    again = builder.node("threshold", sums, blobs=blobs, alphabet=Alphabet.ZERO_ONE)
    check(builder.graph(as_floats(builder, again)), random_images(rng, 3, channels, 2, 3), exact=True)


def test_a_network_of_no_operations_copies_its_input() -> None:
    builder = GraphBuilder()
    x = np.arange(24, dtype=np.float32).reshape(2, 3, 2, 2)
    for program in programs(builder.graph(builder.input((2, 2, 3)))):
        np.testing.assert_array_equal(program.run(x), x)


@pytest.mark.parametrize("count", [0, 1, 63, 64, 65, 200])
def test_any_batch_size(count: int) -> None:
    """Images don't depend on their neighbours, in whatever portions they are run."""
    rng = np.random.default_rng(0)
    builder = GraphBuilder()
    x = builder.node("conv2d", builder.input((6, 5, 3)), blobs={"weight": floats(rng, 7, 3, 3, 3)})
    bits = binarize(builder, x, Alphabet.PM1)
    y = builder.node("binary_conv2d", bits, blobs={"weight": Bits.pack(rng.integers(0, 2, (4, 2, 2, 7)))})
    data = write_bytes(builder.graph(as_floats(builder, y)))
    images = floats(rng, count, 3, 6, 5)
    for isa in TIERS:
        together = _native.Program(data, isa, 2).run(images)
        alone = _native.Program(data, isa, 1)
        assert together.shape == (count, 4, 3, 2)
        for i in range(count):
            np.testing.assert_array_equal(alone.run(images[i : i + 1])[0], together[i])
