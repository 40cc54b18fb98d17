"""Parts that several methods share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn
from torch.optim import Adam, Optimizer

from signbit.binarizers import SignClip
from signbit.methods.method import UpdateRule
from signbit.optimizers import Clamped


def clipped_sign(_channels: int) -> nn.Sequential:
    """A pipeline of :class:`~signbit.binarizers.SignClip` alone."""
    return nn.Sequential(SignClip())


def stored_binary(_channels: int) -> nn.Sequential:
    """The pipeline of weights that are stored as -1/+1: empty."""
    return nn.Sequential()


def adam_options(learning_rate: float) -> Mapping[str, object]:
    """Options of Adam, with the defaults of Kingma, Ba, "Adam", 2015, apart from the learning rate."""
    return {"lr": learning_rate, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.0}


def adam(learning_rate: float) -> UpdateRule:
    """Adam."""
    return UpdateRule(Adam, adam_options(learning_rate))


def clamped_adam(learning_rate: float) -> UpdateRule:
    """Adam on latent weights, which are then clamped to [-bound, bound]."""
    return UpdateRule(_clamped_adam, {**adam_options(learning_rate), "bound": 1.0})


def _clamped_adam(parameters: list[nn.Parameter], *, bound: float, **options: Any) -> Optimizer:
    return Clamped(Adam(parameters, **options), bound)
