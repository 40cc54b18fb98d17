"""SFAO's rules: what is called exact is exact, bit for bit or sign for sign."""

from __future__ import annotations

import copy
import math
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import SGD, Adam, AdamW, Optimizer

from signbit.binarizers import SignClip
from signbit.optimizers import Clamped, Composite, FlipAware
from signbit.optimizers.sfao import (
    adam_largest_step,
    can_flip_soon,
    clip_no_op,
    decoupled_decay,
    find_flip_aware,
    forget,
    largest_step,
    out_of_reach,
)


class SignSGD(Optimizer):
    """``w <- (1 - lr * weight_decay) w - lr * sign(g)``."""

    def __init__(self, params: Any, lr: float, weight_decay: float = 0.0) -> None:
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay, "decoupled_weight_decay": True})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]  # noqa: ARG002
        for group in self.param_groups:
            for w in group["params"]:
                if w.grad is not None:
                    w.mul_(1 - group["lr"] * group["weight_decay"]).sub_(group["lr"] * torch.sign(w.grad))


class Net(nn.Module):
    """Two products with signs of latent weights, so that what one weight does reaches the gradients of all others."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(7)
        self.first = nn.Parameter(torch.empty(12, 16).uniform_(-0.4, 0.4, generator=generator))
        self.second = nn.Parameter(torch.empty(4, 12).uniform_(-0.4, 0.4, generator=generator))
        self.sign = SignClip()

    def forward(self, x: Tensor) -> Tensor:
        h = F.batch_norm(F.linear(x, self.sign(self.first)), None, None, training=True)
        return F.linear(self.sign(h), self.sign(self.second))


def batch(step: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(step)
    x = torch.randn(32, 16, generator=generator)
    return x, (x[:, :4] + x[:, 4:8]).argmax(1)


STEPS = 60
RATES = [0.02 * (1 - step / STEPS) for step in range(STEPS)]


def train(
    build: Callable[[list[nn.Parameter]], Optimizer], before: Callable[[Optimizer, int], None] | None = None
) -> tuple[list[Tensor], list[Tensor]]:
    """Latent weights at the end, and the signs after every step."""
    net = Net()
    optimizer, signs = build(list(net.parameters())), []
    for step, rate in enumerate(RATES):
        for group in optimizer.param_groups:
            group["lr"] = rate
        if before is not None:
            before(optimizer, step)
        x, y = batch(step)
        optimizer.zero_grad()
        F.cross_entropy(net(x), y).backward()
        optimizer.step()
        signs.append(torch.cat([(w < 0).flatten() for w in net.parameters()]))
    return [w.detach() for w in net.parameters()], signs


@pytest.mark.parametrize("decay", [0.0, 0.02])
def test_r1_is_clipped_sgd_bit_for_bit(decay: float) -> None:
    pushed = []

    def count(optimizer: Optimizer, step: int) -> None:
        for w in optimizer.param_groups[0]["params"] if step else []:
            pushed.append(int(clip_no_op(w.detach(), w.grad + decay * w.detach(), 0.1).sum()))

    def sgd(params: list[nn.Parameter]) -> Optimizer:
        return SGD(params, lr=0.1, weight_decay=decay)

    plain = train(lambda params: Clamped(sgd(params), 0.1), count)
    assert sum(pushed) > 1000
    for skip in (True, False):
        other = train(lambda params, skip=skip: Clamped(FlipAware(sgd(params), skip_clipped=skip), 0.1))
        assert all(torch.equal(a, b) for a, b in zip(plain[0], other[0], strict=True))


def test_r1_drops_the_gradient() -> None:
    w = nn.Parameter(torch.tensor([1.0, 1.0, -1.0, -1.0, 0.5]))
    optimizer = Clamped(FlipAware(SGD([w], lr=0.1)), 1.0)
    w.grad = torch.tensor([-2.0, 2.0, 2.0, -2.0, -2.0])
    optimizer.step()
    assert w.grad.tolist() == [0, 2, 0, -2, -2]
    torch.testing.assert_close(w.detach(), torch.tensor([1.0, 0.8, -1.0, -0.8, 0.7]))


@pytest.mark.parametrize("inner", [lambda p: SGD(p, lr=0.1, momentum=0.9), lambda p: Adam(p, lr=0.1)])
def test_r1_leaves_rules_with_memory_alone(inner: Callable[[list[nn.Parameter]], Optimizer]) -> None:
    plain = train(lambda params: Clamped(inner(params), 0.3))
    aware = train(lambda params: Clamped(FlipAware(inner(params)), 0.3))
    assert all(torch.equal(a, b) for a, b in zip(plain[0], aware[0], strict=True))


@pytest.mark.parametrize(
    ("inner", "k", "decay"),
    [
        (lambda p: SignSGD(p, lr=0.1), 1.0, 0.0),
        (lambda p: SignSGD(p, lr=0.1, weight_decay=0.5), 1.0, 0.5),
        (lambda p: Adam(p, lr=0.1, betas=(0.9, 0.95)), adam_largest_step(0.9, 0.95), 0.0),
        (lambda p: Adam(p, lr=0.1, betas=(0.9, 0.95), weight_decay=0.1), adam_largest_step(0.9, 0.95), 0.0),
        (lambda p: AdamW(p, lr=0.1, betas=(0.9, 0.95), weight_decay=0.5), adam_largest_step(0.9, 0.95), 0.5),
    ],
    ids=["sign-sgd", "sign-sgd-decay", "adam", "adam-decay", "adamw"],
)
@pytest.mark.parametrize("filters", [False, True], ids=["weights", "filters"])
def test_r3_ends_with_the_signs_of_the_run_without_it(inner: Any, k: float, decay: float, filters: bool) -> None:
    shares = []

    def freeze(optimizer: Optimizer, step: int) -> None:
        if step % 5 == 0:
            (rule,) = find_flip_aware(optimizer)
            left = sum(RATES[step:])
            masks = {
                w: out_of_reach(w.detach(), steps=left, largest_step=k, decay=decay)
                for w in rule.param_groups[0]["params"]
            }
            shares.append(max(float(mask.float().mean()) for mask in masks.values()))
            rule.rest({w: mask.all(1) if filters else mask for w, mask in masks.items()})

    plain, plain_signs = train(inner)
    (group,) = inner([nn.Parameter(torch.zeros(1))]).param_groups
    assert decoupled_decay(group) == decay
    frozen, frozen_signs = train(lambda params: FlipAware(inner(params)), freeze)
    assert max(shares[:-1]) > 0.4, "nothing was frozen in time to show anything"
    assert int((frozen_signs[0] ^ frozen_signs[-1]).sum()) > 10, "nothing flipped: the test shows nothing"
    for one, other in zip(plain_signs, frozen_signs, strict=True):
        assert torch.equal(one, other)
    if not filters:
        assert any(not torch.equal(a, b) for a, b in zip(plain, frozen, strict=True))


def test_r3_needs_a_bound() -> None:
    w = nn.Parameter(torch.ones(3))
    assert largest_step(SGD([w], lr=1.0), {}) == math.inf
    assert not out_of_reach(w.detach(), steps=0.0, largest_step=math.inf).any()
    assert largest_step(Adam([w]), Adam([w]).param_groups[0]) == pytest.approx(7.2706, abs=1e-3)
    assert adam_largest_step(0.9, 0.81) == math.inf
    # Decay may take all that is left: nothing is out of reach then.
    assert not out_of_reach(w.detach(), steps=3.0, largest_step=0.1, decay=0.5).any()


def adam_ratio(gradients: Tensor, betas: tuple[float, float]) -> float:
    """The last ``|step| / lr`` of torch's Adam on these gradients."""
    w = nn.Parameter(torch.zeros(1, dtype=torch.float64))
    adam = Adam([w], lr=1.0, betas=betas, eps=0.0)
    before = 0.0
    for gradient in gradients.tolist():
        before = w.item()
        w.grad = torch.full((1,), gradient, dtype=torch.float64)
        adam.step()
    return abs(w.item() - before)


def test_adam_takes_steps_beyond_the_bound_of_its_paper() -> None:
    growth = 0.999 / 0.9
    ratio = adam_ratio(growth ** torch.arange(200.0, dtype=torch.float64) * 1e-6, (0.9, 0.999))
    # Early on the correction of the second moment helps: long runs come closer.
    late = adam_ratio(
        torch.cat([torch.full((5000,), 1e-30), 1e-20 * growth ** torch.arange(300.0)]).double(), (0.9, 0.999)
    )
    assert ratio < late
    assert 3.17 < late <= adam_largest_step(0.9, 0.999)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    betas=st.tuples(st.floats(0.0, 0.95), st.floats(0.5, 0.9999)).filter(lambda b: b[0] ** 2 < 0.98 * b[1]),
    exponents=st.lists(st.floats(-8, 8), min_size=1, max_size=40),
    seed=st.integers(0, 999),
)
def test_no_gradients_take_adam_beyond_the_bound(betas: tuple[float, float], exponents: list[float], seed: int) -> None:
    signs = np.random.default_rng(seed).choice([-1.0, 1.0, 1.0], len(exponents))
    gradients = torch.tensor(signs * 10 ** np.array(exponents))
    assert adam_ratio(gradients, betas) <= adam_largest_step(*betas) * (1 + 1e-6)
    # The worst case: gradients that grow by b2 / b1.
    if betas[0] > 0:
        worst = (betas[1] / betas[0]) ** torch.arange(len(exponents), dtype=torch.float64)
        assert adam_ratio(worst, betas) <= adam_largest_step(*betas) * (1 + 1e-6)


@pytest.mark.parametrize(
    ("kappa", "quantile", "flipped", "active"),
    [
        (1.0, 1.0, [0, 0, 0, 0], [1, 1, 0, 0]),
        (2.0, 1.0, [0, 0, 0, 0], [1, 1, 1, 0]),
        (1.0, 0.75, [0, 0, 0, 0], [1, 0, 0, 0]),
        (1.0, 1.0, [0, 0, 0, 1], [1, 1, 0, 1]),
        (math.inf, 1.0, [0, 0, 0, 0], [1, 1, 1, 1]),
        (1e-9, 1.0, [0, 0, 0, 0], [0, 0, 0, 0]),
    ],
)
def test_r2_by_hand(kappa: float, quantile: float, flipped: list[int], active: list[int]) -> None:
    weight = torch.tensor([[0.05, -0.2], [0.4, -0.9]])
    movement = torch.tensor([[0.1, -0.2], [0.05, 0.1]])
    result = can_flip_soon(weight, movement, torch.tensor(flipped).view(2, 2) > 0, kappa=kappa, quantile=quantile)
    assert result.flatten().int().tolist() == active


def test_weights_that_never_moved_rest_except_at_zero() -> None:
    result = can_flip_soon(torch.tensor([0.0, 1e-9]), torch.zeros(2), torch.zeros(2, dtype=torch.bool), kappa=1.0)
    assert result.tolist() == [True, False]
    assert can_flip_soon(torch.ones(2), torch.zeros(2), torch.zeros(2, dtype=torch.bool), kappa=math.inf).all()


@pytest.mark.parametrize("filters", [False, True], ids=["weights", "filters"])
@pytest.mark.parametrize(
    "inner", [lambda p: Adam(p, lr=0.1), lambda p: SGD(p, lr=0.1, momentum=0.9, weight_decay=0.1)], ids=["adam", "sgd"]
)
def test_what_rests_keeps_value_and_moments(inner: Any, filters: bool) -> None:
    torch.manual_seed(0)
    w, twin = (nn.Parameter(torch.arange(12.0).view(3, 4) / 10) for _ in range(2))
    rule, plain = FlipAware(inner([w])), inner([twin])
    optimizer = Composite({"latent": rule})

    def step() -> None:
        gradient = torch.randn(3, 4)
        w.grad, twin.grad = gradient.clone(), gradient.clone()
        optimizer.step()
        plain.step()

    step()
    mask = torch.tensor([True, False, True]) if filters else torch.rand(3, 4) < 0.5
    before = {key: value.clone() for key, value in {"w": w.detach(), **rule.state[w]}.items() if torch.is_tensor(value)}
    rule.rest({w: mask})
    step()
    after = {"w": w.detach(), **rule.state[w]}
    for key, value in before.items():
        if value.shape == w.shape:
            assert torch.equal(after[key][mask], value[mask])
            assert not torch.equal(after[key][~mask], value[~mask])
    if isinstance(inner([w]), Adam):
        assert torch.equal(w[~mask], twin[~mask])
    w.grad = None
    held = w.detach().clone()
    optimizer.step()
    assert torch.equal(w, held)


def test_nothing_rests_is_the_optimizer_underneath() -> None:
    def rest_nothing(optimizer: Optimizer, _step: int) -> None:
        (rule,) = find_flip_aware(optimizer)
        rule.rest({w: torch.zeros_like(w, dtype=torch.bool) for w in rule.param_groups[0]["params"]})
        assert not rule.resting

    plain = train(lambda params: Adam(params, lr=0.1))
    aware = train(lambda params: FlipAware(Adam(params, lr=0.1)), rest_nothing)
    assert all(torch.equal(a, b) for a, b in zip(plain[0], aware[0], strict=True))


def test_copies_rest_too() -> None:
    w = nn.Parameter(torch.ones(2, 2))
    rule = FlipAware(Adam([w]))
    rule.rest({w: torch.tensor([True, False])})
    for other in (copy.deepcopy(rule), pickle.loads(pickle.dumps(rule))):
        (theirs,) = other.param_groups[0]["params"]
        assert theirs is not w
        theirs.grad = torch.ones(2, 2)
        other.step()
        assert theirs[0].tolist() == [1, 1]
        assert not torch.equal(theirs[1], torch.ones(2))


def test_forgetting_frees_state_everywhere() -> None:
    a, b = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(2))
    optimizer = Composite({"latent": Clamped(FlipAware(Adam([a, b])), 1.0)})
    a.grad, b.grad = torch.ones(2), torch.ones(2)
    optimizer.step()
    a.requires_grad_(False)
    forget(optimizer, [a])
    (rule,) = find_flip_aware(optimizer)
    assert a.grad is None
    for one in (optimizer, rule, rule.parts["inner"]):
        assert set(one.state) == {b}
    b.grad = torch.ones(2)
    optimizer.step()
    assert set(optimizer.state) == {b}
    again = Composite({"latent": Clamped(FlipAware(Adam([a, b])), 1.0)})
    again.load_state_dict(optimizer.state_dict())
    assert set(again.state) == {b}


def test_only_the_flip_aware_ones_are_found() -> None:
    w = nn.Parameter(torch.ones(1))
    assert find_flip_aware(Adam([w])) == []
    assert find_flip_aware(Composite({"a": Clamped(Adam([w]), 1.0)})) == []
