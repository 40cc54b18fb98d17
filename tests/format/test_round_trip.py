"""What is written is what is read, and equal graphs are equal files."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sbn_graphs import every_operation, random_graph

from signbit.errors import ConfigError, DataError
from signbit.format import OPS, Bits, Graph, GraphBuilder, Node, read, read_bytes, write, write_bytes

SEEDS = st.integers(0, 2**32)


def content(blob: object) -> tuple[object, ...]:
    if isinstance(blob, Bits):
        return ("bits", blob.shape, blob.octets.tobytes())
    assert isinstance(blob, np.ndarray)
    return (str(blob.dtype), blob.shape, blob.tobytes())


def plain(node: Node) -> tuple[object, ...]:
    blobs = {name: content(blob) for name, blob in node.blobs.items()}
    scalars = {name: float(np.float32(scalar)) for name, scalar in node.scalars.items()}
    return (node.op, node.inputs, node.output, dict(node.attributes), scalars, blobs, node.name, node.note)


def same(a: Graph, b: Graph) -> bool:
    return (
        (a.values, a.input, a.output, dict(a.metadata)) == (b.values, b.input, b.output, dict(b.metadata))
        and [plain(node) for node in a.nodes] == [plain(node) for node in b.nodes]
    )  # fmt: skip


@given(SEEDS)
@settings(max_examples=150, deadline=None, derandomize=True)
def test_random_graphs_survive(seed: int) -> None:
    graph = random_graph(seed)
    data = write_bytes(graph)
    assert same(read_bytes(data), graph)
    assert write_bytes(read_bytes(data)) == data
    assert write_bytes(random_graph(seed)) == data


def test_every_operation_survives_a_file(tmp_path: Path) -> None:
    graph = every_operation()
    size = write(graph, tmp_path / "model.sbn")
    assert {node.op for node in graph.nodes} == set(OPS)
    assert size == (tmp_path / "model.sbn").stat().st_size
    assert same(read(tmp_path / "model.sbn"), graph)


@pytest.mark.parametrize("count", [1, 7, 8, 9, 63, 64, 65, 130])
def test_bits_at_the_boundaries(count: int) -> None:
    ones = np.random.default_rng(count).integers(0, 2, (3, count)).astype(bool)
    packed = Bits.pack(ones)
    assert packed.octets.shape == (3, (count + 7) // 8)
    assert (packed.unpack() == ones).all()
    for row in range(3):
        for i in range(count):
            assert bool(packed.octets[row, i // 8] >> (i % 8) & 1) == ones[row, i]
    assert (Bits.pack(ones[0]).unpack() == ones[0]).all()


def test_the_header_by_hand() -> None:
    """The numbers of docs/format.md, decoded without any of the package's own tables."""
    data = write_bytes(every_operation())
    magic, version, checksum, size, values, nodes, blobs, strings, first, last, metadata = struct.unpack_from(
        "<8sIIQIIIIIII", data
    )
    assert (magic, version, size) == (b"\x89SBN\r\n\x1a\n", 2, len(data))
    assert checksum == zlib.crc32(data[:12] + bytes(4) + data[16:])
    assert (values, nodes, first, last) == (16, 15, 0, 15)
    text = data[64 + 32 * values + 128 * nodes + 48 * blobs :][:strings]
    assert text[metadata:].split(b"\0")[0] == (
        b'{"input":{"mean":[0.5,0.5,0.5,0.5],"std":[0.25,0.25,0.25,0.25]},"labels":["ko\\u010dka","pes"]}'
    )
    assert text.split(b"\0")[1] == b"image"
    offsets = [struct.unpack_from("<Q", data, 64 + 32 * values + 128 * nodes + 48 * i + 24)[0] for i in range(blobs)]
    assert all(offset % 64 == 0 for offset in offsets)
    assert offsets == sorted(offsets)


def test_equal_tensors_and_strings_are_stored_once() -> None:
    def graph(shift: float) -> Graph:
        b = GraphBuilder()
        x = b.input((1, 1, 1000))
        for _ in range(2):
            ones = np.ones(1000, np.float32)
            x = b.node("affine", x, blobs={"scale": ones, "shift": ones * np.float32(shift)}, name="a" * 500)
        return b.graph(x)

    assert len(write_bytes(graph(2.0))) - len(write_bytes(graph(1.0))) in range(4000, 4100)
    assert len(write_bytes(graph(1.0))) < 4000 + 1500


def test_tensors_are_views_and_may_be_strided() -> None:
    b = GraphBuilder()
    strided = np.arange(32, dtype=np.float32)[::2]
    x = b.node("affine", b.input((1, 1, 16)), blobs={"scale": strided, "shift": strided})
    data = write_bytes(b.graph(x))
    blobs = read_bytes(data).nodes[0].blobs
    for name in ("scale", "shift"):
        array = blobs[name]
        assert isinstance(array, np.ndarray)
        assert (array == strided).all()
        assert not array.flags.owndata
        assert not array.flags.writeable


def test_a_network_without_nodes() -> None:
    b = GraphBuilder()
    graph = b.graph(b.input((3, 4, 5)))
    assert same(read_bytes(write_bytes(graph)), graph)


def test_what_cannot_be_written() -> None:
    b = GraphBuilder()
    x = b.input((2, 2, 1), name="a\0b")
    with pytest.raises(ConfigError, match="NUL"):
        write_bytes(b.graph(x))
    b = GraphBuilder()
    x = b.input((2, 2, 1))
    for bad in ({"x": float("nan")}, {"x": object()}):
        with pytest.raises(ConfigError, match="metadata cannot be written"):
            write_bytes(b.graph(x, bad))
    with pytest.raises(ConfigError, match="at most 1 MiB"):
        write_bytes(b.graph(x, {"x": "y" * (1 << 20)}))
    slope = np.array([1, np.nan], np.float32)
    b = GraphBuilder()
    x = b.node("prelu", b.input((2, 2, 2)), blobs={"slope": slope})
    with pytest.raises(ConfigError, match=r"node 0, slope: .*NaN"):
        write_bytes(b.graph(x))
    b = GraphBuilder()
    x = b.node("clamp", b.input((2, 2, 2)), scalars={"low": 0.0, "high": 1e39})
    with pytest.raises(ConfigError, match="too large for 32 bits"):
        b.graph(x)


@pytest.mark.parametrize("dtype", ["float64", "int64", ">f4", "bool"])
def test_other_element_types_are_refused(dtype: str) -> None:
    b = GraphBuilder()
    x = b.input((1, 1, 2))
    with pytest.raises(ConfigError, match="float32, int32 and Bits can be stored"):
        b.node("prelu", x, blobs={"slope": np.ones(2, dtype)})


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.sbn"):
        read(tmp_path / "none.sbn")
