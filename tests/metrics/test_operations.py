"""The published operation counts of CycleBNN."""

from __future__ import annotations

import numpy as np
import pytest

from signbit.metrics import published_cost, released_code_cost
from signbit.schedules import CyclicBits


@pytest.mark.parametrize("bits", [1, 2, 6])
@pytest.mark.parametrize("gradient_bits", [4, 8, 32])
def test_the_two_formulas(bits: int, gradient_bits: int) -> None:
    forward, backward = bits * bits, 2 * bits * gradient_bits
    assert released_code_cost(bits, gradient_bits) == pytest.approx((forward + backward) / 3072, rel=1e-15)
    assert published_cost(bits, gradient_bits) == pytest.approx((forward + backward) / 2048, rel=1e-15)


def test_float32_costs_what_it_costs() -> None:
    assert released_code_cost(32, 32) == 1


def test_what_the_published_cifar_schedule_saves() -> None:
    schedule = CyclicBits(2, 6, cycles=8, steps=187_500)
    mean = np.mean([released_code_cost(schedule(step), 8) for step in range(schedule.period)])
    assert mean == pytest.approx(0.02676, abs=5e-6)
