"""The folding arithmetic against brute force and against torch's own batch norm."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from signbit.alphabet import Alphabet
from signbit.exporter import fold
from signbit.exporter.fold import Affine, Clamp, HalfLine, PRelu

quarters = st.integers(-40, 40).map(lambda n: Fraction(n, 4))
half_lines = st.builds(HalfLine, st.booleans(), quarters, st.booleans())
conditions = half_lines | st.booleans()
steps = st.one_of(
    st.builds(lambda a, b: Affine((a,), (b,)), quarters, quarters),
    st.tuples(quarters, quarters).map(lambda p: Clamp(float(min(p)), float(max(p)))),
    st.sampled_from([Clamp(0.0, math.inf), Clamp(-1.0, 1.0), Clamp(-math.inf, 2.0)]),
    st.builds(lambda s: PRelu((abs(s),)), quarters),
)


def apply(step: fold.Step, y: Fraction) -> Fraction | float:
    if isinstance(step, Affine):
        return step.scale[0] * y + step.shift[0]
    if isinstance(step, Clamp):
        return min(max(y, step.low), step.high)
    return y if y >= 0 else step.slope[0] * y


@settings(derandomize=True, max_examples=400)
@given(conditions, steps, quarters)
def test_a_condition_moves_through_a_step_exactly(condition: fold.Condition, step: fold.Step, y: Fraction) -> None:
    assert fold.holds(fold.before(condition, step, 0), y) == fold.holds(condition, apply(step, y))


@settings(derandomize=True, max_examples=200)
@given(st.sampled_from(Alphabet), st.lists(steps, max_size=5), st.integers(-30, 30))
def test_chains_become_integer_and_float_thresholds(alphabet: Alphabet, chain: list[fold.Step], y: int) -> None:
    z: Fraction | float = Fraction(y)
    for step in chain:
        z = apply(step, Fraction(z))
    expected = z >= 0 if alphabet is Alphabet.PM1 else z > 0
    condition: fold.Condition = fold.binarizer(alphabet)
    for step in reversed(chain):
        condition = fold.before(condition, step, 0)
    for thresholds in (fold.integer_thresholds, fold.float_thresholds):
        t, rising = thresholds([condition])
        assert (y >= t[0] if rising[0] else y <= t[0]) == expected


@settings(derandomize=True, max_examples=200)
@given(
    st.booleans(), st.booleans(), st.floats(allow_nan=False, allow_infinity=False), st.floats(width=32, allow_nan=False)
)
def test_float_thresholds_agree_with_their_half_line(rising: bool, closed: bool, bound: float, y: float) -> None:
    condition = HalfLine(rising, Fraction(bound), closed)
    t, up = fold.float_thresholds([condition])
    with np.errstate(over="ignore"):
        near = [y, float(t[0]), *(float(np.nextafter(t[0], np.float32(s * math.inf))) for s in (1, -1))]
    for x in filter(math.isfinite, near):
        assert (x >= t[0] if up[0] else x <= t[0]) == fold.holds(condition, x)


@settings(derandomize=True, max_examples=100)
@given(st.booleans(), st.booleans(), st.integers(-(2**26), 2**26))
def test_integer_thresholds_beyond_the_accumulator_are_constants(rising: bool, closed: bool, bound: int) -> None:
    condition = HalfLine(rising, Fraction(bound), closed)
    t, up = fold.integer_thresholds([condition])
    for y in (-(2**24) + 1, 0, 2**24 - 1):
        assert (y >= t[0] if up[0] else y <= t[0]) == fold.holds(condition, y)
    assert abs(int(t[0])) <= 2**24 or t[0] == -(2**31)


@settings(derandomize=True, max_examples=100)
@given(quarters, quarters, quarters, quarters, quarters)
def test_affines_compose(a: Fraction, b: Fraction, c: Fraction, d: Fraction, y: Fraction) -> None:
    inner, outer = Affine((a,), (b,)), Affine((c,), (d,))
    assert apply(inner.then(outer), y) == apply(outer, apply(inner, y))  # type: ignore[arg-type]


def test_batch_norm_and_sign_against_torch_on_every_reachable_sum() -> None:
    generator = torch.Generator().manual_seed(20)
    channels, sums = 257, torch.arange(-144, 145)
    norm = torch.nn.BatchNorm1d(channels).eval()
    with torch.no_grad():
        norm.weight.copy_(torch.randn(channels, generator=generator))
        norm.bias.copy_(torch.randn(channels, generator=generator))
        norm.weight[:5] = 0.0
        norm.bias[:5] = torch.tensor([-1.0, -1e-30, 0.0, 1e-30, 1.0])
        norm.weight[5:9] = -1.0
        norm.bias[5:20] = 0.0
        norm.running_mean.copy_(20 * torch.randn(channels, generator=generator))
        norm.running_mean[5:20] = torch.arange(5, 20).float()  # beta = 0: these sums land exactly on the boundary
        norm.running_var.copy_(100 * torch.rand(channels, generator=generator))
    x = sums.double()[:, None].expand(-1, channels)
    sigma = (norm.running_var.double() + norm.eps).sqrt()
    y = norm.weight.double() * ((x - norm.running_mean.double()) / sigma) + norm.bias.double()
    affine = fold.batch_norm(norm.running_mean, norm.running_var, norm.eps, norm.weight.detach(), norm.bias.detach())
    start = fold.binarizer(Alphabet.PM1)
    t, rising = fold.integer_thresholds(fold.before(start, affine, c) for c in range(channels))
    bits = np.where(rising, sums.numpy()[:, None] >= t, sums.numpy()[:, None] <= t)
    np.testing.assert_array_equal(bits, (y >= 0).numpy())
    assert (~rising).sum() > 50
    assert rising[:5].tolist() == [False, False, True, True, True]
    assert (t[:5] == -(2**31)).all()
    assert t[5:20].tolist() == list(range(5, 20))
    real = norm(sums.float()[:, None].expand(-1, channels)).detach()
    sure = real.abs() > 1e-4  # torch computes in binary32: the same wherever its rounding leaves no doubt
    assert (torch.from_numpy(bits) == (real >= 0))[sure].all()
    scale, shift = (np.array([float(v) for v in part]) for part in (affine.scale, affine.shift))
    np.testing.assert_allclose(x.numpy() * scale + shift, y.detach().numpy(), rtol=1e-12, atol=1e-10)


@pytest.mark.parametrize("alphabet", Alphabet)
@pytest.mark.parametrize("scale", [Fraction(1, 3), Fraction(-1, 3), Fraction(10**9, 7)])
def test_ties_follow_the_value_at_zero(alphabet: Alphabet, scale: Fraction) -> None:
    tie = Affine((scale,), (-scale * 7,))  # z = 0 exactly at y = 7, though no scale here is a binary fraction
    condition = fold.before(fold.binarizer(alphabet), tie, 0)
    t, rising = fold.integer_thresholds([condition])
    bit = np.where(rising, np.int32(7) >= t, np.int32(7) <= t)
    assert bit[0] == (alphabet.at_zero == alphabet.high)
    assert fold.holds(condition, 8) == (scale > 0)
    assert fold.holds(condition, 6) == (scale < 0)


def test_only_a_negative_slope_is_not_monotone() -> None:
    assert fold.monotone(PRelu(fold.exact([0.0, 0.25])))
    assert not fold.monotone(PRelu(fold.exact([0.25, -0.25])))
    assert fold.monotone(Affine(fold.exact([-1.0]), fold.exact([0.0])))
