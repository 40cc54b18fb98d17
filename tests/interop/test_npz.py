"""Bits and thresholds as numpy arrays: nothing is lost, and the arrays mean what docs/format.md says."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from sbn_graphs import every_operation, random_graph

from signbit.errors import DataError
from signbit.format import OPS, Bits, write_bytes
from signbit.format.rules import RuleError
from signbit.interop.npz import from_npz, read_npz, to_npz, write_npz


def test_there_and_back_is_the_same_file(tmp_path: Path) -> None:
    used = set()
    for seed in (None, *range(40)):
        graph = every_operation() if seed is None else random_graph(seed)
        write_npz(graph, tmp_path / "model.npz")
        assert write_bytes(read_npz(tmp_path / "model.npz")) == write_bytes(graph)
        used |= {node.op for node in graph.nodes}
    assert used == set(OPS)


def test_the_arrays_are_the_parameters(tmp_path: Path) -> None:
    graph = every_operation()
    write_npz(graph, tmp_path / "model.npz")
    with np.load(tmp_path / "model.npz") as arrays:
        stored = json.loads(str(arrays["graph"]))
        assert len(arrays.files) == 1 + sum(len(node.blobs) for node in graph.nodes)
        for node, entry in zip(graph.nodes, stored["nodes"], strict=True):
            assert (entry["op"], entry["name"]) == (node.op, node.name)
            for slot, key in entry["arrays"].items():
                blob, array = node.blobs[slot], arrays[key]
                assert array.dtype == (bool if isinstance(blob, Bits) else blob.dtype)
                np.testing.assert_array_equal(array, blob.unpack() if isinstance(blob, Bits) else blob)
    again = tmp_path / "again.npz"
    write_npz(graph, again)
    assert again.read_bytes() == (tmp_path / "model.npz").read_bytes()


def test_what_is_not_a_network() -> None:
    good = to_npz(every_operation())
    for missing in ("graph", "000.conv2d.weight"):
        with pytest.raises(DataError, match="signbit export --to npz"):
            from_npz({key: array for key, array in good.items() if key != missing})
    with pytest.raises(DataError, match="not a network"):
        from_npz({"graph": np.array("[1]")})
    with pytest.raises(RuleError, match="is needed"):
        from_npz(good | {"000.conv2d.weight": good["000.conv2d.weight"][:1]})
