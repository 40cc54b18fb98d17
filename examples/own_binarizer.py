"""A surrogate gradient of one's own, checked, and trained in a network: ``python own_binarizer.py``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

import signbit
from signbit.alphabet import Alphabet
from signbit.binarizers import Binarizer, SignClip, sign
from signbit.data import load, normalize
from signbit.layers import binary_layers
from signbit.methods import create_optimizer
from signbit.models import MODELS
from signbit.roles import Role
from signbit.testing import check_binarizer


class _Bell(torch.autograd.Function):
    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return sign(x)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:  # noqa: ARG004
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return gradient / (1 + x * x)


class SignBell(Binarizer):
    """Sign; backward ``dL/dx = G / (1 + x^2)``: no number is too far away to come back."""

    alphabet = Alphabet.PM1

    def forward(self, x: Tensor) -> Tensor:
        return _Bell.apply(x)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=10)
    args = parser.parse_args(argv)
    # Values, the value at zero, the gradient in three dtypes, copies: all at once.
    check_binarizer(SignBell, lambda x: 1 / (1 + np.square(x)))

    torch.manual_seed(0)
    layers = binary_layers(
        input_side=lambda _channels: torch.nn.Sequential(SignBell()),
        weight_side=lambda _channels: torch.nn.Sequential(SignClip()),
        output_scale=lambda _channels: torch.nn.Identity(),
        weight_role=Role.LATENT,
    )
    model = MODELS["convnet-tiny"].target(layers, num_classes=10)
    optimizer = create_optimizer(model, method="ste")
    digits = load("digits")
    images = torch.from_numpy(normalize(digits.train.images, digits.mean, digits.std))
    labels = torch.from_numpy(digits.train.labels).long()
    for epoch in range(args.epochs):
        for batch in torch.randperm(len(images)).split(64):
            loss = F.cross_entropy(model(images[batch]), labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        print(f"epoch {epoch + 1}/{args.epochs}  loss of the last batch {loss.item():.4f}")
    print(signbit.export(model.eval(), images[:1], "bell.sbn", data=images[:100]))


if __name__ == "__main__":
    main()
