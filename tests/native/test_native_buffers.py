"""Batches in unusual places: at every address, larger than 2 GiB, and values that overwrite their inputs."""

from __future__ import annotations

import os

import numpy as np
import pytest
from native_graphs import TIERS, as_floats, binarize
from test_native_module import at_odd_address

from signbit.alphabet import Alphabet
from signbit.format import Bits, Graph, GraphBuilder, write_bytes
from signbit.runtime import Session, _native, reference

GIB = 1 << 30


def network() -> Graph:
    """Sums that are overwritten by each operation behind them, the first value by the second."""
    rng = np.random.default_rng(3)
    builder = GraphBuilder()
    x = builder.input((16, 16, 64))
    x = builder.node("clamp", x, scalars={"low": -1.0, "high": 2.0})
    bits = binarize(builder, x, Alphabet.PM1)
    pads = {f"pad_{side}": 1 for side in ("top", "left", "bottom", "right")}
    weight = Bits.pack(rng.integers(0, 2, (64, 3, 3, 64)))
    y = as_floats(builder, builder.node("binary_conv2d", bits, attributes=pads, blobs={"weight": weight}))
    y = builder.node("prelu", y, blobs={"slope": np.full(64, 0.5, np.float32)})
    y = builder.node("add", y, x)
    pool = {"kernel_h": 16, "kernel_w": 16}
    return builder.graph(builder.node("max_pool2d", y, attributes=pool))


def images(count: int) -> np.ndarray:
    return np.random.default_rng(4).integers(-2, 3, (count, 64, 16, 16)).astype(np.float32)


@pytest.mark.parametrize("isa", TIERS)
def test_images_at_any_address(isa: str) -> None:
    x = images(3)
    expected = reference.run(network(), x)
    store = np.empty(x.size + 16, np.float32)
    program = _native.Program(write_bytes(network()), isa, 2)
    for start in range(16):
        shifted = store[start : start + x.size].reshape(x.shape)
        shifted[:] = x
        np.testing.assert_array_equal(program.run(shifted), expected)
    with Session(write_bytes(network()), isa=isa) as session:
        odd = at_odd_address(x)
        assert not odd.flags.aligned
        np.testing.assert_array_equal(session.run(odd), expected[:, :, 0, 0])


@pytest.mark.parametrize("isa", TIERS)
def test_the_input_stays_as_it_was(isa: str) -> None:
    """Operations work in place inside, never in the caller's array."""
    x = images(5)
    before = x.copy()
    _native.Program(write_bytes(network()), isa, 3).run(x)
    np.testing.assert_array_equal(x, before)


@pytest.mark.parametrize("isa", TIERS)
def test_a_batch_beyond_2_gib(isa: str) -> None:
    """Nearly all of it zeros that nobody wrote, which take no memory."""
    pages = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if pages < 4 * GIB:
        pytest.skip(f"needs 4 GiB of free memory, {pages / GIB:.1f} are free")
    builder = GraphBuilder()
    bits = binarize(builder, builder.input((32, 64, 256)), Alphabet.ZERO_ONE)
    weight = Bits.pack(np.random.default_rng(5).integers(0, 2, (3, 32, 64, 256)))
    graph = builder.graph(as_floats(builder, builder.node("binary_conv2d", bits, blobs={"weight": weight})))
    count = 2 * GIB // (4 * 32 * 64 * 256) + 2
    x = np.zeros((count, 256, 32, 64), np.float32)
    assert x.nbytes > 2 * GIB
    x[-1] = np.random.default_rng(6).integers(-1, 2, x[-1].shape)
    y = _native.Program(write_bytes(graph), isa, 1).run(x)
    np.testing.assert_array_equal(y[-1:], reference.run(graph, x[-1:]))
    assert not y[:-1].any()
