"""The Python reader and the native loader: the same verdict on any bytes, and the same byte is named."""

from __future__ import annotations

import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sbn_graphs import random_graph, wide_graph
from test_malformed import (
    BLOBS_AT,
    GOOD,
    NODES_AT,
    RULES,
    STRINGS_AT,
    Break,
    blob_rules,
    header_rules,
    node,
    repaired,
    value_rules,
)

from signbit.errors import FormatError
from signbit.format import DType, Graph, GraphBuilder, read_bytes, write_bytes
from signbit.runtime import available_isas, reference

native = pytest.importorskip("signbit.runtime._native")

CORPUS = sorted((Path(__file__).parents[2] / "native" / "fuzz" / "corpus").iterdir())
TIERS = [name for name in available_isas() if name != "reference"]
SOURCES = [GOOD, write_bytes(wide_graph()), *(write_bytes(random_graph(seed)) for seed in range(12))]
RUNNABLE = 1 << 18
"""Bytes of all values of an image, up to which a network is run."""

WORDS = (0, 1, 2, 3, 63, 64, 65, 2**16, 2**20, 2**20 + 1, 2**24, 2**26, 2**28, 2**31 - 1, 2**31, 2**32 - 64, 2**32 - 1)


def python_refuses_at(data: bytes) -> int | None:
    """The byte that the Python reader names; None if it reads the file."""
    try:
        read_bytes(data)
    except FormatError as error:
        return error.offset
    return None


def native_refuses_at(data: bytes, isa: str | None = None) -> int | None:
    """The byte that the native loader names; None if it loads the file."""
    try:
        native.Program(data, isa)
    except FormatError as error:
        return error.offset
    return None


def objects_to_metadata(data: bytes) -> bool:
    """The native loader leaves them to those who read them."""
    with pytest.raises(FormatError) as caught:
        read_bytes(data)
    return "metadata" in str(caught.value)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{rule.at}-{rule.kind[1]}-{rule.number}")
def test_each_rule(rule: Break) -> None:
    data = repaired(rule.apply())
    if "JSON" not in rule.says:
        assert native_refuses_at(data) == (rule.at if rule.named is None else rule.named)


def test_damaged_without_repair() -> None:
    damaged = bytearray(GOOD)
    damaged[-1] ^= 1
    for data, offset in ((bytes(damaged), 12), (GOOD[:40], 40), (GOOD[:-1], 16), (b"PK\3\4" + GOOD[4:], 0), (b"", 0)):
        assert python_refuses_at(data) == native_refuses_at(data) == offset


def test_a_cycle() -> None:
    """Two nodes that read each other: the first of them reads what is not there yet."""
    data = bytearray(GOOD)
    struct.pack_into("<I", data, node("pad_channels", 4), 8)  # the output of add, which reads that of pad_channels
    assert python_refuses_at(repaired(data)) == native_refuses_at(repaired(data)) == node("pad_channels", 4)


def test_sizes_that_overflow() -> None:
    """2^28 four times is 0 in 64 bits, and four bytes each is 0 in fewer."""
    for dtype, kept in ((1, 0), (2, 0), (3, 0), (1, 2**63)):
        data = bytearray(GOOD)
        struct.pack_into("<BB6x4I", data, BLOBS_AT, dtype, 4, *4 * (2**28,))
        struct.pack_into("<Q", data, BLOBS_AT + 32, kept)
        assert python_refuses_at(repaired(data)) == native_refuses_at(repaired(data)) == BLOBS_AT + 32
    for size, offset in ((64, 2**64 - 64), (2**64 - 64, 64)):
        data = bytearray(GOOD)
        struct.pack_into("<QQ", data, BLOBS_AT + 24, offset, size)
        assert python_refuses_at(repaired(data)) == native_refuses_at(repaired(data))
        assert python_refuses_at(repaired(data)) in (BLOBS_AT + 24, BLOBS_AT + 32)


def test_blobs_that_overlap() -> None:
    """The one that starts later is named; of two that start together, the later record."""
    first, second, third = (struct.unpack_from("<Q", GOOD, BLOBS_AT + 48 * i + 24)[0] for i in range(3))
    for record, offset, named in ((1, first, 1), (0, first + 64, 1), (2, second, 2), (1, third, 2)):
        data = bytearray(GOOD)
        struct.pack_into("<Q", data, BLOBS_AT + 48 * record + 24, offset)
        expected = BLOBS_AT + 48 * named + 24
        assert python_refuses_at(repaired(data)) == native_refuses_at(repaired(data)) == expected


@st.composite
def mutations(draw: st.DrawFn) -> bytes:
    """A valid file after a few changes, mostly of fields, and mostly with the right size and checksum."""
    data = bytearray(draw(st.sampled_from(SOURCES)))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(16, len(data) - 4))
        kind = draw(st.sampled_from(("bit", "byte", "word", "near", "cut", "insert", "move")))
        if kind == "bit":
            data[at] ^= 1 << draw(st.integers(0, 7))
        elif kind == "byte":
            data[at] = draw(st.integers(0, 255))
        elif kind == "word":
            struct.pack_into("<I", data, at // 4 * 4, draw(st.sampled_from(WORDS)))
        elif kind == "near":
            (word,) = struct.unpack_from("<I", data, at // 4 * 4)
            struct.pack_into("<I", data, at // 4 * 4, (word + draw(st.integers(-2, 2))) % 2**32)
        elif kind == "cut" and len(data) > 128:
            del data[at : at + draw(st.sampled_from((1, 4, 32, 48, 64, 128)))]
        elif kind == "insert":
            data[at:at] = draw(st.binary(min_size=1, max_size=64))
        elif kind == "move":
            size = draw(st.sampled_from((4, 8, 16, 32, 48, 128)))
            other = draw(st.integers(16, len(data) - 4))
            data[at : at + size] = data[other : other + size]
        if len(data) < 68:
            break
    if draw(st.integers(0, 9)):
        struct.pack_into("<Q", data, 16, len(data))
        return repaired(data)
    return bytes(data)


@settings(max_examples=400, deadline=None)
@given(data=mutations())
@example(data=GOOD)
@example(data=GOOD[:NODES_AT])
@example(data=repaired(GOOD[:STRINGS_AT]))
def test_mutations(data: bytes) -> None:
    assert_one_opinion(data)


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.name)
def test_what_the_fuzzer_found(path: Path) -> None:
    assert_one_opinion(path.read_bytes())


def assert_one_opinion(data: bytes) -> None:
    """Both refuse, at a byte of the file; or both accept, on every tier, and compute the same where that is quick."""
    refused, refused_native = python_refuses_at(data), native_refuses_at(data)
    if refused is not None:
        assert refused_native is not None or objects_to_metadata(data)
        assert 0 <= refused <= len(data)
    if refused_native is not None:
        assert refused is not None
        assert 0 <= refused_native <= len(data)
        return
    programs = [native.Program(data, isa) for isa in TIERS]
    graph = None if refused is not None else read_bytes(data)
    if graph is None or cost(graph) > RUNNABLE:
        return
    height, width, channels = graph.values[graph.input].shape
    x = np.random.default_rng(0).integers(-3, 4, (2, channels, height, width)).astype(np.float32)
    with np.errstate(all="ignore"):
        values = reference.run_all(graph, x)
    results = [program.run(x) for program in programs]
    if well_behaved(graph, values):
        for result in results:
            np.testing.assert_allclose(result, values[graph.output].transpose(0, 3, 1, 2), rtol=1e-3, atol=1e-3)


def well_behaved(graph: Graph, values: list[np.ndarray]) -> bool:
    """Do sums that are rounded otherwise stay close? Not behind a threshold of floats, nor among huge numbers."""
    rounded = any(each.op == "threshold" and graph.values[each.inputs[0]].dtype is DType.F32 for each in graph.nodes)
    return not rounded and all(float(np.abs(value).max()) < 1e4 for value in values)


def cost(graph: Graph) -> int:
    """Elementary steps of an image, roughly."""
    steps = 0
    for each in graph.nodes:
        taps = each.attributes.get("kernel_h", 1) * each.attributes.get("kernel_w", 1)
        if "weight" in each.blobs:
            taps *= each.blobs["weight"].shape[3]
        steps += taps * int(np.prod(graph.values[each.output].shape))
    return steps


def test_values_of_more_than_a_gibibyte() -> None:
    """A few hundred bytes that would take any amount of memory to run."""
    builder = GraphBuilder()
    x = builder.input((1, 1, 1))
    wide = [builder.node("pad_channels", x, attributes={"before": 2**20 - 1}) for _ in range(400)]
    total = wide[0]
    for other in wide[1:]:
        total = builder.node("add", total, other)
    data = write_bytes(builder.graph(total))
    read_bytes(data)
    with pytest.raises(FormatError, match="more than 1 GiB") as caught:
        native.Program(data)
    assert (caught.value.offset - 64) % 32 == 4


OPEN_WITH_LITTLE_MEMORY = """
import resource, sys
from pathlib import Path
from signbit.errors import FormatError
from signbit.format import read_bytes
from signbit.runtime import _native

files = [path.read_bytes() for path in Path(sys.argv[1]).iterdir()]
taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (taken + (24 << 20),) * 2)
refused = 0
for data in files:
    for read in (read_bytes, _native.Program):
        try:
            read(data)
        except FormatError:
            refused += 1
try:
    bytearray(32 << 20)
except MemoryError:
    print(refused, len(files))
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="limits memory as Linux does")
def test_sizes_are_checked_before_anything_is_allocated(tmp_path: Path) -> None:
    """Every count and size at its limit in turn, opened by a process that can allocate 24 MiB more."""
    rules = [rule for rule in (*header_rules(), *value_rules(), *blob_rules()) if rule.kind in ("<I", "<Q")]
    for index, rule in enumerate(rules):
        if "JSON" not in rule.says:
            (tmp_path / f"{index}.sbn").write_bytes(repaired(rule.apply()))
    command = [sys.executable, "-c", OPEN_WITH_LITTLE_MEMORY, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    refused, files = map(int, done.stdout.split())
    assert refused == 2 * files > 60
