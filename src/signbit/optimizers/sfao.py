"""SFAO's rules: which latent weights need no update, because their sign cannot or will hardly change.

All of this is our design. The paper publishes the idea (an update that changes no sign does not change the network) and
its results, not its inequality and constants. What rests may be rounded to whole filters, the smallest part of a layer
whose weight gradient can be left out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import SGD, Adam, Optimizer

from signbit.optimizers.joined import JoinedOptimizer

MARGIN = 1.001
"""Factor on a reach, against the rounding of the steps that it sums up."""


def clip_no_op(weight: Tensor, direction: Tensor, bound: float) -> Tensor:
    """R1: where ``w <- clamp(w - lr * direction, -bound, bound)`` leaves w alone: it is pushed against its bound.

    Exact for every lr >= 0: ``|w| >= bound`` and ``w * direction < 0``, for weights inside [-bound, bound].

    >>> clip_no_op(torch.tensor([1.0, 1.0, -1.0, 0.5]), torch.tensor([-2.0, 2.0, 2.0, -2.0]), 1.0)
    tensor([ True, False,  True, False])
    """
    return (weight.abs() >= bound) & (torch.sign(weight) * torch.sign(direction) < 0)


def can_flip_soon(weight: Tensor, movement: Tensor, flipped: Tensor, *, kappa: float, quantile: float = 1.0) -> Tensor:
    """R2: where a weight stays active: it flipped lately, or ``|w| <= kappa M`` and it could be at 0 in kappa epochs.

    M is the quantile of ``|movement|`` in this layer: the largest for 1. Approximate: a weight may speed up.

    Parameters
    ----------
    weight : latent weights of one layer.
    movement : how far each has come in the last epoch; same shape.
    flipped : which changed their sign in the last epochs; same shape, bool.
    kappa : > 0, epochs; infinite keeps every weight active.
    quantile : 0 < quantile <= 1.

    >>> w, moved = torch.tensor([0.1, 0.5, 0.9]), torch.tensor([0.2, 0.0, -0.1])
    >>> can_flip_soon(w, moved, torch.tensor([False, False, True]), kappa=1.0)
    tensor([ True, False,  True])
    """
    if math.isinf(kappa):
        return torch.ones_like(flipped)
    rank = max(1, math.ceil(quantile * movement.numel()))
    largest = movement.abs().flatten().kthvalue(rank).values
    return flipped | (weight.abs() <= kappa * largest)


def out_of_reach(weight: Tensor, *, steps: float, largest_step: float, decay: float = 0.0) -> Tensor:
    """R3: where a weight can never change its sign again in the rest of the run: its updates can't carry it to 0.

    A step of rate lr takes ``|w|`` at worst to ``(1 - lr * decay) |w| - k lr``. Over rates that sum up to S that leaves
    at least ``(1 - decay S) |w| - k S``, so ``(1 - decay S) |w| > k S`` is out of reach. Exact for every gradient.

    Parameters
    ----------
    weight : latent weights.
    steps : S, sum of the learning rates that are still to come.
    largest_step : k, the largest step as a multiple of the learning rate: 1 for the sign of the gradient, for Adam see
        :func:`adam_largest_step`, infinite for rules without a bound.
    decay : decoupled weight decay (AdamW); decay that is added to the gradient is covered by k.

    >>> out_of_reach(torch.tensor([0.5, -0.05, 0.2]), steps=0.1, largest_step=1.0)
    tensor([ True, False,  True])
    """
    if math.isinf(largest_step):
        return torch.zeros_like(weight, dtype=torch.bool)
    return weight.abs() * max(0.0, 1 - decay * steps) > MARGIN * largest_step * steps


def adam_largest_step(beta1: float, beta2: float) -> float:
    """The largest ``|step| / lr`` that any sequence of gradients can make Adam take.

    ``k = max(1, (1 - b1) / sqrt((1 - b2) (1 - b1^2 / b2)))`` by the inequality of Cauchy and Schwarz, approached by
    gradients that grow by b2 / b1 a step; infinite if ``b1^2 >= b2``. At the defaults 7.27: the bound
    ``(1 - b1) / sqrt(1 - b2)`` = 3.16 of Adam's paper is for one gradient after zeros and does not hold for all.

    >>> round(adam_largest_step(0.9, 0.999), 2)
    7.27
    """
    if beta1 * beta1 >= beta2:
        return math.inf
    return max(1.0, (1 - beta1) / math.sqrt((1 - beta2) * (1 - beta1 * beta1 / beta2)))


def largest_step(optimizer: Optimizer, group: Mapping[str, Any]) -> float:
    """The k of :func:`out_of_reach` for a parameter group; infinite where no bound is known, as for SGD."""
    return adam_largest_step(*group["betas"]) if isinstance(optimizer, Adam) else math.inf


def decoupled_decay(group: Mapping[str, Any]) -> float:
    """The weight decay of a group that acts beside the gradient and not through it."""
    return float(group["weight_decay"]) if group.get("decoupled_weight_decay") else 0.0


class FlipAware(JoinedOptimizer):
    """Steps another optimizer of latent weights, except for weights that rest.

    A weight that rests keeps its value and its moments bit for bit. Which ones rest is set from outside with
    :meth:`rest`; none at first. The arithmetic of the update is still done for them: what saves work is that layers
    compute no weight gradient for a filter all of whose weights rest.

    Rule R1, where it is exact: under SGD without memory (momentum) the gradient of a weight that is pushed against its
    bound is dropped. Optimizers with moments go on counting such gradients, and the clamp that follows undoes their
    step. R1 changes no result and saves no dense arithmetic.

    Parameters
    ----------
    optimizer : of latent weights; any. Put :class:`~signbit.optimizers.Clamped` around this one, not inside: it states
        the bound in the groups that both share.
    skip_clipped : apply R1. Default yes.
    """

    def __init__(self, optimizer: Optimizer, *, skip_clipped: bool = True) -> None:
        super().__init__({"inner": optimizer})
        self.skip_clipped = skip_clipped
        self.resting: dict[nn.Parameter, Tensor] = {}

    def rest(self, masks: Mapping[nn.Parameter, Tensor]) -> None:
        """Let these weights rest from now on, and no others: parameter -> bool mask of its shape or of its filters."""
        self.resting = {weight: mask for weight, mask in masks.items() if bool(mask.any())}

    def update(self) -> None:
        """Step the inner optimizer and put back what rests."""
        if self.skip_clipped and isinstance(self.parts["inner"], SGD):
            self._drop_no_ops()
        kept = [
            (tensor, mask, tensor[mask])
            for weight, mask in self.resting.items()
            if weight.grad is not None
            for tensor in (weight, *self._moments(weight))
        ]
        self.parts["inner"].step()
        for tensor, mask, values in kept:
            tensor[mask] = values

    def _moments(self, weight: nn.Parameter) -> list[Tensor]:
        return [
            value for value in self.state[weight].values() if torch.is_tensor(value) and value.shape == weight.shape
        ]

    def _drop_no_ops(self) -> None:
        for group in self.param_groups:
            bound = group.get("bound")
            if bound is None or group["momentum"] or group["maximize"]:
                continue
            for weight in group["params"]:
                if weight.grad is not None:
                    direction = weight.grad + group["weight_decay"] * weight
                    no_op = clip_no_op(weight, direction, bound)
                    # With the decay that SGD adds, the direction becomes 0.
                    weight.grad.copy_(torch.where(no_op, -group["weight_decay"] * weight, weight.grad))

    def __getstate__(self) -> dict[str, Any]:
        """What pickling and deepcopy keep."""
        return {**super().__getstate__(), "skip_clipped": self.skip_clipped, "resting": self.resting}


def find_flip_aware(optimizer: Optimizer) -> list[FlipAware]:
    """Every :class:`FlipAware` in a tree of joined optimizers."""
    if isinstance(optimizer, FlipAware):
        return [optimizer]
    parts = optimizer.parts.values() if isinstance(optimizer, JoinedOptimizer) else ()
    return [found for part in parts for found in find_flip_aware(part)]


def forget(optimizer: Optimizer, weights: list[nn.Parameter]) -> None:
    """Free the state of parameters that will never be updated again, and their gradients."""
    for weight in weights:
        optimizer.state.pop(weight, None)
        weight.grad = None
