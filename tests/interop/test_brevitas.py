"""A one-bit network that Brevitas trained and exported, imported and run natively."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from signbit.data import load, normalize
from signbit.format import read
from signbit.runtime import Session, available_isas

NEEDED = ("onnx", "qonnx", "onnxoptimizer", "brevitas")
for package in NEEDED[:-1]:
    pytest.importorskip(package, reason=f"{package} is not installed: pip install 'signbit[interop,interop-test]'")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of Brevitas, about parts of itself
    pytest.importorskip("brevitas", reason="brevitas is not installed: pip install 'signbit[interop-test]'")
    import brevitas.nn as qnn
    from brevitas.export import export_qonnx
    from brevitas.quant import Int8WeightPerTensorFloat, SignedBinaryActPerTensorConst, SignedBinaryWeightPerTensorConst

from signbit.interop.engines import run_qonnx  # noqa: E402
from signbit.interop.import_qonnx import import_qonnx  # noqa: E402


class LearnedScales(SignedBinaryWeightPerTensorConst):
    scaling_per_output_channel = True
    scaling_impl_type = "parameter"
    scaling_init = 0.1


def sign() -> nn.Module:
    return qnn.QuantIdentity(act_quant=SignedBinaryActPerTensorConst)


def network() -> nn.Sequential:
    """Signs everywhere but in the image and in the last layer's weights, which take eight bits."""
    one_bit = {"bias": False, "weight_quant": LearnedScales}
    return nn.Sequential(
        qnn.QuantConv2d(1, 24, 3, padding=1, **one_bit), nn.BatchNorm2d(24), sign(),
        qnn.QuantConv2d(24, 32, 3, padding=1, **one_bit), nn.BatchNorm2d(32), nn.MaxPool2d(2), sign(),
        qnn.QuantConv2d(32, 32, 3, weight_quant=SignedBinaryWeightPerTensorConst), nn.BatchNorm2d(32), sign(),
        nn.Flatten(),
        qnn.QuantLinear(128, 48, **one_bit), nn.BatchNorm1d(48), sign(),
        qnn.QuantLinear(48, 10, bias=True, weight_quant=Int8WeightPerTensorFloat),
    )  # fmt: skip


@pytest.fixture(scope="module")
def trained() -> tuple[nn.Module, Tensor, np.ndarray]:
    """The network after six epochs on digits, and the images and labels of the test split."""
    digits = load("digits").normalized("standard")
    images, test = (
        torch.from_numpy(normalize(split.images, digits.mean, digits.std)) for split in (digits.train, digits.test)
    )
    labels = torch.from_numpy(digits.train.labels).long()
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = network()
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
        for _ in range(6):
            for batch in torch.randperm(len(images)).split(128):
                optimizer.zero_grad()
                F.cross_entropy(model(images[batch]), labels[batch]).backward()
                optimizer.step()
    return model.eval(), test, digits.test.labels


@pytest.mark.parametrize("dynamo", [False, True])
def test_a_trained_network_runs_natively(
    trained: tuple[nn.Module, Tensor, np.ndarray], dynamo: bool, tmp_path: Path
) -> None:
    """By both of Brevitas's exporters; on each tier, on every image of the test split."""
    model, images, labels = trained
    source, target = tmp_path / "brevitas.onnx", tmp_path / "model.sbn"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        export_qonnx(model, images[:1], str(source), dynamo=dynamo)
        with torch.no_grad():
            theirs = model(images).numpy()
    report = import_qonnx(source, target)
    assert (report.packed_layers, len(report.float_layers), report.argmax_agreement) == (4, 1, 1.0)
    assert sum(node.op == "threshold" for node in read(target).nodes) == 4
    expected = run_qonnx(source)(images.numpy())
    assert (expected.argmax(axis=1) == labels).mean() > 0.7
    for isa in available_isas():
        with Session(target, threads=1, isa=isa) as session:
            found = session.run(images.numpy()).reshape(expected.shape)
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)
        np.testing.assert_array_equal(found.argmax(axis=1), expected.argmax(axis=1))
        np.testing.assert_array_equal(found.argmax(axis=1), theirs.argmax(axis=1))
