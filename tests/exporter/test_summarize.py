"""The summary: predicted file size against the file, bytes per layer against the report, what cannot be exported."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import signbit

NETWORKS = [
    ("convnet-tiny", "ste", (1, 1, 8, 8)),
    ("resnet20", "ste", (1, 3, 32, 32)),
    ("resnet20", "si-bnn", (1, 3, 32, 32)),
    ("resnet20", "sd-bnn", (1, 3, 16, 16)),
    ("convnet-tiny", "cyclebnn", (1, 1, 8, 8)),
    ("convnet-tiny", "float", (1, 1, 8, 8)),
    ("binarynet", "bop", (1, 3, 32, 32)),
]


@pytest.mark.parametrize(("model", "method", "size"), NETWORKS, ids=lambda value: str(value))
def test_size_before_training_is_that_of_the_file_after(
    model: str, method: str, size: tuple[int, int, int, int], tmp_path: Path
) -> None:
    torch.manual_seed(1)
    net = signbit.create_model(model, method=method, num_classes=10, input_size=size)
    before = signbit.summary(net, input_size=size)
    optimizer = signbit.create_optimizer(net, method=method)
    images = torch.randn(4, *size[1:])
    for _ in range(2):
        F.cross_entropy(net(images), torch.arange(4)).backward()
        optimizer.step()
        optimizer.zero_grad()
    report = signbit.export(net, images, tmp_path / "model.sbn")
    assert before.sbn_bytes == pytest.approx(report.bytes, rel=0.02)
    assert {row.cost.name: row.file_bytes for row in before.layers if row.file_bytes} == {
        row.name: row.bytes_after for row in report.layers if row.bytes_after
    }


def test_published_counts() -> None:
    net = signbit.create_model("resnet20", method="ste", num_classes=10)
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    found = signbit.summary(net, (1, 3, 32, 32))
    assert found.one_bit_parameters == 267_264
    assert found.float_macs == 32 * 32 * 16 * 27 + 640
    assert found.activation_bytes == 2 * 4 * 16 * 32 * 32
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())
    text = str(found)
    assert "267,264" in text
    assert "blocks.3.conv1  BinaryConv2d  3x3 / 2x2" in text
    assert f"{found.sbn_bytes:,} bytes" in text
    assert json.loads(json.dumps(found.to_dict()))["one_bit_macs"] == found.one_bit_macs


def test_a_network_that_cannot_be_exported_says_why() -> None:
    found = signbit.summary(nn.Sequential(nn.Conv2d(1, 2, 3), nn.Softplus()), (1, 1, 8, 8))
    assert found.sbn_bytes is None
    assert "Softplus" in found.not_exportable
    assert "Softplus" in str(found)
    assert [row.file_bytes for row in found.layers] == [None]
    assert found.float_macs == 2 * 36 * 9
