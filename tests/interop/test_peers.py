"""Every engine of ``signbit bench --against`` computes the network that the native runtime computes."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from networks_at_hand import network

from signbit.cli import main
from signbit.format import Graph, write_bytes
from signbit.interop import PEERS
from signbit.runtime import Session

NEEDS = {"torch": ("torch",), "onnxruntime": ("onnx", "onnxruntime"), "openvino": ("openvino",)}


@pytest.mark.parametrize("name", PEERS.names())
def test_peer_agrees_with_the_native_runtime(name: str) -> None:
    for package in NEEDS[name]:
        if find_spec(package) is None:
            pytest.skip(f"{package} is not installed: pip install 'signbit[bench]'")
    graph, images = network("resnet20", "ste", 16)
    engine = PEERS[name].target(graph, 1)
    with Session(write_bytes(graph)) as session:
        for count in (1, 3):
            expected = session.run(images[:count])
            found = engine(images[:count]).reshape(expected.shape)
            np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4 * np.ptp(expected))
            np.testing.assert_array_equal(found.argmax(axis=1), expected.argmax(axis=1))


def test_torch_runs_each_network_on_its_own_number_of_threads() -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'signbit[train]'")
    before = torch.get_num_threads()
    graph, images = network("convnet-tiny", "ste", 8)
    try:
        one, two = (PEERS["torch"].target(graph, threads) for threads in (1, 2))
        for engine, threads in ((one, 1), (two, 2), (one, 1)):
            engine(images[:1])
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)


def test_bench_times_the_openvino_export_of_the_same_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("openvino", reason="openvino is not installed: pip install 'signbit[bench]'")
    from signbit.interop import openvino_graph

    file, exported, write = tmp_path / "model.sbn", [], openvino_graph.to_openvino

    def spy(graph: Graph, batch: int = 1) -> Any:
        exported.append((write_bytes(graph), batch))
        return write(graph, batch)

    monkeypatch.setattr(openvino_graph, "to_openvino", spy)
    file.write_bytes(write_bytes(network("convnet-tiny", "ste", 8)[0]))
    options = ["--against", "openvino", "--repeats", "5", "--batch-size", "2", "--json"]
    assert main(["bench", str(file), *options]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["against"]["openvino"] > 0
    assert exported == [(file.read_bytes(), 2)]
    assert main(["export", str(file), "-o", str(tmp_path / "model.xml"), "--to", "openvino"]) == 0
    assert exported[1] == (file.read_bytes(), 1)
