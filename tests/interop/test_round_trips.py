"""Trained networks on a whole test split, out to other formats and back: every image keeps the answer of torch."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import signbit
from signbit.data import load, normalize
from signbit.format import Graph, read, write_bytes
from signbit.methods import create_model, create_optimizer
from signbit.runtime import Session

pytest.importorskip("onnx", reason="onnx is not installed: pip install 'signbit[interop]'")
pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: pip install 'signbit[interop]'")

from signbit.interop.engines import run_onnx
from signbit.interop.onnx_graph import to_onnx
from signbit.interop.qonnx_graph import to_qonnx
from signbit.interop.read_qonnx import from_qonnx


def trained(method: str, data: str, width: int, folder: str | None = None) -> tuple[nn.Module, Tensor]:
    """A small network after forty steps of its method, and the images of the test split."""
    steps = 40
    dataset = load(data, folder).normalized("standard")
    images = torch.from_numpy(normalize(dataset.train.images[: 32 * steps], dataset.mean, dataset.std))
    labels = torch.from_numpy(dataset.train.labels[: len(images)]).long()
    torch.manual_seed(0)
    size = (1, *images.shape[1:])
    model = create_model("convnet-tiny", method=method, num_classes=10, input_size=size, width=width)
    optimizer = create_optimizer(model, method=method, total_steps=steps)
    for batch, target in zip(images.split(32), labels.split(32), strict=True):
        optimizer.zero_grad()
        F.cross_entropy(model(batch), target).backward()
        optimizer.step()
    return model.eval(), torch.from_numpy(normalize(dataset.test.images, dataset.mean, dataset.std))


def answers(graph: Graph, images: np.ndarray) -> np.ndarray:
    with Session(write_bytes(graph), threads=1) as session:
        outputs = np.concatenate([session.run(part) for part in np.array_split(images, -(-len(images) // 500))])
    return outputs.reshape(len(images), -1).argmax(axis=1)


def every_way_agrees(model: nn.Module, images: Tensor, folder: Path) -> None:
    with torch.no_grad():
        expected = torch.cat([model(part) for part in images.split(500)]).argmax(dim=1).numpy()
    assert len(np.unique(expected)) > 3, "it has learned nothing"
    signbit.export(model, images[:8], folder / "model.sbn")
    graph, pixels = read(folder / "model.sbn"), images.numpy()
    run = run_onnx(to_onnx(graph).SerializeToString(), threads=1)
    np.testing.assert_array_equal(run(pixels).argmax(axis=1), expected)
    np.testing.assert_array_equal(answers(from_qonnx(to_qonnx(graph)), pixels), expected)


@pytest.mark.parametrize("method", ["ste", "si-bnn", "sd-bnn", "cyclebnn"])
def test_all_of_digits(method: str, tmp_path: Path) -> None:
    model, images = trained(method, "digits", width=32)
    assert len(images) == 360
    every_way_agrees(model, images, tmp_path)


@pytest.mark.slow
@pytest.mark.data
@pytest.mark.skipif(not os.environ.get("SIGNBIT_DATA"), reason="SIGNBIT_DATA is not the folder of the real data sets")
@pytest.mark.parametrize("method", ["ste", "si-bnn", "sd-bnn"])
def test_all_of_fashion_mnist(method: str, tmp_path: Path) -> None:
    model, images = trained(method, "fashion-mnist", width=8, folder=os.environ["SIGNBIT_DATA"])
    assert len(images) == 10_000
    every_way_agrees(model, images, tmp_path)
