"""What every optimizer must hold."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from signbit.testing.interruptions import Interruption, interruptions, nothing

Make = Callable[[list[nn.Parameter]], Optimizer]
"""Parameters -> the optimizer under test."""

SHAPES = ((8, 9), (65,), (2, 3, 3, 3))


def check_optimizer(make: Make, *, binary: bool = False, device: str = "cpu") -> None:
    """Raise AssertionError unless the optimizer behaves as torch's own do.

    Checked on -1/+1 weights under seeded gradients: equal runs are equal; a run saved to bytes and loaded into a new
    optimizer (as plain data), deep-copied or pickled in the middle ends in the same weights as an uninterrupted one;
    a closure is evaluated once, with gradients, and its loss returned; parameters without gradient are left alone;
    a learning-rate scheduler can be attached; and with ``binary`` the weights stay exactly -1/+1 and some flip.

    Parameters
    ----------
    make : makes the optimizer under test for a list of parameters, with the same settings each time.
    binary : the optimizer keeps -1/+1 weights at -1/+1.
    device : where to check, for example "cuda".

    >>> from signbit.optimizers import Bop
    >>> check_optimizer(lambda params: Bop(params, gamma=0.1), binary=True)
    """
    through = _run(make, nothing, device)
    assert _equal(through, _run(make, nothing, device)), "two equal runs end in different weights"
    for name, interrupt in interruptions(partial(_save_and_load, make)).items():
        assert _equal(through, _run(make, interrupt, device)), f"{name} in the middle changes the run"
    assert not _equal(through, _weights(device)), "12 steps change nothing"
    if binary:
        assert all(bool((weight.abs() == 1).all()) for weight in through), "weights leave -1/+1"
    _check_closure(make, device)
    _check_missing_gradient(make, device)
    _check_scheduler(make, device)


def _weights(device: str) -> list[nn.Parameter]:
    draw = torch.Generator().manual_seed(7)
    signs = [torch.randint(0, 2, shape, generator=draw).float() * 2 - 1 for shape in SHAPES]
    return [nn.Parameter(sign.to(device)) for sign in signs]


def _steps(weights: list[nn.Parameter], optimizer: Optimizer, steps: range) -> None:
    for step in steps:
        draw = torch.Generator().manual_seed(step)
        for weight in weights:
            weight.grad = torch.randn(weight.shape, generator=draw).to(weight.device)
        optimizer.step()


State = tuple[list[nn.Parameter], Optimizer]


def _run(make: Make, interrupt: Interruption, device: str) -> list[nn.Parameter]:
    weights = _weights(device)
    state: State = weights, make(weights)
    _steps(*state, range(6))
    state = interrupt(state)
    _steps(*state, range(6, 12))
    return state[0]


def _save_and_load(make: Make, state: State) -> State:
    file = io.BytesIO()
    torch.save(state[1].state_dict(), file)
    file.seek(0)
    weights = [nn.Parameter(weight.detach().clone()) for weight in state[0]]
    optimizer = make(weights)
    optimizer.load_state_dict(torch.load(file, weights_only=True))
    return weights, optimizer


def _equal(one: list[nn.Parameter], other: list[nn.Parameter]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def _check_closure(make: Make, device: str) -> None:
    weights = _weights(device)
    optimizer = make(weights)
    losses: list[Tensor] = []

    def closure() -> Any:
        optimizer.zero_grad()
        loss = torch.stack([(weight * weight.detach()).sum() for weight in weights]).sum()
        torch.autograd.backward(loss)
        losses.append(loss)
        return loss

    result: Any = optimizer.step(closure)
    assert len(losses) == 1, f"the closure is evaluated once; got {len(losses)} evaluations"
    assert result is losses[0], f"step returns the closure's loss; got {result!r}"


def _check_missing_gradient(make: Make, device: str) -> None:
    weights = _weights(device)
    optimizer = make(weights)
    weights[0].grad = torch.randn(weights[0].shape, generator=torch.Generator().manual_seed(0)).to(device)
    optimizer.step()
    assert _equal(weights[1:], _weights(device)[1:]), "a parameter without gradient changes"


def _check_scheduler(make: Make, device: str) -> None:
    weights = _weights(device)
    optimizer = make(weights)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.5**step)
    before = [group["lr"] for group in optimizer.param_groups]
    _steps(weights, optimizer, range(1))
    scheduler.step()
    after = [group["lr"] for group in optimizer.param_groups]
    assert after == [lr / 2 for lr in before], f"a scheduler that halves the rate turns {before} into {after}"
