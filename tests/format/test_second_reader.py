"""``examples/read_sbn.py`` was written from docs/format.md alone: do it and the package agree?"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from sbn_graphs import every_operation, random_graph
from test_malformed import (
    GOOD,
    blob_rules,
    header_rules,
    mutate,
    node_rules,
    repaired,
    string_rules,
    value_rules,
    with_metadata,
)

from signbit.errors import FormatError
from signbit.format import OPS, Bits, Graph, read_bytes, write_bytes

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "examples" / "read_sbn.py"
CORPUS = ROOT / "native" / "fuzz" / "corpus"


@pytest.fixture(scope="module")
def example() -> ModuleType:
    spec = importlib.util.spec_from_file_location("read_sbn", SOURCE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def assert_same(example: ModuleType, data: bytes, graph: Graph) -> None:
    network = example.Reader(data).network()
    assert (network.input, network.output, network.metadata) == (graph.input, graph.output, graph.metadata)
    assert len(network.values) == len(graph.values)
    assert len(network.nodes) == len(graph.nodes)
    for read, value in zip(network.values, graph.values, strict=True):
        alphabet = value.alphabet and ("{-1,+1}", "{0,1}")[value.alphabet.value - 1]
        assert read == (value.name, value.dtype.name.lower(), alphabet, value.shape)
    for read, node in zip(network.nodes, graph.nodes, strict=True):
        schema = OPS[node.op]
        assert (read.operation, read.name, read.note) == (node.op, node.name, node.note)
        assert (tuple(read.inputs), read.output) == (node.inputs, node.output)
        assert list(read.attributes) == [node.attributes[name] for name in schema.attributes]
        assert list(read.scalars) == [node.scalars[name] for name in schema.scalars]
        assert len(read.blobs) == len(node.blobs)
        for index, blob in zip(
            read.blobs, (node.blobs[name] for name in schema.blobs if name in node.blobs), strict=True
        ):
            expected = np.where(blob.unpack(), 1, -1) if isinstance(blob, Bits) else blob
            assert network.blobs[index].shape == expected.shape
            np.testing.assert_array_equal(network.blobs[index].numbers(), expected.ravel())


def refusal(example: ModuleType, data: bytes) -> str:
    with pytest.raises(example.FormatError) as error:
        example.Reader(data).network()
    return str(error.value)


def test_it_needs_the_standard_library_alone(tmp_path: Path) -> None:
    (tmp_path / "model.sbn").write_bytes(GOOD)
    command = [sys.executable, "-I", "-S", "-W", "error", SOURCE, tmp_path / "model.sbn"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert [line.split()[0] for line in listed[1:]] == [node.op for node in every_operation().nodes]
    assert len(SOURCE.read_text().splitlines()) < 200


def test_graphs_of_every_kind(example: ModuleType) -> None:
    assert {node.op for node in every_operation().nodes} == set(OPS)
    assert_same(example, GOOD, read_bytes(GOOD))
    for seed in range(60):
        data = write_bytes(random_graph(seed))
        assert_same(example, data, read_bytes(data))


@pytest.mark.parametrize("method", ["ste", "si-bnn", "sd-bnn", "float"])
def test_exported_networks(example: ModuleType, method: str, tmp_path: Path) -> None:
    import torch

    import signbit

    model = signbit.create_model("convnet-tiny", method=method, num_classes=10, input_size=(1, 1, 8, 8))
    signbit.export(
        model.eval(), torch.randn(2, 1, 8, 8), tmp_path / "model.sbn", metadata={"labels": list("0123456789")}
    )
    data = (tmp_path / "model.sbn").read_bytes()
    assert_same(example, data, read_bytes(data))


def test_it_refuses_what_breaks_a_rule_of_the_layout(example: ModuleType) -> None:
    for rules in (header_rules, value_rules, node_rules, blob_rules, string_rules):
        for rule in rules():
            if "yields" in rule.says:  # what an operation makes of its input is beyond it
                continue
            assert "(at byte" in refusal(example, repaired(rule.apply())), rule
    for size in range(0, len(GOOD), 7):
        refusal(example, GOOD[:size])
    for text in (b"[]", b"1", b'{"a": NaN}', b'{"a": -Infinity}', b"{", b"", b"[" * 4000):
        refusal(example, with_metadata(text))


def test_it_accepts_all_that_the_package_accepts(example: ModuleType) -> None:
    """The other way round not always: shapes and weights are beyond it. What both accept is the same."""
    rng = np.random.default_rng(11)
    sources = [GOOD, *(write_bytes(random_graph(seed)) for seed in range(20))]
    mutated = [mutate(rng, sources[int(rng.integers(len(sources)))]) for _ in range(600)]
    both = 0
    for data in (*mutated, *(path.read_bytes() for path in CORPUS.iterdir())):
        try:
            graph = read_bytes(data)
        except FormatError:
            continue
        assert_same(example, data, graph)
        both += 1
    assert both > 30
