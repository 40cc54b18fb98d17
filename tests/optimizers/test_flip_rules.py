"""Bop and Bop2ndOrder against numpy twins of their equations and against reference runs."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from signbit.errors import ConfigError
from signbit.optimizers import Bop, Bop2ndOrder, FlipOptimizer, flip_, flip_ratio, update_mean_, update_moments_
from signbit.schedules import Linear, Staircase

STEPS, SIZE = 30, 65


def gradients(seed: int = 0) -> np.ndarray:
    draw = np.random.default_rng(seed)
    return draw.normal(0, 1e-3, (STEPS, SIZE)) * draw.choice([1.0, 1.0, 0.0], (STEPS, SIZE))


def start(seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).choice([-1.0, 1.0], SIZE)


def run(optimizer: FlipOptimizer, weight: nn.Parameter, grads: np.ndarray) -> tuple[np.ndarray, list[int]]:
    weights, flips = [], []
    for grad in grads:
        weight.grad = torch.tensor(grad)
        optimizer.step()
        weights.append(weight.detach().numpy().copy())
        flips.append(optimizer.flips())
    return np.array(weights), flips


def twin_bop(w: np.ndarray, grads: np.ndarray, gammas: list[float], taus: list[float]) -> np.ndarray:
    m, history = np.zeros_like(w), []
    for g, gamma, tau in zip(grads, gammas, taus, strict=True):
        m = (1 - gamma) * m + gamma * g
        w = np.where((np.sign(w) == np.sign(m)) & (np.abs(m) > tau), -w, w)
        history.append(w)
    return np.array(history)


def twin_bop2nd(
    w: np.ndarray, grads: np.ndarray, rates: list[tuple[float, float, float]], correction: str
) -> np.ndarray:
    m, v, history = np.zeros_like(w), np.zeros_like(w), []
    kept_m = kept_v = 1.0
    for g, (gamma, sigma, tau) in zip(grads, rates, strict=True):
        m, v = (1 - gamma) * m + gamma * g, (1 - sigma) * v + sigma * g**2
        kept_m, kept_v = kept_m * (1 - gamma), kept_v * (1 - sigma)
        scale = {"none": (1, 1), "published": (gamma, sigma), "adam": (1 - kept_m, 1 - kept_v)}[correction]
        r = (m / scale[0]) / (np.sqrt(v / scale[1]) + 1e-10)
        w = np.where((np.sign(w) == np.sign(r)) & (np.abs(r) > tau), -w, w)
        history.append(w)
    return np.array(history)


@pytest.mark.parametrize("tau", [0.0, 1e-5, 1e-4])
def test_bop_equals_its_twin(tau: float) -> None:
    weight = nn.Parameter(torch.tensor(start()))
    gamma = Staircase(0.2, factor=0.5, every=7)
    optimizer = Bop([weight], gamma=gamma, tau=tau)
    weights, flips = run(optimizer, weight, gradients())
    expected = twin_bop(start(), gradients(), [0.2 * 0.5 ** (s // 7) for s in range(STEPS)], [tau] * STEPS)
    np.testing.assert_array_equal(weights, expected)
    before = np.vstack([start(), expected[:-1]])
    assert flips == (before != expected).sum(1).tolist()
    assert sum(flips) > 0


@pytest.mark.parametrize("correction", ["none", "published", "adam"])
@pytest.mark.parametrize("tau", [0.0, 0.3])
def test_bop2nd_equals_its_twin(correction: str, tau: float) -> None:
    weight = nn.Parameter(torch.tensor(start()))
    gamma, sigma = Linear(0.1, 0.01, STEPS), Linear(1e-3, 0.2, STEPS)
    optimizer = Bop2ndOrder([weight], gamma=gamma, sigma=sigma, tau=tau, bias_correction=correction)  # type: ignore[arg-type]
    weights, flips = run(optimizer, weight, gradients())
    rates = [(gamma(s), sigma(s), tau) for s in range(STEPS)]
    expected = twin_bop2nd(start(), gradients(), rates, correction)
    np.testing.assert_array_equal(weights, expected)
    assert sum(flips) > 0


def test_a_tie_keeps_the_weight() -> None:
    w = torch.tensor([1.0, -1.0, 1.0, -1.0, 1.0, -1.0])
    r = torch.tensor([0.5, -0.5, -0.5, 0.5, 0.0, 0.0])
    for tau, flipped in ((0.5, [0] * 6), (0.49, [1, 1, 0, 0, 0, 0])):
        after = w.clone()
        assert flip_(after, r, tau).tolist() == flipped
        assert after.tolist() == [-x if flip else x for x, flip in zip(w.tolist(), flipped, strict=True)]
    assert not flip_(w.clone(), torch.zeros(6), 0.0).any(), "no gradient, no flip"


CORRECTIONS = ("none", "published", "adam")
RULES = [Bop, *(partial(Bop2ndOrder, sigma=0.01, bias_correction=correction) for correction in CORRECTIONS)]


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("size", [1, 7, 8, 9, 63, 64, 65, 100_003])
def test_one_pass_has_the_bits_of_the_rule(rule: Callable[..., FlipOptimizer], size: int) -> None:
    """Contiguous weights go through the compiled rule, on one thread or three, the others through torch."""
    draw = torch.Generator().manual_seed(size)
    grads = torch.randn(5, size, 3, generator=draw) * 1e-3
    final = []
    for threads, contiguous in ((1, True), (3, True), (1, False)):
        start = torch.ones(size, 3) if contiguous else torch.ones(3, size).T
        weight = nn.Parameter(start if contiguous or size > 1 else torch.ones(1, 6)[:, ::2])
        assert weight.is_contiguous() is contiguous
        optimizer = rule([weight], gamma=0.1, tau=1e-5)
        counts = []
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        try:
            for grad in grads:
                weight.grad = grad.clone()
                optimizer.step()
                counts.append(optimizer.flips())
        finally:
            torch.set_num_threads(before)
        moments = [optimizer.state[weight][name].tolist() for name in optimizer.MOMENTS]
        final.append((weight.tolist(), moments, counts, optimizer.inactive_share()))
    assert sum(final[0][2]) > 0
    assert final[0] == final[1] == final[2]


def test_what_is_not_a_number_flips_nothing() -> None:
    for order in (torch.ones(2, 3), torch.ones(3, 2).T):
        weight = nn.Parameter(order.clone(memory_format=torch.preserve_format))
        optimizer = Bop2ndOrder([weight], gamma=0.5, tau=0.0)
        weight.grad = torch.full((2, 3), torch.nan)
        optimizer.step()
        assert optimizer.flips() == 0
        assert (weight == 1).all()


def test_rates_are_read_before_the_step_is_counted() -> None:
    weight = nn.Parameter(torch.ones(3))
    optimizer = Bop([weight], gamma=lambda step: 0.5 / (step + 1), tau=lambda step: float(step))
    (group,) = optimizer.param_groups
    for step in range(3):
        weight.grad = torch.ones(3)
        optimizer.step()
        assert (group["gamma"], group["tau"], group["step"]) == (0.5 / (step + 1), step, step + 1)


@pytest.mark.parametrize("correction", ["none", "published", "adam"])
def test_inactive_share_counts_what_the_threshold_holds_back(correction: str) -> None:
    weight = nn.Parameter(torch.tensor(start()))
    optimizer = Bop2ndOrder([weight], gamma=0.1, sigma=0.01, tau=0.2, bias_correction=correction)  # type: ignore[arg-type]
    assert optimizer.inactive_share() == 0
    grads = gradients()
    run(optimizer, weight, grads)
    m = sum(0.1 * 0.9 ** (STEPS - 1 - s) * grads[s] for s in range(STEPS))
    v = sum(0.01 * 0.99 ** (STEPS - 1 - s) * grads[s] ** 2 for s in range(STEPS))
    scale = {"none": (1, 1), "published": (0.1, 0.01), "adam": (1 - 0.9**STEPS, 1 - 0.99**STEPS)}[correction]
    r = (m / scale[0]) / (np.sqrt(v / scale[1]) + 1e-10)
    assert optimizer.inactive_share() == pytest.approx(np.mean(np.abs(r) <= 0.2)) != 0


def test_a_rate_of_one_forgets_everything_before() -> None:
    weight = nn.Parameter(torch.ones(2))
    optimizer = Bop2ndOrder([weight], gamma=1.0, sigma=1.0, tau=0.5, bias_correction="adam")
    for gradient, expected, flips in (([1.0, 1.0], [-1, -1], 2), ([-1.0, 1.0], [1, -1], 1)):
        weight.grad = torch.tensor(gradient)
        optimizer.step()
        assert weight.tolist() == expected
        assert optimizer.flips() == flips


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"gamma": 0.0}, "0 < gamma <= 1; got 0.0 at step 0"),
        ({"gamma": 1.5}, "0 < gamma <= 1"),
        ({"sigma": -1.0}, "0 < sigma <= 1"),
        ({"tau": -1e-9}, "tau >= 0"),
        ({"tau": math.nan}, "tau >= 0"),
        ({"eps": 0.0}, "eps > 0"),
        ({"bias_correction": "unbiased"}, "one of none, published, adam; got 'unbiased'"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Bop2ndOrder([nn.Parameter(torch.ones(2))], **settings)  # type: ignore[arg-type]


def test_a_schedule_that_leaves_its_range_is_caught_at_its_step() -> None:
    weight = nn.Parameter(torch.ones(2))
    optimizer = Bop([weight], gamma=lambda step: 0.5 - 0.5 * step)
    weight.grad = torch.ones(2)
    optimizer.step()
    with pytest.raises(ConfigError, match=r"got 0\.0 at step 1"):
        optimizer.step()


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        (torch.tensor([1.0, 0.3]), "exactly -1 or"),
        (torch.tensor([1.0, 0.0]), "exactly -1 or"),
        (torch.tensor([1.0, math.nan]), "exactly -1 or"),
        (torch.ones(2, dtype=torch.bfloat16), "autocast"),
    ],
)
def test_weights_that_are_not_binary_are_refused(weight: torch.Tensor, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Bop([nn.Parameter(weight)])


def test_a_group_with_rates_of_its_own_is_refused() -> None:
    groups = [{"params": [nn.Parameter(torch.ones(2))], "gamma": 0.5}]
    with pytest.raises(ConfigError, match="Bop: rates hold for all groups; this group has its own gamma"):
        Bop(groups, gamma=0.1)


VECTORS = Path(__file__).parents[1] / "vectors/bop.npz"
RUNS = ("bop_const_convex", "bop_sec52", "bop2_biased_const", "bop2_unbiased_const")


@pytest.mark.parametrize("precision", ["f32", "f64"])
@pytest.mark.parametrize("tag", RUNS)
def test_reference_runs(tag: str, precision: str) -> None:
    with np.load(VECTORS) as vectors:
        file = dict(vectors)
    dtype, prefix = {"f32": torch.float32, "f64": torch.float64}[precision], f"{tag}_{precision}_"
    second_order = tag.startswith("bop2")
    rates = file[prefix + ("gamma_sigma_tau" if second_order else "gamma_tau")].tolist()
    w = torch.tensor(file["w_init_binary"], dtype=dtype)
    m, v = torch.zeros_like(w), torch.zeros_like(w)
    for step, gradient in enumerate(torch.tensor(file["grads_f64"], dtype=dtype)):
        if second_order:
            gamma, sigma, tau = rates[step]
            update_moments_(m, v, gradient, gamma=gamma, sigma=sigma)
            scale = {} if "_biased" in tag else {"m_weight": gamma, "v_weight": sigma}
            r = flip_ratio(m, v, **scale)
            tolerance = 4 * torch.finfo(dtype).eps
            np.testing.assert_allclose(r.numpy(), file[prefix + "ratio"][step], rtol=tolerance)
        else:
            gamma, tau = rates[step]
            update_mean_(m, gradient, gamma=gamma)
            r = m
            # The file's runs wrote the mean as (1 - gamma) m + gamma g in one case: equal up to rounding.
            np.testing.assert_allclose(m.numpy(), file[prefix + "m"][step], rtol=0, atol=1e-6 * np.abs(m.numpy()).max())
        flips = flip_(w, r, tau)
        np.testing.assert_array_equal(w.numpy(), file[prefix + "w"][step])
        assert int(flips.sum()) == file[prefix + "flips"][step]
