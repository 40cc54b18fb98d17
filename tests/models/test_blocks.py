"""The parts of networks against their equations in plain torch."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from signbit.errors import ConfigError, ShapeError
from signbit.layers import ChannelLayerNorm, LayerFactory, float_layers
from signbit.models.residual import BasicBlock, BlockDesign, Bottleneck
from signbit.models.resnet import resnet18
from signbit.models.shortcut import DOWNSAMPLES, shortcut
from signbit.models.stem import after_stem, float_stem


def design(shortcuts: str, activation: str = "none", *, pre_norm: bool = False) -> BlockDesign:
    return BlockDesign(shortcuts, "conv", activation, pre_norm, 1.0)  # type: ignore[arg-type]


def linear_layers() -> LayerFactory:
    """Float layers without the nonlinearity of the float twin, to see the block alone."""
    layers = float_layers()
    return LayerFactory(layers.conv2d, layers.linear, layers.input_conv2d, nn.Identity)


def used(module: nn.Module, *size: int) -> nn.Module:
    """In evaluation mode, with norms that do something."""
    for norm in module.modules():
        if isinstance(norm, nn.BatchNorm2d):
            nn.init.normal_(norm.weight)
            nn.init.normal_(norm.bias)
    module(torch.randn(8, *size))
    return module.eval()


@pytest.mark.parametrize("pre_norm", [False, True])
@pytest.mark.parametrize("activation", ["hardtanh", "none"])
def test_basic_block(activation: str, pre_norm: bool) -> None:
    torch.manual_seed(0)
    act = F.hardtanh if activation == "hardtanh" else torch.clone
    x = torch.randn(2, 3, 6, 6)
    for shortcuts in ("convolution", "block"):
        block = used(
            BasicBlock(linear_layers(), 3, 5, 2, (6, 6), design(shortcuts, activation, pre_norm=pre_norm)), 3, 6, 6
        )
        skip = block.shortcut(x)
        first = block.bn1(block.conv1(block.before1(x)))
        h = act(first + skip) if shortcuts == "convolution" else act(first)
        last = block.bn2(block.conv2(block.before2(h)))
        expected = act(last + h) if shortcuts == "convolution" else act(last + skip)
        torch.testing.assert_close(block(x), expected, rtol=0, atol=0)
        norms = [m for n, m in block.named_modules() if isinstance(m, nn.BatchNorm2d) and n.startswith("before")]
        assert [norm.num_features for norm in norms] == ([3, 5] if pre_norm else [])


@pytest.mark.parametrize("shortcuts", ["convolution", "block"])
@pytest.mark.parametrize(("inputs", "stride"), [(12, 1), (6, 2), (6, 1)])
def test_bottleneck(shortcuts: str, inputs: int, stride: int) -> None:
    torch.manual_seed(1)
    block = used(Bottleneck(linear_layers(), inputs, 3, stride, (6, 6), design(shortcuts, "hardtanh")), inputs, 6, 6)
    x = torch.randn(2, inputs, 6, 6)
    h = F.hardtanh(block.bn1(block.conv1(x)))
    g = block.bn2(block.conv2(h))
    if shortcuts == "convolution" and stride == 1:
        g = g + h
    y = F.hardtanh(block.bn3(block.conv3(F.hardtanh(g))) + block.shortcut(x))
    torch.testing.assert_close(block(x), y, rtol=0, atol=0)
    assert y.shape == (2, 12, 6 // stride, 6 // stride)
    assert isinstance(block.shortcut, nn.Identity) == (inputs == 12)


@pytest.mark.parametrize("kind", DOWNSAMPLES)
@pytest.mark.parametrize("stride", [1, 2])
def test_shortcuts_fit_the_convolution_beside_them(kind: str, stride: int) -> None:
    for height in range(1, 10):
        x = torch.empty(2, 3, height, 4, device="meta")
        with torch.device("meta"):
            beside = nn.Conv2d(3, 8, 3, stride=stride, padding=1)
            assert shortcut(kind, 3, 8, stride, (height, 4))(x).shape == beside(x).shape  # type: ignore[arg-type]


@pytest.mark.parametrize("height", [1, 4, 5])
def test_the_order_of_means_and_convolutions(height: int) -> None:
    torch.manual_seed(2)
    x = torch.randn(2, 3, height, 4)
    padded = torch.cat([torch.full((2, 3, height % 2, 4), torch.nan), x], dim=2)
    windows = padded.unfold(2, 2, 2).unfold(3, 2, 2).flatten(-2)

    def means(windows: Tensor) -> Tensor:
        return windows.nanmean(-1)

    pad = shortcut("average-pad", 3, 8, 2, (height, 4))
    expected = torch.cat(
        [torch.zeros(2, 2, *windows.shape[2:4]), means(windows), torch.zeros(2, 3, *windows.shape[2:4])], 1
    )
    torch.testing.assert_close(pad(x), expected)

    first = used(shortcut("average-conv", 3, 8, 2, (height, 4)), 3, height, 4)
    pool, conv, norm = first
    torch.testing.assert_close(first(x), norm(conv(means(windows))))
    last = used(shortcut("conv-average", 3, 8, 2, (height, 4)), 3, height, 4)
    conv, norm, pool = last
    torch.testing.assert_close(last(x), pool(norm(conv(x))))
    plain = shortcut("conv", 3, 8, 2, (height, 4))
    assert [type(part) for part in plain] == [nn.Conv2d, nn.BatchNorm2d]
    torch.testing.assert_close(plain[0](x), F.conv2d(x[:, :, ::2, ::2], plain[0].weight))


@pytest.mark.parametrize("side", [4, 31, 32, 64, 65, 224])
def test_stems(side: int) -> None:
    for form, reduced in (("small", side), ("large", -(-side // 4))):
        with torch.device("meta"):
            stem = float_stem(form, 3, 8, nn.Hardtanh())  # type: ignore[arg-type]
            assert stem(torch.empty(1, 3, side, side)).shape == (1, 8, reduced, reduced)
        assert after_stem(form, side) == reduced  # type: ignore[arg-type]
    assert [type(part) for part in stem] == [nn.Conv2d, nn.BatchNorm2d, nn.Hardtanh, nn.MaxPool2d]


def test_the_usual_place_of_shortcuts_depends_on_the_stem() -> None:
    with torch.device("meta"):
        for size, each in ((64, False), (65, True)):
            net = resnet18(float_layers(), num_classes=2, input_size=(1, 3, size, size))
            assert {block.around_each for block in net.blocks} == {each}
        forced = resnet18(
            float_layers(), num_classes=2, input_size=(1, 3, 65, 65), stem="small", shortcuts="convolution"
        )
    assert forced.stem[0].kernel_size == (3, 3)
    assert all(block.around_each for block in forced.blocks)


def test_scales_of_the_blocks_norms_start_where_they_are_told() -> None:
    net = resnet18(float_layers(), num_classes=2, norm_scale=1e-8)
    for name, norm in net.named_modules():
        if isinstance(norm, nn.BatchNorm2d | nn.BatchNorm1d):
            inside = ".bn" in name
            assert (norm.weight == (1e-8 if inside else 1)).all(), name
    assert sum(".bn" in name for name, _ in net.named_modules()) == 16


@pytest.mark.parametrize("shape", [(2, 5, 3, 4), (3, 5)])
def test_channel_layer_norm(shape: tuple[int, ...]) -> None:
    torch.manual_seed(3)
    x = torch.randn(shape, dtype=torch.float64, requires_grad=True)
    norm = ChannelLayerNorm(5, eps=1e-3).double()
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    expected = F.layer_norm(x.movedim(1, -1), (5,), norm.weight, norm.bias, 1e-3).movedim(-1, 1)
    torch.testing.assert_close(norm(x), expected)
    assert torch.autograd.gradcheck(norm, x)
    torch.testing.assert_close(norm.eval()(x), expected)
    half = ChannelLayerNorm(5).to(torch.bfloat16)(x.to(torch.bfloat16))
    assert half.dtype is torch.bfloat16
    torch.testing.assert_close(half.double(), ChannelLayerNorm(5).double()(x), rtol=0.02, atol=0.02)


@pytest.mark.parametrize("shape", [(64, 128, 3, 3), (64, 128)])
def test_a_whole_number_that_equals_the_mean_gives_the_bias(shape: tuple[int, ...]) -> None:
    torch.manual_seed(4)
    x = 2.0 * torch.randint(-20, 20, shape)
    x[:, -1] -= x.sum(1) % 256  # a multiple of twice the channels: an even mean
    y = ChannelLayerNorm(128)(x)
    exact = 128 * x.long() - x.long().sum(1, keepdim=True)
    assert (exact == 0).sum() > 100
    assert torch.equal(y.sign(), exact.sign().float())


def test_channel_layer_norm_refuses() -> None:
    for channels, eps in ((0, 1e-3), (3, 0.0), (3, float("nan"))):
        with pytest.raises(ConfigError, match="channels >= 1 and eps > 0"):
            ChannelLayerNorm(channels, eps=eps)
    for shape in ((2, 4, 3, 3), (2, 3, 3)):
        with pytest.raises(ShapeError, match=r"takes \[N, 3, H, W\] or \[N, 3\]; got"):
            ChannelLayerNorm(3)(torch.zeros(shape))
