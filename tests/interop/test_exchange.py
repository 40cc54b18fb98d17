"""``signbit export --to``: every registered type of file, read back by its engine."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from shutil import which
from typing import Any

import numpy as np
import pytest
import torch
from exporter.networks import lived_in
from exporter.user_networks import Gated
from sbn_graphs import every_operation, random_input

from signbit.cli import main
from signbit.errors import ConfigError, ExportError
from signbit.exporter import lower_model
from signbit.format import write
from signbit.interop import FILE_TYPES, exchange
from signbit.runtime import reference

PACKAGES = {
    "onnx": ("onnx", "onnxruntime"), "qonnx": ("onnx", "qonnx"), "openvino": ("openvino",), "c": (), "npz": (),
}  # fmt: skip


@pytest.fixture(params=FILE_TYPES.names())
def kind(request: pytest.FixtureRequest) -> str:
    missing = [package for package in PACKAGES[request.param] if find_spec(package) is None]
    if missing:
        pytest.skip(f"{missing[0]} is not installed: pip install 'signbit[bench,interop]'")
    if request.param == "c" and not (which("cc") or which("gcc") or which("clang")):
        pytest.skip("no C compiler")
    return str(request.param)


def test_a_file_of_another_engine(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    graph = every_operation()
    write(graph, tmp_path / "model.sbn")
    target = tmp_path / f"model{FILE_TYPES[kind].target.suffix}"
    assert main(["export", str(tmp_path / "model.sbn"), "-o", str(target), "--to", kind, "--json"]) == 0
    result: dict[str, Any] = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert result["file"] == result["files"][0] == str(target)
    assert result["bytes"] == sum(Path(name).stat().st_size for name in result["files"])
    assert result["argmax_agreement"] == 1.0
    assert {Path(name) for name in result["files"]} == set(tmp_path.iterdir()) - {tmp_path / "model.sbn"}
    image = random_input(graph, 3, count=1)
    found = FILE_TYPES[kind].target.run(target)(image)
    np.testing.assert_allclose(found, reference.run(graph, image)[:, :, 0, 0], rtol=1e-4, atol=1e-5)


def test_a_network_with_gates(kind: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    images = torch.randn(4, 3, 15, 14)
    graph = lower_model(lived_in(Gated(), images), images)
    assert sum(node.op == "mul" for node in graph.nodes) == 5
    report = exchange(graph, tmp_path / f"model{FILE_TYPES[kind].target.suffix}", kind, images.numpy())
    assert report.argmax_agreement == 1.0
    assert report.max_abs_diff < 1e-4


def test_wrong_suffix(kind: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=FILE_TYPES[kind].target.suffix):
        exchange(every_operation(), tmp_path / "model.pb", kind, random_input(every_operation(), 0))
    assert not list(tmp_path.iterdir())


def test_other_answers_are_not_written(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine that reverses the order of the outputs."""
    graph, entry = every_operation(), FILE_TYPES[kind].target
    right = entry.run
    monkeypatch.setitem(vars(entry), "run", lambda path: lambda x: right(path)(x)[:, ::-1])
    with pytest.raises(ExportError, match="nothing was written"):
        exchange(graph, tmp_path / f"model{entry.suffix}", kind, random_input(graph, 0, count=8))
    assert not list(tmp_path.iterdir())


def test_unknown_type(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(every_operation(), tmp_path / "model.sbn")
    assert main(["export", str(tmp_path / "model.sbn"), "-o", str(tmp_path / "model.onx"), "--to", "onx"]) == 2
    assert "did you mean onnx" in capsys.readouterr().err
    assert main(["export", str(tmp_path / "model.sbn"), "-o", str(tmp_path / "other.sbn")]) == 2
    assert "--to" in capsys.readouterr().err
