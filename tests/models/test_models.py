"""Architectures: published counts, shapes, tracing, gradients."""

from __future__ import annotations

import operator

import pytest
import torch
from models_at_hand import SHIPPED, VARIANTS, binary, built, narrow
from torch import Tensor, fx, nn

from signbit.errors import ConfigError
from signbit.layers import BinaryConv2d, BinaryLinear, ChannelLayerNorm, LayerFactory, SubsamplePad, float_layers
from signbit.models import MODELS
from signbit.roles import Role, parameter_roles

SIZES = {
    "convnet-tiny": [(1, 1, 8, 8), (1, 1, 28, 28), (1, 3, 32, 32)],
    "mlp": [(1, 1, 28, 28), (1, 3, 5, 1)],
    "binarynet": [(1, 3, 32, 32), (1, 1, 28, 28), (1, 2, 10, 18)],
    "vgg-small": [(1, 3, 32, 32), (1, 1, 28, 28), (1, 2, 8, 64), (1, 3, 224, 224), (1, 3, 29, 65)],
    "alexnet": [(1, 3, 224, 224), (1, 3, 227, 227), (1, 3, 32, 32), (1, 1, 15, 28), (1, 3, 63, 65)],
    "xnornet": [(1, 3, 224, 224), (1, 3, 32, 32), (1, 1, 15, 28), (1, 3, 63, 65)],
    "resnet20": [(1, 3, 32, 32), (1, 1, 28, 28), (1, 1, 4, 9), (1, 3, 224, 224)],
    "resnet18": [(1, 3, 32, 32), (1, 3, 224, 224)],
    "resnet34": [(1, 3, 224, 224)],
    "resnet50": [(1, 3, 224, 224)],
    "birealnet18": [(1, 1, 28, 28), (1, 3, 224, 224), (1, 1, 4, 9), (1, 3, 65, 50)],
    "birealnet34": [(1, 3, 32, 32)],
}
CASES = [(name, size) for name, sizes in SIZES.items() for size in sizes]
FACTORIES = {"binary": binary(), "float": float_layers()}


def counts(model: nn.Module) -> tuple[int, int]:
    """Binary weights and all parameters."""
    roles = parameter_roles(model)
    sizes = {name: parameter.numel() for name, parameter in model.named_parameters()}
    return sum(size for name, size in sizes.items() if roles[name] is Role.LATENT), sum(sizes.values())


def shipped(name: str, size: tuple[int, ...] | None = None, classes: int = 10, **settings: object) -> nn.Module:
    """A model without numbers in it: shapes are enough for counting."""
    with torch.device("meta"):
        given = settings if size is None else {**settings, "input_size": size}
        return MODELS[name].target(binary(), num_classes=classes, **given)


class Leaves(fx.Tracer):
    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        ours = isinstance(m, BinaryConv2d | BinaryLinear | SubsamplePad | ChannelLayerNorm)
        return ours or super().is_leaf_module(m, module_qualified_name)


def test_sizes_cover_the_registry() -> None:
    assert sorted(SIZES) == sorted(MODELS.names())
    assert sorted(SHIPPED) == sorted(MODELS.names())


@pytest.mark.parametrize(("name", "size"), CASES)
def test_shapes_at_full_width(name: str, size: tuple[int, int, int, int]) -> None:
    model = shipped(name, size, classes=7)
    assert model(torch.empty(3, *size[1:], device="meta")).shape == (3, 7)


@pytest.mark.parametrize("key", VARIANTS)
@pytest.mark.parametrize("layers", FACTORIES.values(), ids=FACTORIES)
def test_a_model_is_calls_of_modules_sums_and_flattens(key: str, layers: LayerFactory) -> None:
    model, size = built(key, layers)
    model.eval()
    traced = fx.GraphModule(model, Leaves().trace(model))
    x = torch.randn(2, *size[1:])
    assert torch.equal(traced(x), model(x))
    functions = {node.target for node in traced.graph.nodes if node.op == "call_function"}
    assert functions <= {operator.add, torch.flatten}
    assert not [node for node in traced.graph.nodes if node.op in ("call_method", "get_attr")]


@pytest.mark.parametrize("key", VARIANTS)
@pytest.mark.parametrize("layers", FACTORIES.values(), ids=FACTORIES)
def test_every_parameter_gets_a_gradient(key: str, layers: LayerFactory) -> None:
    model, size = built(key, layers)
    logits = model(torch.randn(4, *size[1:]))
    assert logits.shape == (4, 5)
    (logits * torch.randn(4, 5)).sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.any(), name


@pytest.mark.parametrize("key", VARIANTS)
def test_the_float_twin_has_the_same_parameters(key: str) -> None:
    (model, _), (twin, _) = built(key, binary()), built(key, float_layers())
    assert {n: p.shape for n, p in model.named_parameters()} == {n: p.shape for n, p in twin.named_parameters()}


@pytest.mark.parametrize(
    "key", ["birealnet18", "birealnet34", "resnet50", "resnet18, both norms", "vgg-small, no activation"]
)
def test_where_signs_are_the_only_nonlinearity_the_float_twin_has_another(key: str) -> None:
    (model, _), (twin, _) = built(key, binary()), built(key, float_layers())
    signs = sum(isinstance(module, BinaryConv2d) for module in model.modules())
    assert sum(isinstance(module, nn.Hardtanh) for module in model.modules()) == 0
    assert sum(isinstance(module, nn.Hardtanh) for module in twin.modules()) >= signs


def test_mlp_counts() -> None:
    binary_weights, parameters = counts(shipped("mlp"))
    assert binary_weights == 784 * 4096 + 2 * 4096**2 + 4096 * 10
    assert parameters - binary_weights == 2 * (3 * 4096 + 10), "a batch norm behind every layer"
    assert counts(shipped("mlp", width=7, depth=1))[0] == 794 * 7


def test_binarynet_counts() -> None:
    binary_weights, parameters = counts(shipped("binarynet"))
    assert binary_weights == 10_352_000
    channels = 128 + 128 + 2 * 256 + 2 * 512 + 2 * 1024 + 10
    assert parameters - binary_weights == channels, "one shift per channel"
    assert counts(shipped("binarynet", norm="layer")) == (binary_weights, binary_weights + 2 * channels)


def test_resnet20_counts() -> None:
    binary_weights, parameters = counts(shipped("resnet20"))
    assert binary_weights == 267_264
    # SD-BNN's published total: the architecture, and per convolution a number per filter and two small matrices.
    channels = [(16, 16)] * 6 + [(16, 32)] + [(32, 32)] * 5 + [(32, 64)] + [(64, 64)] * 5
    self_distribution = sum(outputs + 2 * inputs * (inputs // 16) for inputs, outputs in channels)
    assert parameters + self_distribution == 274_074


@pytest.mark.parametrize(
    ("name", "binary_weights"),
    [
        ("resnet18", 10_985_472),
        ("resnet34", 21_086_208),
        ("birealnet18", 10_985_472),
        ("birealnet34", 21_086_208),
        ("alexnet", 61_827_776),
    ],
)
def test_binary_weights(name: str, binary_weights: int) -> None:
    assert counts(shipped(name, (1, 3, 224, 224), 1000))[0] == binary_weights
    if name != "alexnet":  # whose dense layers depend on the size
        assert counts(shipped(name, (1, 3, 32, 32), 10))[0] == binary_weights


def test_totals_of_the_float_networks_that_these_are_made_from() -> None:
    """What He et al.'s networks have with 1000 classes; binary AlexNet has a shift per channel besides its weights."""
    assert counts(shipped("birealnet18", classes=1000))[1] == 11_689_512
    assert counts(shipped("birealnet34", classes=1000))[1] == 21_797_672
    convolutions = sum(p.numel() for p in shipped("resnet50", classes=1000).parameters() if p.dim() == 4)
    batch_norms, linear = 53_120, 2048 * 1000 + 1000
    assert convolutions + batch_norms + linear == 25_557_032
    assert counts(shipped("alexnet", classes=1000))[1] - 61_827_776 == 64 + 192 + 2 * 384 + 256 + 2 * 4096 + 1000


def test_xnornet_and_vgg_small_weights() -> None:
    model = shipped("xnornet", classes=1000)
    shapes = [tuple(p.shape) for p in model.parameters() if p.dim() > 1]
    assert shapes == [
        (96, 3, 11, 11), (256, 96, 5, 5), (384, 256, 3, 3), (384, 384, 3, 3), (256, 384, 3, 3),
        (4096, 256, 6, 6), (4096, 4096, 1, 1), (1000, 4096),
    ]  # fmt: skip
    roles = parameter_roles(model)
    assert {name for name, role in roles.items() if role is Role.ORDINARY and model.get_parameter(name).dim() > 1} == {
        "features.0.weight", f"classifier.{len(model.classifier) - 1}.weight",
    }  # fmt: skip
    model = shipped("vgg-small")
    assert counts(model)[0] == 9 * (128 * 128 + 128 * 256 + 256 * 256 + 256 * 512 + 512 * 512)
    assert model.head.weight.shape == (10, 8192)


def multiplications(model: nn.Module, size: tuple[int, ...]) -> tuple[int, int]:
    """Multiply-adds of one image in binary layers and in the others."""
    totals = {True: 0, False: 0}

    def count(module: nn.Module, _inputs: object, output: Tensor) -> None:
        totals[isinstance(module, BinaryConv2d)] += output[0].numel() * module.weight[0].numel()

    for module in model.modules():
        if isinstance(module, BinaryConv2d | nn.Conv2d | nn.Linear):
            module.register_forward_hook(count)
    model(torch.empty(size, device="meta"))
    return totals[True], totals[False]


def test_multiplications_of_birealnet18() -> None:
    binary_macs, float_macs = multiplications(shipped("birealnet18", classes=1000), (1, 3, 224, 224))
    layer = 115_605_504
    assert binary_macs == 13 * layer + 3 * layer // 2  # 1.68 G: three layers of sixteen halve the sides
    assert float_macs == 118_013_952 + 3 * 6_422_528 + 512_000  # 0.14 G: the stem, the shortcuts, the head


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("mlp", {"depth": 0}, "mlp: width and depth are at least 1; got width 4096, depth 0"),
        ("binarynet", {"input_size": (1, 3, 9, 32)}, "at least 10 x 10; got 9 x 32"),
        ("resnet20", {"input_size": (3, 32, 32)}, "(1, channels, height, width); got (3, 32, 32)"),
        ("convnet-tiny", {"input_size": (2, 1, 8, 8)}, "(1, channels, height, width)"),
        ("convnet-tiny", {"input_size": (1, 0, 8, 8)}, "(1, channels, height, width)"),
        ("convnet-tiny", {"width": 0}, "width is at least 1; got 0"),
        ("alexnet", {"input_size": (1, 3, 14, 14)}, "alexnet: images are at least 15 x 15"),
        ("xnornet", {"input_size": (1, 3, 62, 65)}, "xnornet: images are at least 63 x 63"),
        ("vgg-small", {"input_size": (1, 3, 28, 65)}, "vgg-small: images are at least 29 x 29"),
        ("binarynet", {"norm": "group"}, "binarynet: norm is one of batch, layer; got 'group'"),
        ("alexnet", {"ends": "int8"}, "alexnet: ends is one of binary, float; got 'int8'"),
        ("vgg-small", {"activation": "relu"}, "vgg-small: activation is one of hardtanh, prelu, none; got 'relu'"),
        ("resnet34", {"stem": "3x3"}, "resnet34: stem is one of small, large; got '3x3'"),
        ("resnet18", {"shortcuts": ""}, "resnet18: shortcuts is one of convolution, block; got ''"),
        ("resnet50", {"downsample": "max"}, "resnet50: downsample is one of subsample, average-pad, conv, "),
        ("birealnet18", {"head": None}, "birealnet18: head is one of norm, relu, plain; got None"),
        ("birealnet34", {"norm_scale": float("nan")}, "birealnet34: norm_scale is a finite number; got nan"),
    ],
)
def test_settings_out_of_range(name: str, settings: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        narrow(name)(float_layers(), num_classes=10, **settings)
    assert message in str(caught.value)
