"""The function forms of modules, arithmetic with constants, and the ways to flatten."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from exporter.networks import assert_equal_networks
from signbit.errors import ExportError
from signbit.exporter import lower_model

MATRIX = torch.linspace(-1, 1, 72 * 3).view(72, 3)
PER_CHANNEL = torch.tensor([0.5, -2.0, 0.25]).view(3, 1, 1)


class Applied(nn.Module):
    """A convolution and what a test does with its output."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.function = nn.Conv2d(2, 3, 1), function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(self.conv(x))


@pytest.mark.parametrize(
    "function",
    [
        lambda x: F.relu(x, inplace=True),
        lambda x: F.hardtanh(x, -0.5, 0.25),
        lambda x: F.leaky_relu(x, 0.3),
        lambda x: F.dropout(x, 0.5, training=False),
        lambda x: F.max_pool2d(x, 2),
        lambda x: F.max_pool2d(x, kernel_size=3, stride=2, padding=1),
        lambda x: F.avg_pool2d(x, 3, 2, 1, count_include_pad=False),
        lambda x: F.adaptive_avg_pool2d(x, (2, 1)),
        lambda x: torch.flatten(F.adaptive_avg_pool2d(x, 1), 1),
        lambda x: torch.relu(x) + x,
        lambda x: 1 - x,
        lambda x: torch.sub(x, PER_CHANNEL, alpha=2),
        lambda x: (x + 1.5) * PER_CHANNEL[None] / 4,
        lambda x: -x.mul(3).add(x),
        lambda x: torch.sub(torch.relu(x), x, alpha=0.5),
        lambda x: F.relu6(x + 3).clamp(min=1) - x.clamp_min(0.5),
        lambda x: torch.cat([x, -x, torch.relu(x)], 1),
        lambda x: torch.cat(x.split([1, 2], 1)[::-1], dim=-3),
        lambda x: x[:, 1:] + x[:, :2] * 2,
        lambda x: x[:, ::2, 1:3, 1::2],
        lambda x: x[:, :, :-1, ::3] + x[:, :, 1:, ::3],
        lambda x: x[:, :, ::2][:, :, :, ::2][:, :, ::2],
        lambda x: F.pad(x, (0, 1, 2, 0, 1, 3)),
        lambda x: F.conv2d(F.pad(x, (0, 1, 0, 1)), torch.ones(2, 3, 3, 3), padding=1),
        lambda x: F.linear(torch.cat([x.flatten(1), x.mean((2, 3))], 1), torch.eye(75)[:7]),
        lambda x: F.linear(x.flatten(1)[:, 5:20:3], torch.ones(2, 5)),
        lambda x: x.float().contiguous().squeeze(),
        lambda x: F.adaptive_avg_pool2d(x, 1).view(x.shape[0], -1),
        lambda x: F.adaptive_avg_pool2d(x, 1).reshape(-1, x.size(1)),
        lambda x: F.adaptive_avg_pool2d(x, 1).flatten(1) + 1,
        lambda x: F.linear(x.flatten(1).relu_(), MATRIX.T).mul_(2),
        lambda x: x[:, :2].relu_(),
        lambda x: F.adaptive_avg_pool2d(x, 1).view(x.size(0), -1).sigmoid_().add_(1)[..., None, None] + 1,
        lambda x: x * x,
        lambda x: F.hardsigmoid(4 * x),
        lambda x: F.hardswish(4 * x) - F.silu(x),
        lambda x: F.silu(x).mul_(F.adaptive_avg_pool2d(x, 1)),
        lambda x: torch.mul(x.mean((2, 3)), F.hardsigmoid(x.mean((2, 3)))),
        lambda x: F.linear(x.flatten(1) * F.linear(x.mean((2, 3)), MATRIX).sigmoid(), MATRIX.T),
        lambda x: F.avg_pool2d(x.mean((2, 3), keepdim=True).expand_as(x), 3, 2, 1),
    ],
)
def test_functions(function: Callable[[Tensor], Tensor]) -> None:
    images = torch.randn(3, 2, 4, 6, generator=torch.Generator().manual_seed(1))
    assert_equal_networks(Applied(function), images)


@pytest.mark.parametrize(
    "function",
    [
        lambda x, v: x * v.view(x.size(0), -1, 1, 1),
        lambda x, v: v[..., None, None] * x,
        lambda x, v: x.mul(v.unsqueeze(-1).unsqueeze(-1)),
        lambda x, v: x * v.view(x.shape[0], x.shape[1], 1, 1).expand_as(x),
        lambda x, v: v[:, :, None, None].expand(-1, -1, *x.shape[2:]) * x,
        lambda x, v: torch.mul(x, v[:, :, None, None].repeat(1, 1, *x.shape[2:])),
        lambda x, v: x * (v[:, :, None, None].expand(x.shape) + 0.0),
    ],
)
def test_a_gate_is_one_number_a_channel_however_it_is_written(function: Callable[[Tensor, Tensor], Tensor]) -> None:
    images = torch.randn(3, 2, 4, 6, generator=torch.Generator().manual_seed(1))
    graph = assert_equal_networks(Applied(lambda x: function(x, torch.sigmoid(x.mean((2, 3))))), images)
    (product,) = (node for node in graph.nodes if node.op == "mul")
    assert [graph.values[index].shape for index in product.inputs] == [(4, 6, 3), (1, 1, 3)]


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda x: 1 / x, "divides by a tensor"),
        (lambda x: x + torch.zeros(4, 6), r"constant of shape \[4, 6\] is not one number per channel \(3\)"),
        (lambda x: x.view(-1, 3), r"view makes something that mixes the images"),
        (lambda x: torch.flatten(x), r"mixes the images of a batch .* use torch.flatten\(x, 1\)"),
        (lambda x: x.flatten(1) + torch.ones(72), "ends in a flattened image"),
        (
            lambda x: x + x.view(x.shape[0], -1)[:, :24].view(-1, 1, 4, 6),
            r"view_1: view makes \[N, 1, 4, 6\] of \[N, 24\]",
        ),
        (lambda x: x + x[:, :1], r"add: cannot be stored .* add needs \(4, 6, 3\) or \(1, 1, 3\), not \(4, 6, 1\)"),
        (lambda x: x.mean((2, 3)).unsqueeze(-1) + 1, r"reads \[N, C, 1\]"),
        (lambda x: F.relu(x.mean((2, 3))[..., None]), r"relu: reads \[N, C, 1\]"),
        (lambda x: x + x.mean((1, 2, 3), keepdim=True), r"mean over \(1, 2, 3\) of 4 dimensions"),
        (lambda x: x + x.mean(), r"mean over None"),
        (lambda x: x[:, 0], "operation 'select' has no counterpart .* pick channels by a slice"),
        (lambda x: x[:, :, None, None], r"unsqueeze makes \[N, 3, 1, 4, 6\]"),
        (lambda x: x.view(-1, 72, 1, 1), "ends in a flattened image"),
        (lambda x: x.flatten(1)[..., None, None], "ends in a flattened image"),
        (lambda x: x.mean((2, 3)).unsqueeze(1), r"unsqueeze makes \[N, 1, 3\] of \[N, 3\]"),
        (lambda x: F.linear(x, torch.ones(5, 6)), r"linear on an image cannot be exported; flatten it first"),
        (lambda x: x / x.mean((2, 3), keepdim=True), "divides by a tensor"),
        (lambda x: x * x[:, :, :1], r"mul: cannot be stored .* mul needs \(4, 6, 3\) or \(1, 1, 3\), not \(1, 6, 3\)"),
        (lambda x: x * x.mean((2, 3))[:, :1, None, None], r"mul needs \(4, 6, 3\) or \(1, 1, 3\), not \(1, 1, 1\)"),
        (lambda x: x.flatten(1) * x.flatten(1)[:, :1], "mul of a flattened image and a vector"),
        (lambda x: x[:, :1].expand(-1, 3, -1, -1), r"expand of \[N, 1, 4, 6\] cannot .* only \[N, C, 1, 1\]"),
        (lambda x: x.mean((2, 3), keepdim=True).repeat(1, 2, 1, 1), r"repeat of \[N, 3, 1, 1\] cannot be exported"),
        (lambda x: x.mean((2, 3), keepdim=True).repeat(2, 1, 4, 6), r"repeat of \[N, 3, 1, 1\] cannot be exported"),
        (lambda x: x**2, r"'pow' has no counterpart .* write x \* x"),
    ],
)
def test_what_functions_refuse(function: Callable[[Tensor], Tensor], message: str) -> None:
    with pytest.raises(ExportError, match=message):
        lower_model(Applied(function), torch.zeros(1, 2, 4, 6))
