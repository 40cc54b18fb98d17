"""Si-BNN as a whole: its published gradients, its first weights, who is decayed."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from signbit.alphabet import Alphabet
from signbit.errors import ConfigError
from signbit.layers import BinaryConv2d
from signbit.methods import create_model, create_optimizer, resolve
from signbit.roles import Role, parameter_roles
from signbit.transforms import ChannelThreshold


def one_layer(rho: float = 0.3) -> BinaryConv2d:
    """A layer with weights on both sides of the clip, and thresholds and slopes that differ."""
    torch.manual_seed(1)
    layer = resolve("si-bnn", {"rho": rho}).layers().conv2d(4, 5, 3, padding=1).double()
    assert isinstance(layer, BinaryConv2d)
    nn.init.normal_(layer.weight)
    threshold = layer.input_pipeline[0]
    assert isinstance(threshold, ChannelThreshold)
    nn.init.normal_(threshold.threshold, std=0.3)
    nn.init.uniform_(threshold.slope, 0.5, 2)
    return layer


@pytest.mark.parametrize("rho", [0.0, 0.3, 0.8])
def test_gradients_are_the_published_ones(rho: float) -> None:
    layer = one_layer(rho)
    x = torch.randn(2, 4, 6, 6, dtype=torch.float64, requires_grad=True)
    upstream = torch.randn(2, 5, 6, 6, dtype=torch.float64)
    y = layer(x)
    y.backward(upstream)

    t, s = (p.detach()[:, None, None] for p in layer.input_pipeline.parameters())
    measured = s * (x.detach() - t)
    bits = (measured > 0).double().requires_grad_()
    w = layer.weight.detach().numpy()
    signs, n = np.where(w < 0, -1.0, 1.0), w[0].size
    alpha = np.abs(w).mean((1, 2, 3), keepdims=True)
    scaled = torch.tensor(alpha * signs, requires_grad=True)
    expected = F.conv2d(bits, scaled, padding=1)
    expected.backward(upstream)
    np.testing.assert_allclose(y.detach(), expected.detach(), atol=1e-12)

    assert scaled.grad is not None
    g = scaled.grad.numpy()
    to_weight = (1 - 1 / n) * g * (np.abs(w) <= 1) + signs / n * (signs * g).sum((1, 2, 3), keepdims=True)
    np.testing.assert_allclose(layer.weight.grad, to_weight, atol=1e-12)

    assert bits.grad is not None
    passed = bits.grad * ((measured > -rho) & (measured < 1))
    gradients = [p.grad for p in layer.input_pipeline.parameters()]
    np.testing.assert_allclose(x.grad, s * passed, atol=1e-12)
    np.testing.assert_allclose(gradients[0], -(s * passed).sum((0, 2, 3)), atol=1e-12)  # type: ignore[arg-type]
    np.testing.assert_allclose(
        gradients[1],  # type: ignore[arg-type]
        ((x.detach() - t) * passed).sum((0, 2, 3)),
        atol=1e-12,
    )


def test_sums_are_exact_before_they_are_scaled() -> None:
    layer = one_layer().float()
    sums: list[torch.Tensor] = []
    layer.output_scale.register_forward_pre_hook(lambda _, inputs: sums.append(inputs[0]))
    layer(torch.randn(2, 4, 6, 6))
    assert torch.equal(sums[0], sums[0].round())


def test_first_weights_are_narrow() -> None:
    torch.manual_seed(0)
    weight = resolve("si-bnn").layers().conv2d(64, 64, 3).weight
    assert isinstance(weight, nn.Parameter)
    assert weight.detach().std() * 576 == pytest.approx(1, abs=0.02)


def test_alphabet_and_roles() -> None:
    net = create_model("convnet-tiny", method="si-bnn", num_classes=10)
    layer = next(module for module in net.modules() if isinstance(module, BinaryConv2d))
    assert layer.input_pipeline[-1].alphabet is Alphabet.ZERO_ONE  # type: ignore[union-attr]
    roles = [role for name, role in parameter_roles(net).items() if "input_pipeline" in name]
    assert set(roles) == {Role.THRESHOLD}


def test_thresholds_are_not_decayed_even_if_decay_is_overridden() -> None:
    net = create_model("convnet-tiny", method="si-bnn", num_classes=10)
    for decay in (None, 0.5):
        overrides = {} if decay is None else {"weight_decay": decay}
        optimizer = create_optimizer(net, method="si-bnn", **overrides)
        decays = {name: part.param_groups[0]["weight_decay"] for name, part in optimizer.parts.items()}  # type: ignore[attr-defined]
        assert decays == {"latent": decay or 1e-5, "ordinary": decay or 1e-5, "threshold": 0}


def test_weights_stay_within_reach() -> None:
    net = create_model("convnet-tiny", method="si-bnn", num_classes=10, width=4)
    optimizer = create_optimizer(net, method="si-bnn", lr=5.0)
    net(torch.randn(4, 1, 8, 8)).square().sum().backward()
    optimizer.step()
    largest = [p.abs().max().item() for p in optimizer.parts["latent"].param_groups[0]["params"]]  # type: ignore[attr-defined]
    assert largest == [1, 1, 1]


def test_rho_out_of_range_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"rho is in \[0, 1\]; got 2"):
        resolve("si-bnn", {"rho": 2})
