"""Parts that several methods share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal

from torch import nn
from torch.optim import Adam, Optimizer

from signbit.binarizers import Binarizer, SignClip, SignPolynomial
from signbit.errors import UnknownNameError
from signbit.methods.method import RunInfo, UpdateRule, Weights
from signbit.optimizers import Clamped
from signbit.roles import Role

if TYPE_CHECKING:
    from lightning.pytorch import Callback


def clipped_sign(_channels: int) -> Binarizer:
    """:class:`~signbit.binarizers.SignClip`."""
    return SignClip()


def polynomial_sign(_channels: int) -> Binarizer:
    """:class:`~signbit.binarizers.SignPolynomial`."""
    return SignPolynomial()


Surrogate = Literal["clip", "polynomial"]
"""The gradient of the activations' sign: the baseline's, or that of Bi-Real networks."""


def surrogate_sign(surrogate: str) -> Callable[[int], Binarizer] | None:
    """What a method puts into the slot of activations; None leaves it to the baseline or to another method."""
    if surrogate not in ("clip", "polynomial"):
        raise UnknownNameError("surrogate gradient", surrogate, ("clip", "polynomial"))
    return polynomial_sign if surrogate == "polynomial" else None


STORED = Weights(Role.BINARY)
"""Weights that are stored as -1/+1."""


def held_by_threshold(_network: nn.Module, _run: RunInfo) -> Callback:
    """:class:`~signbit.callbacks.HeldByThreshold`."""
    from signbit.callbacks import HeldByThreshold

    return HeldByThreshold()


def adam_options(learning_rate: float) -> Mapping[str, object]:
    """Options of Adam, with the defaults of Kingma, Ba, "Adam", 2015, apart from the learning rate."""
    return {"lr": learning_rate, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.0}


def adam(learning_rate: float) -> UpdateRule:
    """Adam."""
    return UpdateRule(Adam, adam_options(learning_rate))


def clamped(rule: UpdateRule, bound: float) -> UpdateRule:
    """``rule``, after each step of which the weights are clamped to [-bound, bound]; ``bound`` becomes an option."""

    def build(parameters: list[nn.Parameter], *, bound: float, **options: Any) -> Optimizer:
        return Clamped(rule.build(parameters, **options), bound)

    return UpdateRule(build, {**rule.options, "bound": bound}, rule.over_run)
