"""Every rule of docs/format.md broken once: an error that names the byte, whatever is in the file."""

from __future__ import annotations

import struct
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pytest
from sbn_graphs import NODES, every_operation, random_graph

from signbit.errors import FormatError
from signbit.format import Bits, Graph, GraphBuilder, read_bytes, write_bytes

GOOD = write_bytes(every_operation())
VALUES, NODE_COUNT, BLOBS = 16, 15, struct.unpack_from("<I", GOOD, 32)[0]
VALUES_AT = 64
NODES_AT = VALUES_AT + 32 * VALUES
BLOBS_AT = NODES_AT + 128 * NODE_COUNT
STRINGS_AT = BLOBS_AT + 48 * BLOBS
STRINGS_END = STRINGS_AT + struct.unpack_from("<I", GOOD, 36)[0]
METADATA_AT = STRINGS_AT + struct.unpack_from("<I", GOOD, 48)[0]


def value(index: int, field: int) -> int:
    return VALUES_AT + 32 * index + field


def node(op: str, field: int) -> int:
    return NODES_AT + 128 * NODES.index(op) + field


def attribute(op: str, slot: int) -> int:
    return node(op, 32 + 4 * slot)


def blob(op: str, slot: int, field: int) -> int:
    """A field of the record of the blob that an operation uses."""
    return BLOBS_AT + 48 * (get("<I", node(op, 16 + 4 * slot)) - 1) + field


def get(kind: str, at: int) -> int:
    number: int = struct.unpack_from(kind, GOOD, at)[0]
    return number


def repaired(data: bytes | bytearray) -> bytes:
    """The file with its checksum put right."""
    data = bytearray(data)
    data[12:16] = bytes(4)
    data[12:16] = zlib.crc32(data).to_bytes(4, "little")
    return bytes(data)


@dataclass(frozen=True)
class Break:
    """Write ``number`` at ``at``; the error names byte ``named`` (default: the same) and says ``says``."""

    at: int
    kind: str
    number: float
    says: str
    named: int | None = None

    def apply(self) -> bytes:
        data = bytearray(GOOD)
        struct.pack_into(self.kind, data, self.at, self.number)
        assert data != GOOD, "this writes what is there already"
        return bytes(data)


U8, U16, U32, I32, F32, U64 = "<B", "<H", "<I", "<i", "<f", "<Q"
NAN = float("nan")


def header_rules() -> Iterator[Break]:
    yield Break(8, U32, 3, "version 3")
    yield Break(8, U32, 0, "version 0")
    yield Break(16, U64, len(GOOD) + 1, "should have")
    yield Break(16, U64, 2**64 - 1, "should have")
    yield Break(24, U32, 0, "value_count is 0")
    yield Break(24, U32, 65537, "value_count is 65537")
    yield Break(28, U32, 65536, "node_count is 65536")
    yield Break(32, U32, 262145, "blob_count is 262145")
    yield Break(36, U32, 0, "string_bytes is 0")
    yield Break(36, U32, 2**24 + 1, "string_bytes is")
    yield Break(24, U32, 65536, "ends before")
    yield Break(28, U32, 65535, "ends before")
    yield Break(32, U32, 262144, "ends before")
    yield Break(36, U32, 2**24, "ends before")
    yield Break(40, U32, VALUES, "not one of the 16 values")
    yield Break(44, U32, VALUES, "not one of the 16 values")
    yield Break(40, U32, 2, "must be f32")
    yield Break(44, U32, 2, "must be f32")
    yield Break(44, U32, 3, "must be f32")
    yield Break(48, U32, STRINGS_END - STRINGS_AT, "outside the strings")
    yield Break(48, U32, 2**32 - 1, "outside the strings")
    yield Break(48, U32, METADATA_AT - STRINGS_AT + 1, "not the start")
    yield Break(48, U32, 0, "not JSON", named=STRINGS_AT)
    yield Break(48, U32, 1, "not JSON", named=STRINGS_AT + 1)
    for byte in range(52, 64):
        yield Break(byte, U8, 1, "reserved")


def value_rules() -> Iterator[Break]:
    yield Break(value(1, 0), U8, 0, "dtype is 0")
    yield Break(value(1, 0), U8, 4, "dtype is 4")
    yield Break(value(1, 0), U8, 2, "yields DType.F32")
    yield Break(value(1, 1), U8, 1, "alphabet")
    yield Break(value(2, 1), U8, 0, "alphabet")
    yield Break(value(2, 1), U8, 3, "alphabet is 3")
    yield Break(value(1, 2), U8, 1, "reserved")
    yield Break(value(1, 3), U8, 1, "reserved")
    for axis in range(3):
        at = value(1, 4 + 4 * axis)
        yield Break(at, U32, 0, "each must be")
        yield Break(at, U32, 2**20 + 1, "each must be")
        yield Break(at, U32, 2**32 - 1, "each must be")
        yield Break(at, U32, 2**20, "yields")
        yield Break(at, U32, get(U32, at) + 1, "yields")
    yield Break(value(7, 4), U32, 2**20, r"at most 2\^26")
    yield Break(value(1, 16), U32, STRINGS_END - STRINGS_AT, "outside the strings")
    yield Break(value(0, 16), U32, 2, "not the start")
    for byte in range(20, 32):
        yield Break(value(15, byte), U8, 1, "reserved")


def node_rules() -> Iterator[Break]:
    yield Break(node("add", 0), U16, 0, "unknown operation 0")
    yield Break(node("add", 0), U16, 16, "unknown operation 16; version 2 has 1 .. 15")
    yield Break(8, U32, 1, "unknown operation 15; version 1 has 1 .. 14", named=node("mul", 0))
    yield Break(node("add", 2), U8, 1, "has 2 input")
    yield Break(node("mul", 2), U8, 1, "has 2 input")
    yield Break(node("flatten", 2), U8, 2, "has 1 input")
    yield Break(node("flatten", 2), U8, 0, "has 1 input")
    yield Break(node("affine", 3), U8, 1, "uses 2 .. 2 blob slots")
    yield Break(node("affine", 3), U8, 3, "uses 2 .. 2 blob slots")
    yield Break(node("conv2d", 3), U8, 0, "uses 1 .. 2 blob slots")
    yield Break(node("conv2d", 3), U8, 1, "blob slot 1", named=node("conv2d", 20))
    yield Break(node("conv2d", 16), U32, 0, "blob slot 0")
    yield Break(node("conv2d", 24), U32, 1, "blob slot 2")
    yield Break(node("conv2d", 20), U32, BLOBS + 1, "does not exist")
    yield Break(node("conv2d", 20), U32, 2**32 - 1, "does not exist")
    yield Break(node("flatten", 4), U32, VALUES, "not one of the 16 values")
    yield Break(node("flatten", 4), U32, 2**32 - 1, "not one of the 16 values")
    yield Break(node("flatten", 4), U32, 15, "isn't computed by an earlier node")
    yield Break(node("conv2d", 4), U32, 7, "isn't computed by an earlier node")
    yield Break(node("flatten", 8), U32, 1, "not used")
    yield Break(node("add", 8), U32, 14, "isn't computed by an earlier node")
    yield Break(node("flatten", 12), U32, VALUES, "not one of the 16 values")
    yield Break(node("flatten", 12), U32, 0, "already has its content")
    yield Break(node("flatten", 12), U32, 13, "already has its content")
    for slot in range(16):
        yield Break(attribute("clamp", slot), I32, 1, "not used")
    yield Break(attribute("conv2d", 11), I32, -1, "not used")
    yield Break(node("affine", 96), F32, 1.0, "not used")
    yield Break(node("affine", 100), F32, -0.0, "not used")
    yield Break(node("conv2d", 104), U32, STRINGS_END - STRINGS_AT, "outside the strings")
    yield Break(node("conv2d", 108), U32, 3, "not the start")
    for byte in range(112, 128):
        yield Break(node("flatten", byte), U8, 1, "reserved")


def operation_rules() -> Iterator[Break]:
    for op in ("conv2d", "binary_conv2d", "avg_pool2d", "max_pool2d"):
        for slot in (0, 1, 2, 3, 8, 9):
            for number in (0, -1, 65537, -(2**31)):
                yield Break(attribute(op, slot), I32, number, "allowed")
        for slot in (4, 5, 6, 7):
            for number in (-1, 65537, 2**31 - 1):
                yield Break(attribute(op, slot), I32, number, "allowed")
        for slot in (0, 1):
            yield Break(attribute(op, slot), I32, 65536, "the window spans")
    for op in ("avg_pool2d", "max_pool2d"):
        for slot in (8, 9):
            yield Break(attribute(op, slot), I32, 2, "1 .. 1 is allowed")
        for slot in (4, 5, 6, 7):
            yield Break(attribute(op, slot), I32, 2, "0 .. 1 is allowed")
    for op in ("conv2d", "binary_conv2d"):
        yield Break(attribute(op, 0), I32, 2, "is needed", named=node(op, 16))
        yield Break(attribute(op, 10), I32, 0, "allowed")
        yield Break(attribute(op, 10), I32, 3 if op == "binary_conv2d" else 4, "must divide")
        yield Break(attribute(op, 4), I32, 2, "yields", named=value(NODES.index(op) + 1, 4))
    for number in (-2, 2):
        yield Break(attribute("binary_conv2d", 11), I32, number, "pad_value")
    yield Break(attribute("avg_pool2d", 10), I32, 2, "allowed")
    yield Break(attribute("avg_pool2d", 10), I32, -1, "allowed")
    for slot in (0, 1):
        yield Break(attribute("subsample", slot), I32, 0, "allowed")
        yield Break(attribute("subsample", slot), I32, -1, "allowed")
        yield Break(attribute("pad_channels", slot), I32, -1, "allowed")
        yield Break(attribute("pad_channels", slot), I32, 2**20 + 1, "allowed")
        yield Break(node("clamp", 96 + 4 * slot), F32, NAN, "NaN")
    yield Break(attribute("pad_channels", 0), I32, 2**20, "each must be", named=node("pad_channels", 12))
    yield Break(node("clamp", 96), F32, 1.5, "more than high")
    for eps in (0.0, -0.0, -1.0, float("inf"), NAN):
        yield Break(node("layer_norm", 96), F32, eps, "above 0 is needed")
    yield Break(node("layer_norm", 100), F32, 1.0, "not used")
    yield Break(node("sigmoid", 96), F32, 1.0, "not used")
    # the wrong blob in a slot: other element type, other shape
    weight, bias = get(U32, node("conv2d", 16)), get(U32, node("conv2d", 20))
    binary, scale = get(U32, node("binary_conv2d", 16)), get(U32, node("affine", 16))
    rising = get(U32, node("threshold", 20))
    yield Break(node("conv2d", 16), U32, bias, "is needed")
    yield Break(node("conv2d", 16), U32, binary, "is needed")
    yield Break(node("conv2d", 20), U32, scale, "is needed")
    yield Break(node("conv2d", 20), U32, rising, "must be f32")
    yield Break(node("binary_conv2d", 16), U32, weight, "must be bits")
    yield Break(node("threshold", 16), U32, scale, "is needed")
    yield Break(node("threshold", 16), U32, rising, "must be f32")
    yield Break(node("threshold", 20), U32, bias, "must be bits")
    yield Break(node("affine", 20), U32, bias, "is needed")
    yield Break(node("prelu", 16), U32, bias, "is needed")
    yield Break(node("layer_norm", 16), U32, scale, "is needed")
    yield Break(node("layer_norm", 20), U32, rising, "must be f32")
    yield Break(node("layer_norm", 3), U8, 1, "uses 2 .. 2 blob slots")
    # the wrong value as input
    yield Break(node("binary_conv2d", 4), U32, 1, "reads bits, not f32")
    yield Break(node("clamp", 4), U32, 2, "reads f32, not bits")
    yield Break(node("clamp", 4), U32, 3, "reads f32, not i32")
    yield Break(node("mul", 4), U32, 2, "reads f32, not bits")
    yield Break(node("mul", 8), U32, 3, "reads f32, not i32")
    yield Break(node("mul", 8), U32, 0, r"mul needs \(\d+, \d+, 13\) or \(1, 1, 13\), not")
    yield Break(node("add", 8), U32, 1, r"add needs \(\d+, \d+, 13\) or \(1, 1, 13\), not")
    yield Break(node("affine", 4), U32, 2, "reads f32 or i32")
    yield Break(node("layer_norm", 4), U32, 3, "reads f32, not i32")
    yield Break(node("sigmoid", 4), U32, 2, "reads f32, not bits")


def blob_rules() -> Iterator[Break]:
    def at(field: int) -> int:
        return blob("affine", 0, field)

    yield Break(at(0), U8, 0, "dtype is 0")
    yield Break(at(0), U8, 4, "dtype is 4")
    yield Break(at(1), U8, 0, "rank is 0")
    yield Break(at(1), U8, 5, "rank is 5")
    yield Break(at(1), U8, 2, "dimension 1 is 0", named=at(12))
    for byte in range(2, 8):
        yield Break(at(byte), U8, 1, "reserved")
    yield Break(at(8), U32, 0, "dimension 0 is 0")
    yield Break(at(8), U32, 2**28 + 1, "dimension 0 is")
    yield Break(at(8), U32, 2**28, "need", named=at(32))
    yield Break(at(12), U32, 1, "must be zero for rank 1")
    yield Break(at(20), U32, 1, "must be zero for rank 1")
    yield Break(at(24), U64, get(U64, at(24)) + 4, "multiple of 64")
    yield Break(at(24), U64, 0, "multiple of 64")
    yield Break(at(24), U64, STRINGS_AT // 64 * 64, "multiple of 64")
    yield Break(at(24), U64, (len(GOOD) + 63) // 64 * 64, "the file has")
    yield Break(at(24), U64, 2**64 - 64, "the file has")
    yield Break(at(32), U64, get(U64, at(32)) - 1, "need")
    yield Break(at(32), U64, 2**64 - 1, "need")
    for byte in range(40, 48):
        yield Break(at(byte), U8, 1, "reserved")
    # two blobs on one place: the second in the table is named
    other = blob("affine", 1, 24)
    yield Break(other, U64, get(U64, at(24)), "overlaps")
    # contents
    start = get(U64, at(24))
    yield Break(start + 36, F32, NAN, "NaN")
    yield Break(start, U32, 0xFF800001, "NaN")
    weight = get(U64, blob("binary_conv2d", 0, 24))  # ten rows of 27 bits: five spare bits in every fourth octet
    for row in (0, 9):
        last = weight + 4 * row + 3
        yield Break(last, U8, get(U8, last) | 0x80, f"row {row}")
        yield Break(last, U8, get(U8, last) | 0x08, f"row {row}")
    rising = get(U64, blob("threshold", 1, 24))
    yield Break(rising, U8, get(U8, rising) | 0x40, "row 0")


def string_rules() -> Iterator[Break]:
    yield Break(STRINGS_AT, U8, 65, "empty")
    yield Break(STRINGS_END - 1, U8, 65, "terminated")
    yield Break(STRINGS_AT + 2, U8, 0xFF, "UTF-8")
    yield Break(STRINGS_AT + 2, U8, 0xC3, "UTF-8")
    yield Break(METADATA_AT, U8, ord("["), "JSON")
    yield Break(METADATA_AT, U8, ord("x"), "JSON")


RULES = [
    rule
    for rules in (header_rules, value_rules, node_rules, operation_rules, blob_rules, string_rules)
    for rule in rules()
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{rule.at}-{rule.kind[1]}-{rule.number}")
def test_each_rule(rule: Break) -> None:
    with pytest.raises(FormatError, match=rule.says) as caught:
        read_bytes(repaired(rule.apply()))
    assert caught.value.offset == (rule.at if rule.named is None else rule.named)
    assert f"byte offset {caught.value.offset}" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_good_file_is_good() -> None:
    read_bytes(GOOD)
    assert repaired(GOOD) == GOOD


def test_a_value_that_nothing_computes() -> None:
    """Take the last node away: its output hangs in the air."""
    data = bytearray(GOOD)
    del data[node("flatten", 0) : node("flatten", 128)]
    struct.pack_into(U32, data, 28, NODE_COUNT - 1)
    for index in range(BLOBS):
        at = BLOBS_AT - 128 + 48 * index + 24
        struct.pack_into(U64, data, at, struct.unpack_from(U64, data, at)[0] - 128)
    struct.pack_into(U64, data, 16, len(data))
    with pytest.raises(FormatError, match="no node computes") as caught:
        read_bytes(repaired(data))
    assert caught.value.offset == value(15, 0)


def test_the_accumulator_bound() -> None:
    def wide(taps: int) -> Graph:
        b = GraphBuilder()
        x = b.input((1, 1, 1 << 19))
        rising = Bits(np.zeros((1, 1 << 16), np.uint8), (1 << 19,))
        x = b.node("threshold", x, blobs={"thresholds": np.zeros(1 << 19, np.float32), "rising": rising})
        weight = Bits(np.zeros((1, taps << 16), np.uint8), (1, 1, taps, 1 << 19))
        x = b.node("binary_conv2d", x, attributes={"pad_left": taps}, blobs={"weight": weight})
        return b.graph(b.node("affine", x, blobs=dict.fromkeys(("scale", "shift"), np.ones(1, np.float32))))

    read_bytes(write_bytes(wide(32)))
    with pytest.raises(ValueError, match=r"at most 2\^24"):
        wide(33)


def test_metadata_of_every_wrong_kind() -> None:
    for text in (b"[]", b"null", b'{"a":NaN}', b'{"a":Infinity}', b"{", b'{"a":1}{', b"[" * 100_000, b"9" * 5000):
        with pytest.raises(FormatError, match="JSON"):
            read_bytes(with_metadata(text))
    assert read_bytes(with_metadata(b'{"a":[1,null,"b"]}')).metadata == {"a": [1, None, "b"]}
    with pytest.raises(FormatError, match="at most 1 MiB") as caught:
        read_bytes(with_metadata(b'{"a":"' + b"x" * (1 << 20) + b'"}'))
    assert caught.value.offset == 48


def with_metadata(text: bytes) -> bytes:
    """A file without nodes and with this metadata, built by hand."""
    strings = b"\0" + text + b"\0"
    header = struct.pack("<8sIIQIIIIIII12x", GOOD[:8], 1, 0, 96 + len(strings), 1, 0, 0, len(strings), 0, 0, 1)
    return repaired(header + struct.pack("<BBxxIIII12x", 1, 0, 1, 1, 1, 0) + strings)


@pytest.mark.parametrize("repair", [False, True], ids=["as cut", "sizes and checksum repaired"])
def test_truncated_at_every_length(repair: bool) -> None:
    for length in range(len(GOOD)):
        data = bytearray(GOOD[:length])
        if repair and length >= 64:
            struct.pack_into(U64, data, 16, length)
            data = bytearray(repaired(data))
        with pytest.raises(FormatError) as caught:
            read_bytes(bytes(data))
        assert 0 <= caught.value.offset <= len(GOOD)


def test_bytes_after_the_end() -> None:
    with pytest.raises(FormatError, match="should have"):
        read_bytes(GOOD + b"\0")


def test_every_flipped_bit_is_noticed() -> None:
    data = bytearray(GOOD)
    for bit in range(8 * len(GOOD)):
        data[bit // 8] ^= 1 << bit % 8
        with pytest.raises(FormatError):
            read_bytes(bytes(data))
        data[bit // 8] ^= 1 << bit % 8


def mutate(rng: np.random.Generator, data: bytes) -> bytes:
    """Change a few bytes or words, mostly in the tables, and put the checksum right."""
    changed = bytearray(data)
    for _ in range(int(rng.integers(1, 4))):
        at = int(rng.integers(16, len(data) - 8))
        if rng.integers(2):
            changed[at] = int(rng.choice((0, 1, 2, 3, 0x7F, 0x80, 0xFF, rng.integers(256))))
        else:
            word = int(rng.choice((0, 1, 2, 2**31 - 1, 2**31, 2**32 - 1, rng.integers(2**32), rng.integers(70))))
            struct.pack_into(U32, changed, at // 4 * 4, word)
    return repaired(changed)


def accepted(read: Callable[[bytes], object], data: bytes) -> bool:
    try:
        read(data)
    except FormatError:
        return False
    return True


def test_mutations_give_an_error_or_a_valid_graph() -> None:
    rng = np.random.default_rng(7)
    sources = [GOOD, *(write_bytes(random_graph(seed)) for seed in range(20))]
    outcomes = []
    for _ in range(800):
        data = mutate(rng, sources[int(rng.integers(len(sources)))])
        outcomes.append(accepted(read_bytes, data))
        if outcomes[-1]:
            assert accepted(read_bytes, write_bytes(read_bytes(data)))
    assert any(outcomes)
    assert not all(outcomes)


def test_declared_sizes_allocate_nothing() -> None:
    """Every count and size at its limit in turn: the reader never takes more than a small multiple of the file."""
    rules = [*header_rules(), *value_rules(), *blob_rules()]
    hostile = [repaired(rule.apply()) for rule in rules if rule.kind in (U32, U64)]
    hostile.append(with_metadata(b"[" * 4000))
    tracemalloc.start()
    try:
        for data in hostile:
            tracemalloc.reset_peak()
            before = tracemalloc.get_traced_memory()[0]
            accepted(read_bytes, data)
            assert tracemalloc.get_traced_memory()[1] - before < 30 * len(data) + 200_000
    finally:
        tracemalloc.stop()


def test_shared_long_names_cost_nothing() -> None:
    """A thousand values named by suffixes of one long string would be quadratic; only starts of strings are names."""
    count, text = 1000, b"\0" + b"n" * 100_000 + b"\0{}\0"
    metadata = len(text) - 3
    at = 64 + 32 * count + 128 * (count - 1)
    header = struct.pack(
        "<8sIIQIIIIIII12x", GOOD[:8], 1, 0, at + len(text), count, count - 1, 0, len(text), 0, 0, metadata
    )
    values = b"".join(struct.pack("<BBxxIIII12x", 1, 0, 1, 1, 1, 1 + i) for i in range(count))
    nodes = b"".join(struct.pack("<HBBIII", 10, 1, 0, i, 0, i + 1) + bytes(112) for i in range(count - 1))
    with pytest.raises(FormatError, match="not the start of a string") as caught:
        read_bytes(repaired(header + values + nodes + text))
    assert caught.value.offset == 64 + 32 + 16
