"""Transforms against the rules of all transforms and their own equations, written in numpy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
import torch

from signbit.errors import ConfigError
from signbit.testing import check_transform
from signbit.testing.transforms import Array, Backward, Forward
from signbit.transforms import (
    TRANSFORMS,
    ChannelScale,
    ChannelThreshold,
    MeanAbsScale,
    QuantizeActivation,
    QuantizeGradient,
    QuantizeWeight,
    SelfDistribution,
    StandardizeActivation,
    StandardizeWeight,
    WeightSelfDistribution,
)

Parameters = Mapping[str, Array]


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def per_channel(values: Array) -> Array:
    return values[:, None, None]


def self_distribution(x: Array, p: Parameters) -> Array:
    first, second = p["squeeze.weight"][:, :, 0, 0], p["expand.weight"][:, :, 0, 0]
    return x + sigmoid(np.maximum(x.mean((2, 3)) @ first.T, 0) @ second.T)[:, :, None, None]


def self_distribution_backward(x: Array, g: Array, p: Parameters) -> dict[str, Array]:
    first, second = p["squeeze.weight"][:, :, 0, 0], p["expand.weight"][:, :, 0, 0]
    z = x.mean((2, 3))
    a = z @ first.T
    h = np.maximum(a, 0)
    beta = sigmoid(h @ second.T)
    to_logits = g.sum((2, 3)) * beta * (1 - beta)
    to_a = to_logits @ second * (a > 0)
    return {
        "x": g + (to_a @ first / x[0, 0].size)[:, :, None, None],
        "squeeze.weight": (to_a.T @ z)[:, :, None, None],
        "expand.weight": (to_logits.T @ h)[:, :, None, None],
    }


def weight_self_distribution(w: Array, p: Parameters) -> Array:
    return np.stack([f + 0.25 * sigmoid(a) * f.mean() for f, a in zip(w, p["alpha"], strict=True)])


def weight_self_distribution_backward(w: Array, g: Array, p: Parameters) -> dict[str, Array]:
    share = sigmoid(p["alpha"])
    to_alpha = [0.25 * s * (1 - s) * f.mean() * u.sum() for s, f, u in zip(share, w, g, strict=True)]
    return {"x": g, "alpha": np.array(to_alpha)}


def threshold(x: Array, p: Parameters) -> Array:
    return per_channel(np.maximum(p["slope"], 0.01)) * (x - per_channel(p["threshold"]))


def threshold_backward(x: Array, g: Array, p: Parameters) -> dict[str, Array]:
    s, t = np.maximum(p["slope"], 0.01), p["threshold"]
    to_slope = ((x - per_channel(t)) * g).sum((0, 2, 3))
    return {
        "x": per_channel(s) * g,
        "threshold": -s * g.sum((0, 2, 3)),
        "slope": np.where((p["slope"] >= 0.01) | (to_slope < 0), to_slope, 0),
    }


def standardize(gain: float) -> tuple[Forward, Backward]:
    def deviations(w: Array) -> Array:
        rows = w.reshape(len(w), -1)
        return np.sqrt(rows.var(1, ddof=1) + 1e-5).reshape(-1, *(1,) * (w.ndim - 1))

    def backward(w: Array, g: Array, _: Parameters) -> dict[str, Array]:
        s, rest = deviations(w), tuple(range(1, w.ndim))
        centred = w - w.mean(rest, keepdims=True)
        return {
            "x": gain * (g / s - centred * (g * w).sum(rest, keepdims=True) / ((w[0].size - 1) * s**3)),
        }

    return lambda w, _: gain * w / deviations(w), backward


MAPS, FILTERS = (3, 32, 4, 5), (6, 4, 3, 3)

CASES: dict[str, tuple[Any, ...]] = {
    "self-distribution": (lambda: SelfDistribution(32), MAPS, self_distribution, self_distribution_backward),
    "weight-self-distribution": (
        lambda: WeightSelfDistribution(6, strength=0.25), FILTERS,
        weight_self_distribution, weight_self_distribution_backward,
    ),
    "channel-threshold": (lambda: ChannelThreshold(32), MAPS, threshold, threshold_backward),
    "standardize-weight": (StandardizeWeight, FILTERS, *standardize(2 * 2**0.5)),
    "standardize-activation": (StandardizeActivation, MAPS, *standardize(1.0)),
    # Rounding to a grid and random rounding are no smooth equations of the input: they have tests of their own.
    "quantize-weight": (QuantizeWeight, FILTERS),
    "quantize-activation": (QuantizeActivation, MAPS),
    "quantize-gradient": (lambda: QuantizeGradient(seed=0), MAPS),
    "channel-scale": (
        lambda: ChannelScale(32), MAPS,
        lambda x, p: per_channel(p["alpha"]) * x,
        lambda x, g, p: {"x": per_channel(p["alpha"]) * g, "alpha": (g * x).sum((0, 2, 3))},
    ),
}  # fmt: skip


def test_every_transform_has_a_case() -> None:
    assert set(TRANSFORMS.names()) == set(CASES)


@pytest.mark.parametrize("name", CASES)
def test_conforms(name: str, device: str) -> None:
    check_transform(*CASES[name], device=device)


@pytest.mark.parametrize("rows", [(4, 7), (4, 2, 3, 3)])
def test_filters_of_any_rank(rows: tuple[int, ...]) -> None:
    check_transform(
        lambda: WeightSelfDistribution(4, strength=0.25), rows,
        weight_self_distribution, weight_self_distribution_backward,
    )  # fmt: skip


def wrong_mean(x: Array, p: Parameters) -> Array:
    return self_distribution(x, p) + 1e-3


def forgotten_parameter(x: Array, g: Array, p: Parameters) -> dict[str, Array]:
    return {name: value for name, value in self_distribution_backward(x, g, p).items() if name != "expand.weight"}


@pytest.mark.parametrize(
    ("forward", "backward", "message"),
    [
        (wrong_mean, self_distribution_backward, "y in torch.float32"),
        (self_distribution, lambda x, g, p: self_distribution_backward(x, 2 * g, p), "x in torch.float32"),
        (self_distribution, forgotten_parameter, "backward gives x and"),
    ],
)
def test_the_suite_finds_what_is_wrong(forward: Forward, backward: Backward, message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check_transform(lambda: SelfDistribution(32), MAPS, forward, backward)


def test_the_middle_of_self_distribution_is_never_empty() -> None:
    shapes = {c: tuple(SelfDistribution(c, reduction=16).squeeze.weight.shape[:2]) for c in (3, 16, 31, 64)}
    assert shapes == {3: (1, 3), 16: (1, 16), 31: (1, 31), 64: (4, 64)}
    assert SelfDistribution(64, reduction=8).squeeze.weight.shape[0] == 8


def test_the_slope_never_changes_a_bit() -> None:
    x, transform = torch.randn(4, 5, 6, 6), ChannelThreshold(5)
    with torch.no_grad():
        transform.threshold.copy_(torch.tensor([-0.5, 0.0, 0.25, 1.0, 0.0]))
        x[0, 2] = 0.25
        bits = [transform(x) > 0]
        for slope in (-3.0, 0.0, 0.01, 7.0):
            transform.slope.fill_(slope)
            bits.append(transform(x) > 0)
    assert all(torch.equal(other, x > transform.threshold.view(-1, 1, 1)) for other in bits)


def test_a_slope_under_its_bound_comes_back() -> None:
    transform = ChannelThreshold(2)
    with torch.no_grad():
        transform.slope.fill_(-0.5)
    x = torch.tensor([1.0, -1.0]).view(1, 2, 1, 1)
    transform(x).sum().backward()  # a larger slope lowers the loss in channel 1 alone
    assert transform.slope.grad is not None
    assert transform.slope.grad.tolist() == [0, -1]


def test_mean_abs_scale() -> None:
    w = torch.randn(5, 3, 2, 2, dtype=torch.float64)
    w[0, 0, 0, 0] = 0
    w.requires_grad_()
    upstream = torch.randn(5, dtype=torch.float64)
    alpha = MeanAbsScale()(w)
    alpha.backward(upstream)
    signs = np.where(w.detach().numpy() < 0, -1, 1)
    np.testing.assert_allclose(alpha.detach(), np.abs(w.detach().numpy()).reshape(5, -1).mean(1))
    np.testing.assert_allclose(w.grad, signs * upstream.numpy()[:, None, None, None] / 12)


@pytest.mark.parametrize(
    "call",
    [
        lambda: SelfDistribution(0), lambda: SelfDistribution(8, reduction=0), lambda: ChannelThreshold(0),
        lambda: WeightSelfDistribution(0),
    ],
)  # fmt: skip
def test_settings_out_of_range_are_refused(call: Callable[[], object]) -> None:
    with pytest.raises(ConfigError, match=">= 1; got"):
        call()
