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
        lambda x: F.adaptive_avg_pool2d(x, 1).view(x.shape[0], -1),
        lambda x: F.adaptive_avg_pool2d(x, 1).reshape(-1, x.size(1)),
        lambda x: F.adaptive_avg_pool2d(x, 1).flatten(1) + 1,
    ],
)
def test_functions(function: Callable[[Tensor], Tensor]) -> None:
    images = torch.randn(3, 2, 4, 6, generator=torch.Generator().manual_seed(1))
    assert_equal_networks(Applied(function), images)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda x: x - x, "added, not subtracted"),
        (lambda x: 1 / x, "divides by a tensor"),
        (lambda x: x + torch.zeros(4, 6), r"constant of shape \[4, 6\] is not one number per channel \(3\)"),
        (lambda x: x.view(-1, 3), "only views as a vector or as an image of one pixel"),
        (lambda x: torch.flatten(x), r"flattens dimensions 0 to -1; use torch.flatten\(x, 1\)"),
        (lambda x: x.flatten(1) + torch.ones(72), "ends in a flattened image"),
        (
            lambda x: x + F.max_pool2d(x, 2),
            r"add: cannot be stored .* add needs \(4, 6, 3\) or \(1, 1, 3\), not \(2, 3, 3\)",
        ),
        (lambda x: x + x.mean((2, 3)), r"adds tensors of 4 and 2 dimensions; .* v\[:, :, None, None\]"),
        (lambda x: x + x.mean((2, 3)).unsqueeze(-1), r"reads \[N, C, 1\]"),
        (lambda x: F.relu(x.mean((2, 3))[..., None]), r"relu: reads \[N, C, 1\]"),
        (lambda x: x + x.mean((1, 2, 3), keepdim=True), r"mean over \(1, 2, 3\) of 4 dimensions"),
        (lambda x: x + x.mean(), r"mean over None"),
        (lambda x: x[:, :1], "picks parts of a tensor"),
        (lambda x: x[:, :, None, None], "picks parts of a tensor"),
        (lambda x: x.view(-1, 72, 1, 1), "only a vector of channels can become an image of one pixel"),
        (lambda x: x.flatten(1)[..., None, None], "only a vector of channels can become an image of one pixel"),
        (lambda x: x.mean((2, 3)).unsqueeze(1), r"adds dimension 1; only dimensions at the end"),
        (lambda x: F.linear(x, torch.ones(5, 6)), r"Linear on an image cannot be exported; flatten it first"),
        (lambda x: x.T, "reads attribute 'T'"),
    ],
)
def test_what_functions_refuse(function: Callable[[Tensor], Tensor], message: str) -> None:
    with pytest.raises(ExportError, match=message):
        lower_model(Applied(function), torch.zeros(1, 2, 4, 6))
