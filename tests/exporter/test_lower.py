"""Whole networks: the graph computes what torch computes, and bits are where bits can be."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from exporter.networks import assert_equal_networks, lived_in, sign_conv, sign_linear
from signbit.alphabet import Alphabet
from signbit.binarizers import Binarizer, SignClip, SignPolynomial
from signbit.exporter import lower_model
from signbit.format import DType, Graph
from signbit.layers import BinaryConv2d, SubsamplePad
from signbit.methods import create_model
from signbit.roles import Role


def operations(graph: Graph) -> Counter[str]:
    return Counter(node.op for node in graph.nodes)


@pytest.mark.parametrize("method", ["float", "ste", "bop", "bop2nd"])
@pytest.mark.parametrize(
    ("name", "size"), [("convnet-tiny", (1, 8, 8)), ("resnet20", (3, 32, 32)), ("binarynet", (3, 32, 32))]
)
def test_shipped_models(name: str, size: tuple[int, int, int], method: str) -> None:
    torch.manual_seed(1)
    images = torch.randn(2 if name == "binarynet" else 6, *size)
    model = lived_in(create_model(name, method=method, num_classes=10, input_size=(1, *size)), images)
    graph = assert_equal_networks(model, images)
    binary = {"convnet-tiny": 3, "resnet20": 18, "binarynet": 8}[name]
    assert operations(graph)["binary_conv2d"] == (0 if method == "float" else binary)
    if name == "binarynet" and method != "float":  # after the first layer nothing is float but the last batch norm
        floats = [node.op for node in graph.nodes if graph.values[node.output].dtype is DType.F32]
        assert floats == ["conv2d", "affine"]


@settings(derandomize=True, max_examples=40, deadline=None)
@given(st.data())
def test_convolutions_of_every_shape(data: st.DataObject) -> None:
    groups = data.draw(st.sampled_from([1, 1, 2, 3]))
    channels = groups * data.draw(st.sampled_from([1, 2, 21, 63, 64, 65]))
    filters = groups * data.draw(st.integers(1, 5))
    height, width = data.draw(st.integers(3, 9)), data.draw(st.integers(3, 9))
    kernel = (data.draw(st.integers(1, 3)), data.draw(st.integers(1, 3)))
    geometry = {
        "stride": (data.draw(st.integers(1, 3)), data.draw(st.integers(1, 2))),
        "padding": (data.draw(st.integers(0, 2)), data.draw(st.integers(0, 2))),
        "dilation": data.draw(st.sampled_from([1, 1, (1, 2)])) if width >= 5 else 1,
    }
    torch.manual_seed(data.draw(st.integers(0, 99)))
    images = torch.randn(3, channels, height, width)
    layer = sign_conv(
        channels, filters, kernel, groups=groups, pad_value=data.draw(st.sampled_from([0, 0, 1, -1])), **geometry
    )
    second = BinaryConv2d(
        filters,
        4,
        1,
        input_pipeline=nn.Sequential(SignPolynomial()),
        weight_role=Role.BINARY,
    )
    middle = data.draw(st.sampled_from([[], [nn.Hardtanh()], [nn.PReLU(filters)], [nn.ReLU()], [nn.LeakyReLU(-0.5)]]))
    assert_equal_networks(lived_in(nn.Sequential(layer, nn.BatchNorm2d(filters), *middle, second), images), images)


@pytest.mark.parametrize(
    "geometry", [{"padding": "same", "dilation": 2}, {"stride": 2, "padding": (2, 1), "groups": 2}]
)
def test_float_convolutions(geometry: dict[str, object]) -> None:
    torch.manual_seed(2)
    images = torch.randn(2, 4, 9, 7)
    model = nn.Sequential(
        nn.Conv2d(4, 6, (3, 2), **geometry), nn.BatchNorm2d(6), nn.PReLU(6), nn.Conv2d(6, 5, 3, bias=False), nn.ReLU6()
    )
    assert operations(assert_equal_networks(lived_in(model, images), images)) == {"conv2d": 2, "prelu": 1, "clamp": 1}


@pytest.mark.parametrize(
    "pool", [nn.MaxPool2d(3, 2, 1), nn.MaxPool2d(2), nn.AvgPool2d(3, 2, 1), nn.AdaptiveAvgPool2d(3)]
)
@pytest.mark.parametrize("before", [True, False])
def test_pools_on_either_side_of_the_norm(pool: nn.Module, before: bool) -> None:
    torch.manual_seed(3)
    images = torch.randn(3, 8, 6, 6)
    norm = nn.BatchNorm2d(9)
    middle = (pool, norm) if before else (norm, pool)
    model = lived_in(nn.Sequential(sign_conv(8, 9, 3, padding=1), *middle, nn.Hardtanh(), sign_conv(9, 4, 2)), images)
    assert (norm.weight < 0).any()
    graph = assert_equal_networks(model, images)
    if isinstance(pool, nn.MaxPool2d):  # a turned channel keeps the pool on sums; after the norm it runs on bits
        (node,) = (n for n in graph.nodes if n.op == "max_pool2d")
        assert graph.values[node.output].dtype is (DType.I32 if before else DType.BITS)


def test_flatten_reorders_weights_and_norms() -> None:
    torch.manual_seed(4)
    images = torch.randn(3, 5, 4, 3)
    model = nn.Sequential(
        nn.Conv2d(5, 7, 1), nn.Flatten(), nn.BatchNorm1d(84), nn.PReLU(), nn.Linear(84, 6), nn.BatchNorm1d(6),
        sign_linear(6, 65), nn.BatchNorm1d(65), sign_linear(65, 3),
    )  # fmt: skip
    assert_equal_networks(lived_in(model, images), images)
    binary = nn.Sequential(sign_conv(5, 7, 2), nn.Flatten(), nn.BatchNorm1d(42), nn.Dropout(), sign_linear(42, 3))
    graph = assert_equal_networks(lived_in(binary, images), images)
    assert [node.op for node in graph.nodes].count("affine") == 1  # of the last layer's sums


class Shared(nn.Module):
    """One tensor read by two binary layers, a shortcut with more channels, and a chain of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.left, self.right = sign_conv(8, 16, 3, stride=2, padding=1), sign_conv(8, 16, 1, stride=2)
        self.norms = nn.ModuleList(nn.BatchNorm2d(16) for _ in range(2))
        self.shortcut = SubsamplePad(2, 5, 3)
        self.last = sign_conv(16, 63, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = F.hardtanh(self.norm(self.stem(x)))
        y = self.norms[0](self.left(x)) + self.norms[1](self.right(x)) + self.shortcut(x)
        return self.last(y.relu() - 0.5).view(x.size(0), -1)


def test_shared_tensors_are_lowered_once() -> None:
    torch.manual_seed(5)
    images = torch.randn(3, 3, 8, 8)
    model = Shared()
    model.last = nn.Sequential(model.last, nn.AdaptiveAvgPool2d(1))  # type: ignore[assignment]
    graph = assert_equal_networks(lived_in(model, images), images)
    assert operations(graph)["threshold"] == 2
    assert operations(graph)["clamp"] == 1  # the hardtanh; the relu before the second sign is in its threshold
    assert operations(graph)["conv2d"] == 1


def test_a_sign_without_anything_to_fold_is_zero_rising() -> None:
    graph = lower_model(nn.Sequential(sign_conv(2, 3, 1)), torch.randn(1, 2, 2, 2))
    node = graph.nodes[0]
    assert node.op == "threshold"
    np.testing.assert_array_equal(node.blobs["thresholds"], np.zeros(2, np.float32))
    assert node.blobs["rising"].unpack().all()  # type: ignore[union-attr]


class Step(Binarizer):
    """1 where x > 0."""

    alphabet = Alphabet.ZERO_ONE

    def forward(self, x: Tensor) -> Tensor:
        return (x > 0).to(x.dtype)


class Shift(nn.Module):
    """A trainable threshold and width per channel before a step."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.t, self.s = nn.Parameter(torch.randn(channels)), nn.Parameter(torch.rand(channels) - 0.2)

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.t.view(1, -1, 1, 1)) * self.s.clamp(min=0.01).view(-1, 1, 1)


class Scale(nn.Module):
    """One learned, here also negative, number per filter."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.randn(channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.alpha


def test_custom_transforms_and_scales_fold_by_being_followed() -> None:
    torch.manual_seed(6)
    images = torch.randn(4, 65, 5, 5)

    def layer(inputs: int, outputs: int) -> BinaryConv2d:
        pipeline = nn.Sequential(Shift(inputs), Step())
        weights = nn.Sequential(SignClip())
        scale = Scale(outputs)
        return BinaryConv2d(
            inputs, outputs, 3, padding=1, input_pipeline=pipeline, weight_pipeline=weights, output_scale=scale
        )

    model = lived_in(nn.Sequential(layer(65, 9), nn.BatchNorm2d(9), layer(9, 4)), images)
    graph = assert_equal_networks(model, images)
    assert [node.op for node in graph.nodes] == [
        "threshold", "binary_conv2d", "threshold", "binary_conv2d", "affine",
    ]  # fmt: skip
    assert graph.values[graph.nodes[0].output].alphabet is Alphabet.ZERO_ONE


def test_a_binarizer_may_stand_before_the_layer() -> None:
    torch.manual_seed(7)
    images = torch.randn(2, 4, 5, 5)
    weights = nn.Sequential(SignClip())
    model = nn.Sequential(SignClip(), BinaryConv2d(4, 3, 3, weight_pipeline=weights))
    assert operations(assert_equal_networks(model, images)) == {"threshold": 1, "binary_conv2d": 1, "affine": 1}


def test_binary_weights_on_real_input_take_one_bit() -> None:
    torch.manual_seed(8)
    images = torch.randn(2, 3, 6, 6)
    model = nn.Sequential(BinaryConv2d(3, 5, 3, padding=1, weight_role=Role.BINARY), nn.BatchNorm2d(5), nn.ReLU())
    graph = assert_equal_networks(lived_in(model, images), images)
    assert graph.nodes[0].op == "conv2d"
    assert graph.nodes[0].blobs["weight"].octets.nbytes == 5 * 4  # type: ignore[union-attr]


def test_modes_are_left_as_they_were() -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2))
    model.train()
    model[1].eval()
    lower_model(model, torch.zeros(1, 1, 2, 2))
    assert (model.training, model[0].training, model[1].training) == (True, True, False)
