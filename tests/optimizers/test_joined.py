"""Optimizers made of optimizers, and the conformance suite over every optimizer."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim import SGD, Adam, Optimizer
from torch.optim.lr_scheduler import OneCycleLR

from signbit.errors import ConfigError
from signbit.layers import BinaryLinear
from signbit.optimizers import OPTIMIZERS, Bop, Bop2ndOrder, Clamped, Composite, check_claims, parameters_by_role
from signbit.roles import Role
from signbit.testing import check_optimizer

SETTINGS: dict[str, dict[str, Any]] = {
    "bop": {"gamma": 0.1, "tau": 1e-3},
    "bop2nd": {"gamma": 0.1, "sigma": 0.01, "tau": 1e-3, "bias_correction": "adam"},
}


@pytest.mark.parametrize("name", OPTIMIZERS.names())
def test_flip_optimizers_conform(name: str) -> None:
    check_optimizer(lambda params: OPTIMIZERS[name].target(params, **SETTINGS[name]), binary=True)


def test_joined_optimizers_conform() -> None:
    check_optimizer(lambda params: Clamped(Adam(params, lr=0.3), bound=1.5))
    check_optimizer(lambda params: Composite({"a": Bop(params[:1], gamma=0.1), "b": Clamped(Adam(params[1:], lr=0.1))}))


class Forgetful(Optimizer):
    """Loses its momentum whenever it is saved."""

    def __init__(self, params: Any) -> None:
        super().__init__(params, {"lr": 0.1})
        self.count = 0

    def step(self, closure: Any = None) -> Any:
        loss = closure() if closure is not None else None
        self.count += 1
        with torch.no_grad():
            for weight in self.param_groups[0]["params"]:
                if weight.grad is not None:
                    weight.sub_(weight.grad * 0.1 / self.count)
        return loss


def test_the_suite_finds_state_that_is_not_saved() -> None:
    with pytest.raises(AssertionError, match="saving and loading in the middle changes the run"):
        check_optimizer(Forgetful)


def test_the_suite_finds_weights_that_leave_the_alphabet() -> None:
    with pytest.raises(AssertionError, match="weights leave"):
        check_optimizer(lambda params: SGD(params, lr=0.1), binary=True)


def three() -> list[nn.Parameter]:
    return [nn.Parameter(torch.ones(n)) for n in (2, 3, 4)]


def test_composite_equals_its_parts_run_alone() -> None:
    together, alone = three(), three()
    both = Composite({"a": Bop(together[:1], gamma=0.5), "b": Adam(together[1:], lr=0.1)})
    parts = [Bop(alone[:1], gamma=0.5), Adam(alone[1:], lr=0.1)]
    for step in range(5):
        for params in (together, alone):
            for p in params:
                p.grad = torch.randn(p.shape, generator=torch.Generator().manual_seed(step))
        both.step()
        for part in parts:
            part.step()
    assert all(torch.equal(a, b) for a, b in zip(together, alone, strict=True))


def test_schedulers_reach_the_parts_also_after_loading() -> None:
    params = three()
    composite = Composite({"a": Bop(params[:1]), "b": Clamped(Adam(params[1:], lr=0.1))})
    composite.load_state_dict(copy.deepcopy(composite.state_dict()))
    scheduler = OneCycleLR(composite, max_lr=1.0, total_steps=10, cycle_momentum=False)
    for _ in range(4):
        for p in params:
            p.grad = torch.ones_like(p)
        composite.step()
        scheduler.step()
    inner = composite.parts["b"].parts["inner"]  # type: ignore[attr-defined]
    assert inner.param_groups[0]["lr"] == composite.param_groups[1]["lr"] == scheduler.get_last_lr()[1] > 0.1
    assert set(inner.state) == set(params) == set(composite.state)


def test_a_deepcopy_is_independent() -> None:
    params = three()
    composite = Composite({"a": SGD(params, lr=0.1)})
    copied_params, copied = copy.deepcopy((params, composite))
    for p in copied_params:
        p.grad = torch.ones_like(p)
    copied.param_groups[0]["lr"] = 0.5
    copied.step()
    assert params[0].tolist() == [1, 1]
    assert copied_params[0].tolist() == [0.5, 0.5]


def test_clamped_keeps_its_bound() -> None:
    weight = nn.Parameter(torch.tensor([0.9, -0.9, 0.0]))
    optimizer = Clamped(SGD([weight], lr=1.0), bound=1.0)
    weight.grad = torch.tensor([-5.0, 5.0, -0.25])
    optimizer.step()
    assert weight.tolist() == [1.0, -1.0, 0.25]
    with pytest.raises(ConfigError, match="bound > 0; got 0"):
        Clamped(SGD([weight], lr=1.0), bound=0)


def test_one_owner_per_parameter() -> None:
    params = three()
    with pytest.raises(ConfigError, match=r"shape \[2\] is in both 'a' and 'b'"):
        Composite({"a": SGD(params, lr=0.1), "b": SGD(params[:1], lr=0.1)})
    with pytest.raises(ConfigError, match="at least one"):
        Composite({})
    with pytest.raises(ConfigError, match="belongs to a part"):
        Composite({"a": SGD(params[:1], lr=0.1)}).add_param_group({"params": params[1:]})


def network() -> nn.Sequential:
    return nn.Sequential(BinaryLinear(4, 5, weight_role=Role.BINARY), nn.BatchNorm1d(5), nn.Linear(5, 2))


def test_claims_are_complete_single_and_the_models_own() -> None:
    net = network()
    roles = parameters_by_role(net)
    assert {role: [name for name, _ in named] for role, named in roles.items()} == {
        Role.BINARY: ["0.weight"],
        Role.ORDINARY: ["1.weight", "1.bias", "2.weight", "2.bias"],
    }
    check_claims(net, SGD(net.parameters(), lr=0.1))
    with pytest.raises(ConfigError, match=r"2\.weight is claimed by none, 2\.bias is claimed by none"):
        check_claims(net, SGD([*net[0].parameters(), *net[1].parameters()], lr=0.1))
    with pytest.raises(ConfigError, match="1 claimed parameters are not the model's"):
        check_claims(net, SGD([*net.parameters(), nn.Parameter(torch.ones(1))], lr=0.1))
    doubled = SGD(net.parameters(), lr=0.1)
    doubled.param_groups.append({"params": [net[0].weight], "lr": 0.1})
    with pytest.raises(ConfigError, match=r"0\.weight is claimed 2 times"):
        check_claims(net, doubled)
    net[2].requires_grad_(False)
    check_claims(net, SGD([*net[0].parameters(), *net[1].parameters()], lr=0.1))


def test_flip_rules_refuse_real_weights_by_their_place() -> None:
    with pytest.raises(ConfigError, match="parameter 1 of this group, shape \\[5, 4\\]"):
        Bop2ndOrder([nn.Parameter(torch.ones(2)), nn.Parameter(torch.full((5, 4), 0.5))])
