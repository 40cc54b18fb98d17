"""Every binarizer of the registry against the rules of all binarizers and its own surrogate gradient."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from signbit.alphabet import Alphabet
from signbit.binarizers import (
    BINARIZERS,
    Binarizer,
    SignClip,
    SignEDE,
    SignIdentity,
    SignScaleFree,
    StepWindow,
    ede_sharpness,
    sharpen_all,
    sign,
    step,
)
from signbit.errors import ConfigError
from signbit.testing import check_binarizer

SLOPES: dict[str, Callable[[NDArray[np.float64]], NDArray[np.float64]]] = {
    "ste-clip": lambda x: (np.abs(x) <= 1).astype(float),
    "ste-identity": lambda x: np.ones_like(x),
    "ste-polynomial": lambda x: np.maximum(0, 2 - 2 * np.abs(x)),
    "ede": lambda x: 1 / np.cosh(np.clip(x, -300, 300)) ** 2,
    "window": lambda x: ((x > -np.float32(0.3)) & (x < 1)).astype(float),
    "scale-free": lambda x: (1 - 1 / 23) / np.abs(x).mean(1, keepdims=True) * (np.abs(x) <= 1),
}
ROW = {"scale-free": 23}


@pytest.mark.parametrize("name", BINARIZERS.names())
def test_conforms(name: str, device: str) -> None:
    check_binarizer(BINARIZERS[name].target, SLOPES[name], row=ROW.get(name), device=device)


@settings(derandomize=True, deadline=None)
@given(st.floats(width=32, allow_nan=False))
def test_sign_is_minus_one_exactly_below_zero(x: float) -> None:
    assert sign(torch.tensor([x])).item() == (-1 if x < 0 else 1)


def test_sign_of_nan_and_of_the_smallest_numbers() -> None:
    assert sign(torch.tensor([1e-45, -1e-45])).tolist() == [1, -1]
    assert step(torch.tensor([1e-45, -1e-45])).tolist() == [1, 0]
    for function in (sign, step):
        assert function(torch.tensor([float("nan")])).isnan().all()


@settings(derandomize=True, deadline=None)
@given(st.floats(width=32, allow_nan=False))
def test_step_is_one_exactly_above_zero(x: float) -> None:
    assert step(torch.tensor([x])).item() == (x > 0)


@pytest.mark.parametrize("t", [1e-3, 0.125, 1.5, 10.0])
def test_ede_of_any_sharpness(t: float) -> None:
    x = torch.linspace(-3, 3, 101, dtype=torch.float64, requires_grad=True)
    binarizer = SignEDE(t).double()
    upstream = np.linspace(-1, 2, 101)
    binarizer(x).backward(torch.tensor(upstream))
    slope = max(1 / t, 1) * t * (1 - np.tanh(t * x.detach().numpy()) ** 2)
    np.testing.assert_allclose(x.grad, upstream * slope, rtol=1e-6, atol=1e-12)  # t is kept in float32


def test_ede_saves_its_sharpness() -> None:
    ours, theirs = SignEDE(0.01), SignEDE()
    theirs.load_state_dict(ours.state_dict())
    assert (theirs.t.item(), theirs.k.item()) == (pytest.approx(0.01), pytest.approx(100))


def test_ede_sharpens_from_t_min_towards_t_max() -> None:
    course = [ede_sharpness(epoch, 500, t_min=1e-3) for epoch in range(500)]
    assert course[0] == pytest.approx(1e-3)
    np.testing.assert_allclose(np.diff(np.log10(course)), 4 / 500)
    network = torch.nn.Sequential(SignEDE(), torch.nn.Sequential(SignEDE(), SignClip()))
    assert sharpen_all(network, 4.0) == 2
    assert (network[1][0].t.item(), network[1][0].k.item()) == (4, 1)


@pytest.mark.parametrize(
    "call",
    [
        lambda: SignEDE(0.0), lambda: SignEDE(float("nan")), lambda: StepWindow(-0.1), lambda: StepWindow(1.5),
        lambda: ede_sharpness(5, 5, t_min=0.1), lambda: ede_sharpness(0, 5, t_min=0.0),
    ],
)  # fmt: skip
def test_settings_out_of_range_are_refused(call: Callable[[], object]) -> None:
    with pytest.raises(ConfigError, match="; got "):
        call()


@pytest.mark.parametrize("rho", [0.0, 0.3, 1.0])
def test_neither_end_of_the_window_passes(rho: float) -> None:
    x = torch.tensor([-rho, 1.0, 0.999, -rho + 1e-3], requires_grad=True)
    StepWindow(rho)(x).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [0, 0, 1, 1]


def test_a_filter_of_zeros_gets_no_gradient_instead_of_nan() -> None:
    w = torch.zeros(2, 3, 1, 1, requires_grad=True)
    SignScaleFree()(w).sum().backward()
    assert w.grad is not None
    assert w.grad.abs().max() == 0


class Ternary(Binarizer):
    """What ``torch.sign`` does: a third symbol at zero."""

    alphabet = Alphabet.PM1

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return SignIdentity()(x) * (x != 0)


class NaNIsPlus(Binarizer):
    """What a comparison does: NaN is not below zero."""

    alphabet = Alphabet.PM1

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return SignIdentity()(x).nan_to_num(nan=1.0)


class ZeroIsMinus(Binarizer):
    alphabet = Alphabet.PM1

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return -SignIdentity()(-x)


@pytest.mark.parametrize(
    ("make", "slope", "message"),
    [
        (Ternary, SLOPES["ste-identity"], "values are in PM1"),
        (ZeroIsMinus, SLOPES["ste-identity"], "zero of either sign"),
        (NaNIsPlus, SLOPES["ste-identity"], r"NaN stays NaN; got \[1.0\]"),
        (SignClip, lambda x: (np.abs(x) < 1).astype(float), "Mismatched elements"),
    ],
)
def test_the_suite_finds_what_is_wrong(
    make: type[Binarizer], slope: Callable[[NDArray[np.float64]], NDArray[np.float64]], message: str
) -> None:
    with pytest.raises(AssertionError, match=message):
        check_binarizer(make, slope)
