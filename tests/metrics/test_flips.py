"""Flip counts against unpacked signs."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from signbit.binarizers import SignClip
from signbit.errors import ConfigError
from signbit.layers import BinaryConv2d, BinaryLinear
from signbit.metrics import FlipTracker
from signbit.metrics.flips import packed_signs, popcount
from signbit.roles import Role


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        BinaryConv2d(3, 7, 3, weight_role=Role.BINARY),
        BinaryLinear(65, 1, weight_pipeline=nn.Sequential(SignClip())),
        nn.Linear(4, 4),
    )


@settings(derandomize=True, deadline=None)
@given(st.integers(1, 200), st.integers(0, 2**32 - 1))
def test_packing_and_counting(size: int, seed: int) -> None:
    values = np.random.default_rng(seed).choice([-1.0, -0.0, 0.0, 2.0], size)
    octets = packed_signs(torch.tensor(values))
    np.testing.assert_array_equal(octets.numpy(), np.packbits(values >= 0, bitorder="little"))
    assert popcount(octets).item() == (values >= 0).sum()


def test_every_octet_is_counted_right() -> None:
    for octet in range(256):
        assert popcount(torch.tensor([octet], dtype=torch.uint8)).item() == bin(octet).count("1")


def test_many_octets_do_not_overflow() -> None:
    assert popcount(torch.full((100_000,), 255, dtype=torch.uint8)).item() == 800_000


def test_counts_rates_and_which_weights() -> None:
    net = network()
    tracker = FlipTracker(net)
    assert tracker.sizes == {"0.weight": 189, "1.weight": 65}
    assert tracker.update() == {"0.weight": 0, "1.weight": 0}
    with torch.no_grad():
        net[0].weight[0, 0].neg_()
        net[1].weight[0, 64:].neg_()
        net[2].weight.neg_()
    assert tracker.update() == {"0.weight": 9, "1.weight": 1}
    assert tracker.rates == {"0.weight": 9 / 189, "1.weight": 1 / 65}
    assert tracker.rate == 10 / 254
    assert tracker.update() == {"0.weight": 0, "1.weight": 0}
    assert tracker.rate == 0


def test_a_flip_back_between_two_looks_is_not_seen() -> None:
    net = network()
    tracker = FlipTracker(net)
    with torch.no_grad():
        net[0].weight.neg_().neg_()
    assert sum(tracker.update().values()) == 0


def test_a_model_without_binary_weights() -> None:
    tracker = FlipTracker(nn.Linear(2, 2))
    assert (tracker.update(), tracker.rate, tracker.rates) == ({}, 0.0, {})


def test_a_resumed_tracker_goes_on_counting() -> None:
    net = network()
    state = FlipTracker(net).state_dict()
    assert sum(octets.numel() for octets in state.values()) == 24 + 9
    with torch.no_grad():
        net[0].weight[:2].neg_()
    resumed = FlipTracker(net)
    resumed.load_state_dict(state)
    assert resumed.update() == {"0.weight": 54, "1.weight": 0}
    with pytest.raises(ConfigError, match="another model"):
        FlipTracker(nn.Linear(2, 2)).load_state_dict(state)
