"""Share of positive signs."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from signbit.layers import BinaryLinear
from signbit.metrics import sign_balance
from signbit.roles import Role


@pytest.mark.parametrize("features", [1, 63, 64, 65])
def test_every_count_of_positive_weights(features: int) -> None:
    layer = BinaryLinear(features, 1, weight_role=Role.BINARY)
    for positive in range(features + 1):
        order = torch.randperm(features)
        layer.weight.data = torch.where(order < positive, 1.0, -1.0)[None]
        assert sign_balance(layer) == {"weight": positive / features}


def test_zero_is_positive_and_floats_are_not_listed() -> None:
    net = nn.Sequential(nn.Linear(2, 2), BinaryLinear(2, 1, weight_role=Role.BINARY))
    net[1].weight.data = torch.tensor([[-0.0, -1e-30]])
    assert sign_balance(net) == {"1.weight": 0.5}
    assert sign_balance(nn.Linear(2, 2)) == {}
