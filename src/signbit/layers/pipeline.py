"""The rules that the pipelines of a binary layer keep, and the first value of its weight."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from signbit.alphabet import Alphabet
from signbit.binarizers import Binarizer, sign
from signbit.errors import ConfigError
from signbit.roles import Role


def final_binarizer(pipeline: nn.Sequential, where: str) -> Binarizer | None:
    """The binarizer that ends ``pipeline``, None for an empty one, an error when something else stands last."""
    if len(pipeline) == 0:
        return None
    last = pipeline[-1]
    if not isinstance(last, Binarizer):
        raise ConfigError(
            f"{where}: a pipeline ends in a Binarizer; got {type(last).__name__} last; "
            "append one of signbit.binarizers.BINARIZERS"
        )
    return last


def check_weight(pipeline: nn.Sequential, role: Role) -> None:
    """A latent weight needs a {-1,+1} binarizer, a binary weight is already -1/+1 and takes none."""
    last = final_binarizer(pipeline, "weight_pipeline")
    if role is Role.LATENT:
        if last is None:
            raise ConfigError("weight_role LATENT needs a weight_pipeline ending in a {-1,+1} Binarizer; got none")
        if last.alphabet is not Alphabet.PM1:
            raise ConfigError(f"weights are packed as -1/+1; weight_pipeline ends in {last.alphabet.name}; use PM1")
    elif role is Role.BINARY:
        if last is not None:
            raise ConfigError(
                "weight_role BINARY stores -1/+1 itself; got a weight_pipeline too; drop it or use LATENT"
            )
    else:
        raise ConfigError(f"weight_role is LATENT or BINARY; got {role.name}")


@torch.no_grad()
def initialize_weight(weight: Tensor, role: Role) -> None:
    """Glorot-uniform draw; for the role BINARY its sign, so that the weight is -1/+1 from construction.

    Reference: Glorot, Bengio, "Understanding the difficulty of training deep feedforward neural networks", 2010.
    """
    nn.init.xavier_uniform_(weight)
    if role is Role.BINARY:
        weight.copy_(sign(weight))
