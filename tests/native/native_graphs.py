"""Small networks around one operation, and a convolution so slow that it is obviously right."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from signbit.alphabet import Alphabet
from signbit.format import Bits, DType, Graph, GraphBuilder, write_bytes
from signbit.runtime import _native

TIERS = [name for name, usable, _ in _native.isa_tiers() if usable]
THREADS = (1, 2, 3)

Floats = npt.NDArray[np.float32]


def programs(graph: Graph) -> Iterator[_native.Program]:
    """The network on every usable tier with every number of threads."""
    data = write_bytes(graph)
    for isa, threads in itertools.product(TIERS, THREADS):
        yield _native.Program(data, isa, threads)


def as_floats(builder: GraphBuilder, value: int) -> int:
    """The same numbers as f32: integers by an affine of one and zero, bits by a 1 x 1 convolution with one +1 each."""
    channels = builder.value(value).shape[2]
    if builder.value(value).dtype is DType.BITS:
        weight = Bits.pack(np.ones((channels, 1, 1, 1)))
        value = builder.node("binary_conv2d", value, attributes={"groups": channels}, blobs={"weight": weight})
    if builder.value(value).dtype is DType.I32:
        one, zero = np.ones(channels, np.float32), np.zeros(channels, np.float32)
        value = builder.node("affine", value, blobs={"scale": one, "shift": zero})
    return value


def binarize(builder: GraphBuilder, value: int, alphabet: Alphabet) -> int:
    """{-1, +1}: the sign, +1 at zero. {0, 1}: the step, 0 at zero; its threshold is the least positive float."""
    channels = builder.value(value).shape[2]
    least = 0.0 if alphabet is Alphabet.PM1 else np.finfo(np.float32).smallest_subnormal
    thresholds = np.full(channels, least, np.float32)
    blobs = {"thresholds": thresholds, "rising": Bits.pack(np.ones(channels))}
    return builder.node("threshold", value, blobs=blobs, alphabet=alphabet)


def random_images(rng: np.random.Generator, count: int, channels: int, height: int, width: int) -> Floats:
    """Small whole numbers, zeros of both signs among them."""
    images = rng.integers(-2, 3, (count, channels, height, width)).astype(np.float32)
    images[(images == 0) & (rng.random(images.shape) < 0.5)] = -0.0
    return images


def slow_convolution(
    x: npt.NDArray[np.int64],
    weight: npt.NDArray[np.int64],
    stride: tuple[int, int],
    pads: tuple[int, int, int, int],
    dilation: tuple[int, int],
    groups: int,
    pad_value: int,
) -> npt.NDArray[np.int64]:
    """``x [N, C, H, W]``, ``weight [O, C / groups, kh, kw]`` -> ``[N, O, H', W']``: one output position at a time."""
    top, left, bottom, right = pads
    x = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)), constant_values=pad_value)
    filters, depth, kh, kw = weight.shape
    height = (x.shape[2] - dilation[0] * (kh - 1) - 1) // stride[0] + 1
    width = (x.shape[3] - dilation[1] * (kw - 1) - 1) // stride[1] + 1
    y = np.zeros((len(x), filters, height, width), np.int64)
    for group, row, column in np.ndindex(groups, height, width):
        rows = slice(row * stride[0], row * stride[0] + dilation[0] * (kh - 1) + 1, dilation[0])
        columns = slice(column * stride[1], column * stride[1] + dilation[1] * (kw - 1) + 1, dilation[1])
        outputs = slice(group * filters // groups, (group + 1) * filters // groups)
        seen = x[:, group * depth : (group + 1) * depth, rows, columns]
        y[:, outputs, row, column] = np.tensordot(seen, weight[outputs], axes=([1, 2, 3], [1, 2, 3]))
    return y
