"""How many signs of a layer are positive."""

from __future__ import annotations

import torch
from torch import nn

from signbit.metrics.flips import packed_signs, popcount
from signbit.roles import Role, parameter_roles


def sign_balance(model: nn.Module) -> dict[str, float]:
    """Share of +1 among the signs (``sign(0) = +1``) of every weight of role BINARY or LATENT, 0 .. 1, by full name.

    A layer all of whose signs agree holds no information; 0.5 is the most. Signs are those of the stored weight: a
    weight pipeline that moves the zero point (standardization, self-distribution) is not run.

    >>> from signbit.methods import create_model
    >>> net = create_model("convnet-tiny", method="bop", num_classes=10)
    >>> _ = net.body[0].weight.data.fill_(-1)
    >>> sign_balance(net)["body.0.weight"]
    0.0
    """
    roles = parameter_roles(model)
    weights = {n: w for n, w in model.named_parameters() if roles[n] in (Role.BINARY, Role.LATENT)}
    if not weights:
        return {}
    counts = torch.stack([popcount(packed_signs(weight)) for weight in weights.values()]).tolist()
    return {name: count / weight.numel() for (name, weight), count in zip(weights.items(), counts, strict=True)}
