"""Architectures: published counts, shapes, tracing."""

from __future__ import annotations

import operator

import pytest
import torch
from torch import fx, nn

from signbit.binarizers import SignClip
from signbit.errors import ConfigError
from signbit.layers import BinaryConv2d, BinaryLinear, LayerFactory, SubsamplePad, binary_layers, float_layers
from signbit.models import MODELS
from signbit.roles import Role, parameter_roles

SIZES = {
    "convnet-tiny": [(1, 1, 8, 8), (1, 1, 28, 28), (1, 3, 32, 32)],
    "resnet20": [(1, 3, 32, 32), (1, 1, 28, 28), (1, 1, 8, 8)],
    "binarynet": [(1, 3, 32, 32), (1, 1, 28, 28), (1, 2, 10, 18)],
}
CASES = [(name, size) for name, sizes in SIZES.items() for size in sizes]


def binary() -> LayerFactory:
    def signs(_channels: int) -> nn.Sequential:
        return nn.Sequential(SignClip())

    return binary_layers(
        input_side=signs, weight_side=signs, output_scale=lambda _: nn.Identity(), weight_role=Role.LATENT
    )


def counts(model: nn.Module) -> tuple[int, int]:
    """Binary weights and all parameters."""
    roles = parameter_roles(model)
    sizes = {name: parameter.numel() for name, parameter in model.named_parameters()}
    return sum(size for name, size in sizes.items() if roles[name] is Role.LATENT), sum(sizes.values())


def test_sizes_cover_the_registry() -> None:
    assert list(SIZES) == MODELS.names()


@pytest.mark.parametrize(("name", "size"), CASES)
@pytest.mark.parametrize("layers", [binary(), float_layers()], ids=["binary", "float"])
def test_logits_and_trace(name: str, size: tuple[int, int, int, int], layers: LayerFactory) -> None:
    model = MODELS[name].target(layers, num_classes=7, input_size=size)
    x = torch.randn(3, *size[1:])
    assert model(x).shape == (3, 7)
    model.eval()
    traced = fx.GraphModule(model, Leaves().trace(model))
    assert torch.equal(traced(x), model(x))
    functions = {node.target for node in traced.graph.nodes if node.op == "call_function"}
    assert functions <= {operator.add, torch.flatten}
    assert not [node for node in traced.graph.nodes if node.op in ("call_method", "get_attr")]


class Leaves(fx.Tracer):
    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        ours = isinstance(m, BinaryConv2d | BinaryLinear | SubsamplePad)
        return ours or super().is_leaf_module(m, module_qualified_name)


def test_binarynet_counts() -> None:
    binary_weights, parameters = counts(MODELS["binarynet"].target(binary(), num_classes=10))
    assert binary_weights == 10_352_000
    assert parameters - binary_weights == 128 + 128 + 2 * 256 + 2 * 512 + 2 * 1024 + 10, "one shift per channel"


def test_resnet20_counts() -> None:
    binary_weights, parameters = counts(MODELS["resnet20"].target(binary(), num_classes=10))
    assert binary_weights == 267_264
    # SD-BNN's published total: the architecture, and per convolution a number per filter and two small matrices.
    channels = [(16, 16)] * 6 + [(16, 32)] + [(32, 32)] * 5 + [(32, 64)] + [(64, 64)] * 5
    self_distribution = sum(outputs + 2 * inputs * (inputs // 16) for inputs, outputs in channels)
    assert parameters + self_distribution == 274_074


def test_models_share_their_topology_with_their_float_twin() -> None:
    for entry in MODELS:
        model, twin = (entry.target(layers, num_classes=10) for layers in (binary(), float_layers()))
        assert {n: p.shape for n, p in model.named_parameters()} == {n: p.shape for n, p in twin.named_parameters()}


@pytest.mark.parametrize(
    ("name", "size", "message"),
    [
        ("binarynet", (1, 3, 9, 32), "at least 10 x 10; got 9 x 32"),
        ("resnet20", (3, 32, 32), "(1, channels, height, width); got (3, 32, 32)"),
        ("convnet-tiny", (2, 1, 8, 8), "(1, channels, height, width)"),
        ("convnet-tiny", (1, 0, 8, 8), "(1, channels, height, width)"),
    ],
)
def test_input_sizes_out_of_range(name: str, size: tuple[int, ...], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        MODELS[name].target(float_layers(), num_classes=10, input_size=size)
    assert message in str(caught.value)
