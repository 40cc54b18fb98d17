"""What depends on the sample stays float beside packed layers: self-distribution, layer norm."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import signbit
from exporter.networks import assert_equal_networks, lived_in
from signbit.binarizers import SignClip, SignEDE
from signbit.format import DType
from signbit.layers import BinaryConv2d, BinaryLinear, ChannelLayerNorm
from signbit.methods import create_model
from signbit.runtime import available_isas
from signbit.transforms import SelfDistribution, Transform, WeightSelfDistribution


class Shift(Transform):
    """``x + beta`` with beta made from the means of the channels, ``[N, C]``, and given its place by ``place``."""

    folds = False

    def __init__(self, channels: int, place: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.a1 = nn.Parameter(torch.randn(3, channels))
        self.a2 = nn.Linear(3, channels, bias=False)
        self.place = place

    def forward(self, x: Tensor) -> Tensor:
        beta = torch.sigmoid(self.a2(F.relu(F.linear(x.mean(dim=(2, 3)), self.a1))))
        return self.place(x, beta)


FORMS = {
    "index": lambda x, v: x + v[:, :, None, None],
    "ellipsis": lambda x, v: v[..., None, None] + x,
    "one by one": lambda x, v: x + v[..., None][:, :, :, None],
    "unsqueeze": lambda x, v: x + v.unsqueeze(-1).unsqueeze(-1),
    "unsqueeze by number": lambda x, v: torch.add(torch.unsqueeze(v.unsqueeze(2), 3), x),
    "view": lambda x, v: x + v.view(v.size(0), -1, 1, 1),
    "reshape": lambda x, v: v.reshape(-1, v.shape[1], 1, 1) + x,
    "there and back": lambda x, v: x + v.unsqueeze(2).flatten(1).view(x.shape[0], x.shape[1], 1, 1),
}


def shifted(channels: int, filters: int, transform: nn.Module, **geometry: int) -> BinaryConv2d:
    return BinaryConv2d(
        channels,
        filters,
        3,
        input_pipeline=nn.Sequential(transform, SignClip()),
        weight_pipeline=nn.Sequential(SignClip()),
        **geometry,  # type: ignore[arg-type]
    )


class Block(nn.Module):
    """A residual block: the shortcut reads x, not what self-distribution makes of it."""

    def __init__(self, channels: int, transform: nn.Module) -> None:
        super().__init__()
        self.stem, self.norm = nn.Conv2d(3, channels, 3), nn.BatchNorm2d(channels)
        self.conv, self.after = shifted(channels, channels, transform, padding=1), nn.BatchNorm2d(channels)
        self.last = shifted(channels, 4, SelfDistribution(channels), stride=2)

    def forward(self, x: Tensor) -> Tensor:
        x = F.hardtanh(self.norm(self.stem(x)))
        return self.last(F.hardtanh(self.after(self.conv(x)) + x))


@pytest.mark.parametrize("form", FORMS)
def test_a_shift_is_followed_however_it_is_written(form: str) -> None:
    torch.manual_seed(1)
    images = torch.randn(3, 3, 8, 7)
    graph = assert_equal_networks(lived_in(Block(5, Shift(5, FORMS[form])), images), images)
    operations = [node.op for node in graph.nodes]
    assert operations.count("sigmoid") == operations.count("avg_pool2d") == operations.count("threshold") == 2
    assert operations.count("add") == 3
    assert [graph.values[node.inputs[0]].dtype for node in graph.nodes if node.op == "threshold"] == [DType.F32] * 2


@pytest.mark.parametrize("channels", [1, 16, 63, 64, 65])
def test_self_distribution(channels: int) -> None:
    torch.manual_seed(2)
    images = torch.randn(4, 3, 6, 6)
    graph = assert_equal_networks(lived_in(Block(channels, SelfDistribution(channels, 4)), images), images)
    hardtanh = next(node for node in graph.nodes if node.op == "clamp")
    readers = [node.op for node in graph.nodes if hardtanh.output in node.inputs]
    assert sorted(readers) == ["add", "add", "avg_pool2d"]  # u, the shortcut, the means


def test_self_distribution_of_a_flattened_image() -> None:
    """Features stand as h, w, c in the file: what is computed from them has to meet them in that order."""
    torch.manual_seed(3)
    images = torch.randn(5, 3, 4, 3)
    linear = BinaryLinear(
        60, 7, input_pipeline=nn.Sequential(SelfDistribution(60), SignClip()), weight_pipeline=nn.Sequential(SignClip())
    )
    model = nn.Sequential(nn.Conv2d(3, 5, 1), nn.Flatten(), nn.BatchNorm1d(60), linear, nn.BatchNorm1d(7))
    graph = assert_equal_networks(lived_in(model, images), images)
    assert "binary_conv2d" in [node.op for node in graph.nodes]


def test_what_shapes_the_weights_is_in_their_bits(tmp_path: Path) -> None:
    layer = BinaryConv2d(
        4, 3, 3,
        input_pipeline=nn.Sequential(SignEDE()),
        weight_pipeline=nn.Sequential(WeightSelfDistribution(3), SignEDE()),
    )  # fmt: skip
    report = signbit.export(nn.Sequential(layer), torch.randn(2, 4, 5, 5), tmp_path / "model.sbn")
    reasons = {row.name: row.reason for row in report.layers}
    assert reasons["0.weight_pipeline.0"] == reasons["0.weight_pipeline.1"] == "constant: in the bits of 0"
    assert reasons["0.input_pipeline.0"] == "bits: its gradient's settings serve training alone"


def test_layer_norms() -> None:
    torch.manual_seed(4)
    images = torch.randn(4, 3, 8, 8)
    sides = {"input_pipeline": SignClip(), "weight_pipeline": SignClip()}
    model = nn.Sequential(
        nn.Conv2d(3, 65, 3), ChannelLayerNorm(65),
        BinaryConv2d(65, 6, 3, padding=1, **{name: nn.Sequential(part) for name, part in sides.items()}),
        nn.MaxPool2d(2), ChannelLayerNorm(6, eps=1.0), nn.Hardtanh(), nn.Flatten(), nn.LayerNorm(54),
        BinaryLinear(54, 9, **{name: nn.Sequential(part) for name, part in sides.items()}),
        nn.LayerNorm(9, elementwise_affine=False), nn.LayerNorm(9, bias=False),
    )  # fmt: skip
    with torch.no_grad():
        for norm in model:
            for parameter in norm.parameters() if isinstance(norm, nn.LayerNorm | ChannelLayerNorm) else ():
                nn.init.normal_(parameter)
    graph = assert_equal_networks(model, images)
    operations = [node.op for node in graph.nodes]
    assert operations.count("layer_norm") == 5
    assert [node.scalars["eps"] for node in graph.nodes if node.op == "layer_norm"][:2] == [1e-3, 1.0]
    assert operations.count("binary_conv2d") == 2


@pytest.mark.parametrize("isa", available_isas())
def test_the_report_names_the_side_path(isa: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGNBIT_ISA", isa)
    torch.manual_seed(5)
    images = torch.randn(4, 3, 8, 7)
    model = lived_in(nn.Sequential(Block(16, Shift(16, FORMS["index"])), ChannelLayerNorm(4)), images)
    report = signbit.export(model, images, tmp_path / "model.sbn")
    rows = {row.name: row for row in report.layers}
    assert rows["0.conv"].reason == (
        "packed: 144-bit filters, padding exact; float side path: Shift depends on the sample"
    )
    assert rows["0.last"].reason.startswith(
        "packed: 144-bit filters; float side path: self-distribution depends on the sample"
    )
    assert rows["0.last.input_pipeline.0.expand"].reason == "float: side path of 0.last"
    assert rows["0.conv.input_pipeline.0.a2"].reason == "float: side path of 0.conv"
    assert rows["0.conv.input_pipeline.0"].reason == "float: side path of 0.conv; float: element by element"
    assert rows["0.conv.input_pipeline.0"].bytes_after == 3 * 16 * 4
    assert rows["1"].reason == "float: mean and variance depend on the sample"
    assert (report.packed_layers, report.float_layers) == (2, 4)
    check = report.verification
    assert (check.engine, check.argmax_agreement, check.flipped_images) == (isa, 1.0, 0)
    assert np.isfinite(check.max_abs_diff)


@pytest.mark.parametrize("method", ["sd-bnn", "sd-bnn+si-bnn", "sd-bnn+cyclebnn"])
@pytest.mark.parametrize(("name", "size"), [("resnet20", 16), ("binarynet", 18), ("convnet-tiny", 8)])
@pytest.mark.slow
def test_networks_of_the_method(name: str, size: int, method: str) -> None:
    """In the published network sizes; binarynet here flattens images of 2 x 2 before its linear layers."""
    torch.manual_seed(6)
    images = torch.randn(3, 3, size, size)
    model = create_model(name, method=method, num_classes=10, input_size=(1, 3, size, size))
    graph = assert_equal_networks(lived_in(model, images), images)
    layers = sum(bool(len(m.input_pipeline)) for m in model.modules() if isinstance(m, BinaryConv2d | BinaryLinear))
    assert [node.op for node in graph.nodes].count("sigmoid") == layers
