"""Methods: assembling, overriding, training."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.lr_scheduler import OneCycleLR

import signbit
from signbit.binarizers import SignClip, SignIdentity, SignPolynomial
from signbit.errors import ConfigError, IncompatibleMethods, UnknownNameError
from signbit.layers import BinaryLayer
from signbit.methods import METHODS, create_model, create_optimizer, resolve
from signbit.models import MODELS
from signbit.optimizers import Bop2ndOrder, Composite
from signbit.roles import Role, parameter_roles
from signbit.testing import check_method

LEFT_AFTER_TWENTY_STEPS = {
    "float": 0.15, "ste": 0.2, "bop": 0.6, "bop2nd": 0.35, "sfao": 0.2, "si-bnn": 0.55, "sd-bnn": 0.92, "cyclebnn": 0.7,
}  # fmt: skip
"""The share of its first loss that a network must be under: a little above the worst of six seeds."""


def digits() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Images and labels to train with, then to test with; every fifth image is for the test."""
    images, labels = load_digits(return_X_y=True)
    x = torch.tensor(images.astype(np.float32).reshape(-1, 1, 8, 8) / 8 - 1)
    y, held_out = torch.tensor(labels), torch.arange(len(labels)) % 5 == 0
    return x[~held_out], y[~held_out], x[held_out], y[held_out]


def tiny(method: str) -> nn.Module:
    torch.manual_seed(0)
    return create_model("convnet-tiny", method=method, num_classes=10, input_size=(1, 1, 8, 8), width=8)


@pytest.mark.parametrize("method", METHODS.names())
@pytest.mark.parametrize("model", MODELS.names())
def test_roles_and_owners(model: str, method: str) -> None:
    with torch.device("meta"):  # shapes without numbers: some models have sixty million weights
        net = create_model(model, method=method, num_classes=10)
    roles = set(parameter_roles(net).values())
    assert roles - {Role.THRESHOLD} == {Role.ORDINARY, resolve(method).weights.role}
    optimizer = create_optimizer(net, method=method, total_steps=10)
    owned = [id(p) for group in optimizer.param_groups for p in group["params"]]
    assert sorted(owned) == sorted(id(p) for p in net.parameters())


@pytest.mark.parametrize("method", METHODS.names())
def test_twenty_steps_lower_the_loss(method: str) -> None:
    x, y, _, _ = digits()
    net = tiny(method)
    rate = max(1e-2, resolve(method).defaults.learning_rate)
    optimizer = create_optimizer(net, method=method, total_steps=20, lr=rate)
    losses = []
    for _ in range(20):
        loss = F.cross_entropy(net(x[:128]), y[:128])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert np.mean(losses[-3:]) < LEFT_AFTER_TWENTY_STEPS[method] * losses[0]


def test_ste_reads_digits() -> None:
    x, y, x_test, y_test = digits()
    torch.manual_seed(0)
    net = create_model("convnet-tiny", method="ste", num_classes=10, input_size=(1, 1, 8, 8))
    defaults, steps = resolve("ste").defaults, 6 * (len(x) // 64)
    optimizer = create_optimizer(net, method="ste", total_steps=steps)
    schedule = OneCycleLR(optimizer, defaults.learning_rate, total_steps=steps, cycle_momentum=False)
    for _ in range(6):
        for batch in torch.randperm(len(x))[: len(x) // 64 * 64].view(-1, 64):
            optimizer.zero_grad()
            F.cross_entropy(net(x[batch]), y[batch]).backward()
            optimizer.step()
            schedule.step()
    net.eval()
    accuracy = (net(x_test).argmax(1) == y_test).float().mean().item()
    assert accuracy >= 0.96


def test_the_published_schedules_follow_the_length_of_the_run() -> None:
    net = tiny("bop2nd")
    optimizer = create_optimizer(net, method="bop2nd", total_steps=100)
    assert isinstance(optimizer, Composite)
    (flips,) = (part for part in optimizer.parts.values() if isinstance(part, Bop2ndOrder))
    seen = []
    for _ in range(101):
        for p in net.parameters():
            p.grad = torch.zeros_like(p)
        optimizer.step()
        seen.append([flips.param_groups[0][rate] for rate in ("tau", "gamma", "sigma")])
    np.testing.assert_allclose(seen[0], [1e-5, 1e-2, 1e-7])
    np.testing.assert_allclose(seen[-1], [1e-8, 1e-5, 1e-2])
    np.testing.assert_allclose(seen[50], np.mean([seen[0], seen[-1]], axis=0))


@pytest.mark.parametrize("steps", [1, 4, 5, 9, 14, 800])
def test_bops_gamma_falls_at_most_four_times(steps: int) -> None:
    gamma = METHODS["bop"].target().rules[Role.BINARY].over_run["gamma"](steps)
    assert gamma(0) == 1e-4
    assert gamma(steps - 1) >= 0.99e-8
    if steps % 5 == 0:
        assert [gamma(part * steps // 5) for part in range(5)] == pytest.approx([1e-4, 1e-5, 1e-6, 1e-7, 1e-8])


@pytest.mark.parametrize("method", ["bop", "bop2nd"])
def test_flipped_networks_can_have_the_gradient_of_bi_real_networks(method: str) -> None:
    def signs(**options: object) -> list[type]:
        net = create_model(
            "convnet-tiny", method=method, num_classes=3, input_size=(1, 1, 8, 8), method_options=options, width=4
        )
        return [type(layer.input_pipeline[-1]) for layer in net.modules() if isinstance(layer, BinaryLayer)]

    assert set(signs()) == {SignClip}
    assert set(signs(surrogate="polynomial")) == {SignPolynomial}
    with pytest.raises(ConfigError, match="unknown surrogate gradient 'ede'"):
        resolve(method, {"surrogate": "ede"})
    resolve(f"{method}+si-bnn")  # the slot stays free for another method
    with pytest.raises(IncompatibleMethods, match="all fill the activations"):
        resolve(f"{method}+si-bnn", {"surrogate": "polynomial"})


def test_overrides_reach_their_rules() -> None:
    net = tiny("bop2nd")
    optimizer = create_optimizer(
        net, method="bop2nd", total_steps=9, tau=0.25, bias_correction="adam", lr=0.5, weight_decay=0.1
    )
    binary, ordinary = optimizer.param_groups
    for p in net.parameters():
        p.grad = torch.zeros_like(p)
    optimizer.step()
    assert (binary["tau"], binary["bias_correction"]) == (0.25, "adam")
    assert (ordinary["lr"], ordinary["weight_decay"]) == (0.5, 0.1)
    latent, ordinary = create_optimizer(tiny("ste"), method="ste", lr=0.5, bound=0.75).param_groups
    assert (latent["lr"], latent["bound"], ordinary["lr"]) == (0.5, 0.75, 0.5)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: create_model("resnet-20", method="ste", num_classes=10), UnknownNameError, "did you mean resnet20"),
        (lambda: create_model("resnet20", method="bop2", num_classes=10), UnknownNameError, "did you mean bop"),
        (lambda: create_model("resnet20", method="ste", num_classes=0), ConfigError, "integer >= 1; got 0"),
        (lambda: create_model("convnet-tiny", method="ste", num_classes=2, widht=3), ConfigError, "did you mean width"),
        (lambda: create_optimizer(tiny("bop"), method="bop", gama=1), ConfigError, "'gama'; did you mean gamma"),
        (lambda: create_optimizer(tiny("ste"), method="ste", tau=1), ConfigError, "no setting 'tau'"),
        (
            lambda: create_optimizer(tiny("ste"), method="bop"),
            ConfigError,
            "no rule for latent parameters such as body.0",
        ),
        (lambda: create_optimizer(tiny("bop"), method="float"), ConfigError, "no rule for binary parameters"),
        (lambda: create_optimizer(tiny("bop"), method="bop", total_steps=0), ConfigError, "total_steps is >= 1"),
    ],
)
def test_errors_say_what_is_allowed(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error) as caught:
        call()
    assert message in str(caught.value)


@pytest.mark.parametrize("method", METHODS.names())
def test_conforms(method: str, device: str) -> None:
    check_method(method, device=device)


class Ternary(SignIdentity):
    """What ``torch.sign`` does: a third symbol at zero."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) * (x != 0)


class Reassuring(SignIdentity):
    """What a comparison does: NaN is not below zero."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.nan_to_num())


class Forgetful(nn.Module):
    """Shrinks more with every call, which no checkpoint knows."""

    calls = 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return x / self.calls


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"activations": lambda _: Ternary()}, "body.0: activations are in PM1; got"),
        ({"activations": lambda _: Reassuring()}, "NaN in an image is lost"),
        ({"outputs": (lambda _: Forgetful(),)}, "saving and loading in the middle changes the run"),
    ],
)
def test_the_suite_finds_what_is_wrong(changes: dict[str, Any], message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = METHODS["ste"]
    broken = replace(entry.target(), **changes)
    monkeypatch.setitem(METHODS._entries, "ste", replace(entry, target=lambda: broken))
    with pytest.raises(AssertionError, match=message):
        check_method("ste")


def test_the_public_names_are_these() -> None:
    assert signbit.create_model is create_model
    assert signbit.create_optimizer is create_optimizer
