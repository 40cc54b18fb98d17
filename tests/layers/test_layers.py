"""Binary layers against the plain operation on values binarized by hand."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from signbit.alphabet import Alphabet
from signbit.binarizers import Binarizer, SignClip, SignIdentity
from signbit.errors import ConfigError, ShapeError
from signbit.layers import BinaryConv2d, BinaryLinear, SubsamplePad, binary_layers, float_layers, shift_batch_norm2d
from signbit.roles import Role, parameter_roles


class Step(Binarizer):
    """A {0,1} binarizer without gradient: enough to test what layers do with its alphabet."""

    alphabet = Alphabet.ZERO_ONE

    def forward(self, x: Tensor) -> Tensor:
        return (x > 0).to(x.dtype)


class Double(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return 2 * x


def signs() -> nn.Sequential:
    return nn.Sequential(SignClip())


def latent_conv(*args: int, **settings: object) -> BinaryConv2d:
    return BinaryConv2d(*args, **{"input_pipeline": signs(), "weight_pipeline": signs(), **settings})  # type: ignore[arg-type]


def by_hand(
    x: np.ndarray, w: np.ndarray, stride: int, padding: int, dilation: int, groups: int, pad: float
) -> np.ndarray:
    """A convolution as loops over taps."""
    outputs, per_group, kernel, _ = w.shape
    x = np.pad(
        np.where(x < 0, -1.0, 1.0), ((0, 0), (0, 0), (padding, padding), (padding, padding)), constant_values=pad
    )
    w = np.where(w < 0, -1.0, 1.0)
    height, width = ((n - dilation * (kernel - 1) - 1) // stride + 1 for n in x.shape[2:])
    y = np.zeros((len(x), outputs, height, width))
    for o in range(outputs):
        first = o // (outputs // groups) * per_group
        for i in range(kernel):
            for j in range(kernel):
                rows = slice(i * dilation, i * dilation + stride * (height - 1) + 1, stride)
                columns = slice(j * dilation, j * dilation + stride * (width - 1) + 1, stride)
                y[:, o] += np.einsum("nchw,c->nhw", x[:, first : first + per_group, rows, columns], w[o, :, i, j])
    return y


@settings(derandomize=True, deadline=None, max_examples=40)
@given(
    channels=st.sampled_from([1, 2, 3, 63, 64, 65]),
    groups=st.sampled_from([1, 1, 2]),
    size=st.integers(5, 8),
    kernel=st.integers(1, 3),
    stride=st.integers(1, 3),
    padding=st.integers(0, 2),
    dilation=st.integers(1, 2),
    pad_value=st.sampled_from([0.0, -1.0, 1.0]),
    role=st.sampled_from([Role.LATENT, Role.BINARY]),
    seed=st.integers(0, 99),
)
def test_conv_equals_loops_over_taps(
    channels: int, groups: int, size: int, kernel: int, stride: int, padding: int, dilation: int, pad_value: float,
    role: Role, seed: int,
) -> None:  # fmt: skip
    torch.manual_seed(seed)
    conv = BinaryConv2d(
        channels * groups, 2 * groups, kernel, stride=stride, padding=padding, dilation=dilation, groups=groups,
        pad_value=pad_value, input_pipeline=signs(), weight_pipeline=signs() if role is Role.LATENT else None,
        weight_role=role,
    )  # fmt: skip
    x = torch.randn(2, channels * groups, size, size)
    x[0, 0, 0, :2] = torch.tensor([0.0, -0.0])
    expected = by_hand(x.numpy(), conv.weight.detach().numpy(), stride, padding, dilation, groups, pad_value)
    np.testing.assert_array_equal(conv(x).detach().numpy(), expected)


def test_pairs_are_height_first() -> None:
    conv = latent_conv(2, 3, (1, 3), stride=(2, 1), padding=(0, 1), dilation=(1, 2), pad_value=1.0)
    x = torch.randn(1, 2, 9, 8)
    padded = F.pad(torch.where(x < 0, -1.0, 1.0), (1, 1, 0, 0), value=1.0)
    expected = F.conv2d(padded, conv.binary_weight(), stride=(2, 1), dilation=(1, 2))
    assert torch.equal(conv(x), expected)


def test_gradients_are_those_of_the_pipelines() -> None:
    conv = latent_conv(3, 4, 3, padding=1)
    with torch.no_grad():
        conv.weight.mul_(4)
    x = (1.5 * torch.randn(2, 3, 5, 5)).requires_grad_()
    upstream = torch.randn(2, 4, 5, 5)
    conv(x).backward(upstream)
    a, w = (torch.where(t < 0, -1.0, 1.0).detach().requires_grad_() for t in (x, conv.weight))
    F.conv2d(a, w, padding=1).backward(upstream)
    assert torch.equal(x.grad, a.grad * (x.abs() <= 1))  # type: ignore[operator, arg-type]
    assert torch.equal(conv.weight.grad, w.grad * (conv.weight.abs() <= 1))  # type: ignore[operator, arg-type]


def test_linear() -> None:
    linear = BinaryLinear(65, 7, input_pipeline=signs(), weight_pipeline=signs(), output_scale=Double())
    x = torch.randn(3, 65)
    expected = 2 * np.where(x < 0, -1.0, 1.0) @ np.where(linear.weight.detach() < 0, -1.0, 1.0).T
    np.testing.assert_array_equal(linear(x).detach().numpy(), expected)


def test_real_input_with_binary_weights() -> None:
    conv = BinaryConv2d(3, 4, 3, weight_role=Role.BINARY)
    x = torch.randn(1, 3, 6, 6)
    assert torch.equal(conv(x), F.conv2d(x, conv.weight))
    assert conv.binary_weight() is conv.weight


def test_bfloat16_autocast_loses_nothing() -> None:
    conv = latent_conv(64, 8, 3, padding=1)
    x = torch.randn(2, 64, 6, 6)
    exact = conv(x)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        lowered = conv(x)
    assert lowered.dtype == torch.bfloat16
    assert torch.equal(lowered, exact.bfloat16())


def test_weights_and_roles() -> None:
    latent, binary = latent_conv(3, 4, 3), BinaryConv2d(3, 4, 3, weight_role=Role.BINARY)
    assert parameter_roles(nn.Sequential(latent, binary, nn.Linear(2, 2))) == {
        "0.weight": Role.LATENT, "1.weight": Role.BINARY, "2.weight": Role.ORDINARY, "2.bias": Role.ORDINARY,
    }  # fmt: skip
    assert torch.equal(binary.weight.abs(), torch.ones(4, 3, 3, 3))
    bound = (6 / (9 * (3 + 4))) ** 0.5
    assert 0.5 * bound < latent.weight.abs().max() <= bound
    torch.manual_seed(3)
    drawn = latent_conv(3, 4, 3).weight
    torch.manual_seed(3)
    assert torch.equal(BinaryConv2d(3, 4, 3, weight_role=Role.BINARY).weight, torch.where(drawn < 0, -1.0, 1.0))


@pytest.mark.parametrize("copier", [copy.deepcopy, lambda layer: pickle.loads(pickle.dumps(layer))])
def test_copies_keep_roles_and_results(copier: object) -> None:
    conv = latent_conv(3, 4, 3)
    copied: BinaryConv2d = copier(conv)  # type: ignore[operator]
    x = torch.randn(1, 3, 5, 5)
    assert torch.equal(copied(x), conv(x))
    assert parameter_roles(copied) == parameter_roles(conv)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"groups": 2}, "multiples of groups; got in_channels=3"),
        ({"stride": 0}, "stride is one integer >= 1"),
        ({"padding": (1, -1)}, "padding is one integer >= 0"),
        ({"dilation": (1, 1, 1)}, "dilation is one integer"),
        ({"pad_value": 0.5}, "PM1 is one of [-1, 0, 1]; got 0.5"),
        ({"input_pipeline": nn.Sequential(Step()), "pad_value": -1}, "ZERO_ONE is one of [0, 1]; got -1"),
        ({"input_pipeline": None, "pad_value": 1}, "a real input is one of [0]; got 1"),
        ({"input_pipeline": nn.Sequential(SignIdentity(), nn.ReLU())}, "ends in a Binarizer; got ReLU last"),
        ({"weight_pipeline": nn.Sequential(Step())}, "ends in ZERO_ONE"),
        ({"weight_pipeline": None}, "LATENT needs a weight_pipeline"),
        ({"weight_role": Role.BINARY}, "got a weight_pipeline too"),
        ({"weight_role": Role.ORDINARY}, "LATENT or BINARY; got ORDINARY"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        latent_conv(3, 4, 3, **settings)
    assert message in str(caught.value)


@pytest.mark.parametrize("shape", [(2, 4, 5, 5), (3, 5, 5), (2, 3, 5)])
def test_conv_names_the_shape_it_takes(shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match=r"takes \[N, 3, H, W\]; got "):
        latent_conv(3, 4, 3)(torch.zeros(shape))


def test_linear_names_the_shape_it_takes() -> None:
    linear = BinaryLinear(4, 2, weight_role=Role.BINARY)
    with pytest.raises(ShapeError, match=r"takes \[N, 4\]; got \[3, 5\]"):
        linear(torch.zeros(3, 5))
    with pytest.raises(ConfigError, match="features are >= 1"):
        BinaryLinear(0, 2, weight_role=Role.BINARY)


def test_zero_one_alphabet_and_its_padding() -> None:
    conv = latent_conv(2, 3, 3, padding=1, pad_value=1.0, input_pipeline=nn.Sequential(Step()))
    x = torch.randn(1, 2, 4, 4)
    expected = F.conv2d(F.pad((x > 0).float(), (1, 1, 1, 1), value=1.0), conv.binary_weight())
    assert torch.equal(conv(x), expected)


def test_subsample_pad() -> None:
    x = torch.randn(2, 3, 5, 4)
    y = SubsamplePad(2, 1, 2)(x)
    assert y.shape == (2, 6, 3, 2)
    assert torch.equal(y[:, 1:4], x[:, :, ::2, ::2])
    assert not y[:, 0].any()
    assert not y[:, 4:].any()
    with pytest.raises(ConfigError, match="stride >= 1"):
        SubsamplePad(0, 1, 1)


def test_shift_batch_norm_has_a_shift_and_no_scale() -> None:
    norm = shift_batch_norm2d(3, momentum=0.01, eps=1e-3)
    assert [name for name, _ in norm.named_parameters()] == ["bias"]
    with torch.no_grad():
        norm.bias.copy_(torch.tensor([1.0, -2.0, 0.0]))
    x = torch.randn(4, 3, 5, 5)
    mean, variance = x.mean((0, 2, 3), keepdim=True), x.var((0, 2, 3), unbiased=False, keepdim=True)
    torch.testing.assert_close(norm(x), (x - mean) / (variance + 1e-3).sqrt() + norm.bias.view(3, 1, 1))
    torch.testing.assert_close(norm.running_mean, 0.01 * mean.flatten())
    assert norm.eval()(x).shape == x.shape


def test_factories_make_layers_of_their_own() -> None:
    binary = binary_layers(
        input_side=lambda _: signs(), weight_side=lambda _: signs(), output_scale=lambda _: nn.Identity(),
        weight_role=Role.LATENT,
    )  # fmt: skip
    one, other = binary.conv2d(2, 3, 3, stride=2), binary.conv2d(2, 3, 3)
    assert isinstance(one, BinaryConv2d)
    assert isinstance(other, BinaryConv2d)
    assert one.stride == (2, 2)
    assert one.input_pipeline is not other.input_pipeline
    first = binary.input_conv2d(2, 3, 3)
    assert isinstance(first, BinaryConv2d)
    assert len(first.input_pipeline) == 0
    assert isinstance(binary.linear(2, 3), BinaryLinear)
    twin = float_layers()
    assert isinstance(twin.conv2d(2, 3, 3), nn.Conv2d)
    assert twin.linear(2, 3).bias is None
    assert isinstance(twin.activation(), nn.Hardtanh)
