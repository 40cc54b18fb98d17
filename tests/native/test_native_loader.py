"""Hostile files: an error with an offset, never a crash, and never another opinion than the Python reader's."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from native_graphs import as_floats, binarize

from signbit.alphabet import Alphabet
from signbit.errors import FormatError
from signbit.format import OPS, Bits, Graph, GraphBuilder, layout, read_bytes, write_bytes
from signbit.runtime import _native

INTERESTING = (
    0,
    1,
    2,
    3,
    4,
    8,
    63,
    64,
    65,
    255,
    65535,
    65536,
    65537,
    1 << 20,
    1 << 24,
    1 << 28,
    0x7FFFFFFF,
    0x80000000,
    0xFFFFFFFF,
)


def every_operation() -> Graph:
    rng = np.random.default_rng(3)

    def floats(*shape: int) -> np.ndarray:
        return rng.standard_normal(shape).astype(np.float32)

    builder = GraphBuilder()
    x = builder.input((5, 5, 3), name="image")
    x = builder.node("conv2d", x, blobs={"weight": floats(6, 2, 2, 3), "bias": floats(6)}, name="first")
    skip = x
    x = binarize(builder, x, Alphabet.ZERO_ONE)
    x = builder.node("max_pool2d", x, attributes={"kernel_h": 2, "kernel_w": 2, "pad_top": 1, "pad_left": 1})
    attributes = {"groups": 2, "pad_top": 1, "pad_value": 1}
    weight = Bits.pack(rng.integers(0, 2, (6, 2, 1, 3)))
    x = builder.node("binary_conv2d", x, attributes=attributes, blobs={"weight": weight}, name="packed")
    x = builder.node("affine", x, blobs={"scale": floats(6), "shift": floats(6)})
    x = builder.node("add", x, skip)
    x = builder.node("clamp", x, scalars={"low": -1.0, "high": np.inf})
    x = builder.node("prelu", x, blobs={"slope": floats(6)})
    x = builder.node("avg_pool2d", x, attributes={"kernel_h": 2, "kernel_w": 2, "count_include_pad": 0, "pad_left": 1})
    x = builder.node("layer_norm", x, scalars={"eps": 1e-3}, blobs={"scale": floats(6), "shift": floats(6)})
    height, width, _ = builder.value(x).shape
    mean = builder.node("avg_pool2d", x, attributes={"kernel_h": height, "kernel_w": width})
    x = builder.node("mul", x, builder.node("sigmoid", mean))
    x = builder.node("subsample", x, attributes={"stride_h": 2, "stride_w": 1})
    x = builder.node("pad_channels", x, attributes={"before": 1, "after": 2})
    x = builder.node("flatten", x)
    x = as_floats(builder, binarize(builder, x, Alphabet.PM1))
    graph = builder.graph(x, {"model": "all of them"})
    assert {node.op for node in graph.nodes} == set(OPS)
    return graph


GOOD = write_bytes(every_operation())


def repaired(data: bytearray) -> bytes:
    """Size and checksum set right again, so that something else must object."""
    if len(data) >= 64:
        struct.pack_into("<Q", data, 16, len(data))
        struct.pack_into("<I", data, 12, layout.checksum(bytes(data)))
    return bytes(data)


def verdict(data: bytes) -> int | None:
    """The offset of the error, None if the file loads and runs."""
    try:
        program = _native.Program(data)
    except FormatError as error:
        return error.offset
    assert program.memory_bytes < 1 << 24
    program.run(np.zeros((1, *program.input_shape), np.float32))
    return None


def test_the_good_file_loads() -> None:
    assert verdict(GOOD) is None


def test_every_truncation_is_refused() -> None:
    for size in range(len(GOOD)):
        with pytest.raises(FormatError):
            _native.Program(GOOD[:size])


def test_every_flipped_bit_is_refused() -> None:
    for position in range(len(GOOD)):
        damaged = bytearray(GOOD)
        for bit in range(8) if position < 64 or position % 5 == 0 else (position % 8,):
            damaged[position] = GOOD[position] ^ (1 << bit)
            with pytest.raises(FormatError):
                _native.Program(bytes(damaged))


def test_every_repaired_truncation_agrees_with_the_python_reader() -> None:
    for size in range(0, len(GOOD), 3):
        assert_same_verdict(repaired(bytearray(GOOD[:size])))


@pytest.mark.parametrize("seed", range(4))
def test_mutations_agree_with_the_python_reader(seed: int) -> None:
    """Whole words changed to values around every limit, the checksum repaired."""
    rng = np.random.default_rng(seed)
    tables = len(GOOD) - 64
    for _ in range(300):
        damaged = bytearray(GOOD)
        for _ in range(int(rng.integers(1, 3))):
            at = int(rng.integers(16, tables)) // 4 * 4
            kind = int(rng.integers(3))
            if kind == 0:
                damaged[at + int(rng.integers(4))] ^= 1 << int(rng.integers(8))
            elif kind == 1:
                struct.pack_into("<I", damaged, at, INTERESTING[int(rng.integers(len(INTERESTING)))])
            else:
                (word,) = struct.unpack_from("<I", damaged, at)
                struct.pack_into("<I", damaged, at, (word + int(rng.integers(-2, 3))) % (1 << 32))
        assert_same_verdict(repaired(damaged))


def assert_same_verdict(data: bytes) -> None:
    try:
        read_bytes(data)
        python: FormatError | None = None
    except FormatError as error:
        python = error
    if python is not None and "metadata" in str(python):
        return  # the native reader has no use for them
    offset = verdict(data)
    assert (offset is None) == (python is None), python
    assert offset is None or 0 <= offset <= len(data)


def test_a_small_file_cannot_take_much_memory() -> None:
    """One weight used again and again unpacks once for each use; the sum is bounded."""
    size = 512
    rng = np.random.default_rng(0)
    weight = Bits.pack(rng.integers(0, 2, (size, 1, 1, size)))
    builder = GraphBuilder()
    x = builder.input((1, 1, size))
    for _ in range(300):
        x = builder.node("conv2d", x, blobs={"weight": weight})
    data = write_bytes(builder.graph(x))
    assert len(data) < 128 << 10
    with pytest.raises(FormatError, match="256 times the file"):
        _native.Program(data)
