"""Weight gradients of some filters: those are right, the others are 0, and nothing else changes."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from signbit.binarizers import SignClip
from signbit.layers import BinaryConv2d, BinaryLinear, focus_gradients


def layer(kind: str, **settings: Any) -> tuple[BinaryConv2d | BinaryLinear, Tensor]:
    torch.manual_seed(0)
    parts: dict[str, Any] = {
        "input_pipeline": nn.Sequential(SignClip()), "weight_pipeline": nn.Sequential(SignClip()), **settings,
    }  # fmt: skip
    if kind == "linear":
        return BinaryLinear(33, 65, **parts), torch.randn(3, 33)
    return BinaryConv2d(4, 66, (3, 2), stride=(2, 1), padding=(1, 0), dilation=(1, 2), **parts), torch.randn(2, 4, 7, 9)


def gradients(layer: nn.Module, x: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
    x = x.clone().requires_grad_()
    layer.zero_grad()
    y = layer(x)
    (y * torch.linspace(-1, 1, y.numel()).view_as(y)).sum().backward()
    assert x.grad is not None
    grad = layer.weight.grad
    return y.detach(), x.grad, None if grad is None else grad.clone()


@pytest.mark.parametrize("kind", ["conv", "linear"])
@pytest.mark.parametrize("pad_value", [0.0, 1.0])
def test_the_gradients_of_active_filters_are_those_of_the_whole(kind: str, pad_value: float) -> None:
    net, x = layer(kind, **({} if kind == "linear" else {"pad_value": pad_value}))
    y, of_x, of_weight = gradients(net, x)
    assert of_weight is not None
    count = len(net.weight)
    for mask in (torch.arange(count) % 3 == 0, torch.arange(count) == count - 1, torch.rand(count) < 0.5):
        focus_gradients(net, {net.weight: mask})
        some_y, some_x, some_weight = gradients(net, x)
        assert some_weight is not None
        assert torch.equal(some_y, y)
        torch.testing.assert_close(some_x, of_x)
        torch.testing.assert_close(some_weight[mask], of_weight[mask])
        assert bool((some_weight[~mask] == 0).all())
    focus_gradients(net, {})
    assert net.active_filters is None
    assert torch.equal(gradients(net, x)[2], of_weight)


@pytest.mark.parametrize("kind", ["conv", "linear"])
def test_no_active_filter_means_no_gradient(kind: str) -> None:
    net, x = layer(kind)
    of_x = gradients(net, x)[1]
    net.weight.grad = None
    focus_gradients(net, {net.weight: torch.zeros(len(net.weight), dtype=torch.bool)})
    net.zero_grad()
    _, some_x, of_weight = gradients(net, x)
    torch.testing.assert_close(some_x, of_x)
    assert of_weight is None or not of_weight.any()


@pytest.mark.parametrize("kind", ["conv", "linear"])
def test_under_autocast(kind: str) -> None:
    net, x = layer(kind)
    mask = torch.arange(len(net.weight)) % 2 == 0
    with torch.autocast("cpu", torch.bfloat16):
        y, of_x, of_weight = gradients(net, x)
        focus_gradients(net, {net.weight: mask})
        some_y, some_x, some_weight = gradients(net, x)
    assert of_weight is not None
    assert some_weight is not None
    assert y.dtype == some_y.dtype == torch.bfloat16
    assert some_x.dtype == some_weight.dtype == torch.float32
    torch.testing.assert_close(some_x, of_x, rtol=0.02, atol=0.05)
    torch.testing.assert_close(some_weight[mask], of_weight[mask], rtol=0.02, atol=0.05)


def test_groups_compute_everything() -> None:
    torch.manual_seed(0)
    net = BinaryConv2d(4, 8, 3, groups=2, weight_pipeline=nn.Sequential(SignClip()))
    x = torch.randn(1, 4, 5, 5)
    whole = gradients(net, x)
    focus_gradients(net, {net.weight: torch.arange(8) < 3})
    for a, b in zip(whole, gradients(net, x), strict=True):
        assert torch.equal(a, b)
