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


@pytest.mark.parametrize("filters", [1, 8, *range(23, 34), 47, 48, 49, 63, 64, 65, 96, 97, 127, 128, 129])
def test_linear_layers_of_all_widths(filters: int) -> None:
    """One row meets several panels of filters at once; small integers, whose sums are exact."""
    rng = np.random.default_rng(filters)
    weight, bias = (rng.integers(-9, 10, shape).astype(np.float32) for shape in ((filters, 1, 1, 70), filters))
    builder = GraphBuilder()
    blobs = {"weight": weight, "bias": bias}
    graph = builder.graph(builder.node("conv2d", builder.input((1, 1, 70)), blobs=blobs))
    check(graph, rng.integers(-9, 10, (1, 70, 1, 1)).astype(np.float32), exact=True)


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
    x = builder.node("mul", x, x)
    x = builder.node("mul", first, x)
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


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("op", ["add", "mul"])
def test_one_number_for_a_whole_channel(op: str, seed: int) -> None:
    """Self-distribution, squeeze and excite: image by image, and never in the memory of the smaller operand."""
    rng, height, width, channels = shapes(seed)
    hidden = int(rng.choice((1, 4)))
    builder = GraphBuilder()
    first = builder.input((height, width, channels))
    mean = builder.node("avg_pool2d", first, attributes={"kernel_h": height, "kernel_w": width})
    x = builder.node("conv2d", mean, blobs={"weight": floats(rng, hidden, 1, 1, channels)})
    x = builder.node("clamp", x, scalars={"low": 0.0, "high": np.inf})
    x = builder.node("conv2d", x, blobs={"weight": floats(rng, channels, 1, 1, hidden)})
    beta = builder.node("sigmoid", x)
    alive = builder.node(op, first, beta)  # beta dies here, first does not
    bits = binarize(builder, alive, Alphabet.PM1)
    branch = as_floats(builder, bits)
    check(builder.graph(builder.node("add", branch, first)), floats(rng, 3, channels, height, width), exact=False)


@pytest.mark.parametrize("channels", [1, 4, 16, 65])
@pytest.mark.parametrize("extent", [(1, 1), (1, 2), (5, 3)])
@pytest.mark.parametrize(("op", "operator"), [("add", np.add), ("mul", np.multiply)])
def test_a_vector_meets_every_pixel_exactly(
    op: str, operator: np.ufunc, channels: int, extent: tuple[int, int]
) -> None:
    """Only the vector dies in the first step; small ones take as many bytes once rounded up to whole cache lines."""
    rng = np.random.default_rng(channels)
    builder = GraphBuilder()
    first = builder.input((*extent, channels))
    window = {"kernel_h": extent[0], "kernel_w": extent[1]}
    vector = builder.node("max_pool2d", first, attributes=window)
    x = builder.node("clamp", first, scalars={"low": -1.0, "high": 1.0})
    graph = builder.graph(builder.node(op, builder.node(op, x, vector), x))
    images = floats(rng, 5, channels, *extent)
    check(graph, images, exact=True)
    clipped = images.clip(-1, 1)
    expected = operator(operator(clipped, images.max(axis=(2, 3), keepdims=True)), clipped)
    np.testing.assert_array_equal(reference.run(graph, images), expected)


def test_sigmoid_reaches_its_ends() -> None:
    builder = GraphBuilder()
    graph = builder.graph(builder.node("sigmoid", builder.input((1, 1, 1))))
    x = np.array([-np.inf, -200, -89, -20, -0.0, 0.0, 1e-8, 20, 200, np.inf, np.nan], np.float32).reshape(-1, 1, 1, 1)
    with np.errstate(over="ignore"):
        expected = 1 / (1 + np.exp(-x.astype(np.float64)))
    for program in programs(graph):
        np.testing.assert_allclose(program.run(x), expected, rtol=3e-7, atol=2e-38)
        assert program.run(x)[[0, 4, 5, 9], 0, 0, 0].tolist() == [0.0, 0.5, 0.5, 1.0]


@pytest.mark.parametrize("channels", [1, 2, 7, 8, 9, 63, 64, 65, 512])
@pytest.mark.parametrize("eps", [1e-5, 1e-3, 1.0])
def test_layer_norm(channels: int, eps: float) -> None:
    """Budget: 3e-6 of what is multiplied by scale, plus what rounding the mean to float32 costs in deviations."""
    rng = np.random.default_rng(channels)
    scale, shift = floats(rng, channels), floats(rng, channels)
    builder = GraphBuilder()
    blobs = {"scale": scale, "shift": shift}
    y = builder.node("layer_norm", builder.input((3, 2, channels)), scalars={"eps": eps}, blobs=blobs)
    graph = builder.graph(y)
    for offset in (0.0, 10.0, -1000.0):
        x = floats(rng, 2, channels, 3, 2) + np.float32(offset)
        expected = reference.run(graph, x)
        deviation = np.sqrt(x.astype(np.float64).var(axis=1, keepdims=True) + eps)
        budget = np.abs(scale)[:, None, None] * (3e-6 * 6 + abs(offset) * 2.0**-23 / deviation)
        for program in programs(graph):
            found = program.run(x)
            np.testing.assert_array_less(np.abs(found - expected), budget + 3e-7 * (np.abs(expected) + 1))


@pytest.mark.parametrize("channels", [3, 48, 64, 1000])
def test_a_whole_number_equal_to_the_mean_is_exactly_shift(channels: int) -> None:
    """Sums of bits are whole numbers: where one equals the mean of its position, a sign after the norm sees zero."""
    rng = np.random.default_rng(channels)
    x = rng.integers(-500, 500, (4, channels, 2, 2))
    x[:, 0] -= x.sum(axis=1) - 7 * channels  # now the mean is 7
    x[:, 1] += x[:, -1] - 7
    x[:, -1] = 7
    shift = floats(rng, channels)
    builder = GraphBuilder()
    blobs = {"scale": floats(rng, channels), "shift": shift}
    y = builder.node("layer_norm", builder.input((2, 2, channels)), scalars={"eps": 1e-3}, blobs=blobs)
    images = x.astype(np.float32)
    for run in (lambda x: reference.run(builder.graph(y), x), *(p.run for p in programs(builder.graph(y)))):
        assert (run(images)[:, -1] == shift[-1]).all()


def test_every_tier_gives_the_same_bits() -> None:
    """sigmoid, layer_norm, and what they are added to and multiplied with."""
    rng = np.random.default_rng(4)
    builder = GraphBuilder()
    x = builder.input((5, 7, 65))
    x = builder.node("layer_norm", x, scalars={"eps": 1e-3}, blobs={"scale": floats(rng, 65), "shift": floats(rng, 65)})
    mean = builder.node("avg_pool2d", x, attributes={"kernel_h": 5, "kernel_w": 7})
    x = builder.node("add", x, builder.node("sigmoid", mean))
    graph = builder.graph(builder.node("mul", x, builder.node("sigmoid", x)))
    images = floats(rng, 3, 65, 5, 7)
    first, *others = [program.run(images) for program in programs(graph)]
    for other in others:
        np.testing.assert_array_equal(first, other)
