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
from signbit.binarizers import BINARIZERS, Binarizer, SignClip, SignIdentity, sign
from signbit.testing import check_binarizer

SLOPES: dict[str, Callable[[NDArray[np.float64]], NDArray[np.float64]]] = {
    "ste-clip": lambda x: (np.abs(x) <= 1).astype(float),
    "ste-identity": lambda x: np.ones_like(x),
    "ste-polynomial": lambda x: np.maximum(0, 2 - 2 * np.abs(x)),
}


@pytest.mark.parametrize("name", BINARIZERS.names())
def test_conforms(name: str) -> None:
    check_binarizer(BINARIZERS[name].target, SLOPES[name])


@settings(derandomize=True, deadline=None)
@given(st.floats(width=32, allow_nan=False))
def test_sign_is_minus_one_exactly_below_zero(x: float) -> None:
    assert sign(torch.tensor([x])).item() == (-1 if x < 0 else 1)


def test_sign_of_nan_and_of_the_smallest_numbers() -> None:
    assert sign(torch.tensor([float("nan"), 1e-45, -1e-45])).tolist() == [1, 1, -1]


class Ternary(Binarizer):
    """What ``torch.sign`` does: a third symbol at zero."""

    alphabet = Alphabet.PM1

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return SignIdentity()(x) * (x != 0)


class ZeroIsMinus(Binarizer):
    alphabet = Alphabet.PM1

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return -SignIdentity()(-x)


@pytest.mark.parametrize(
    ("make", "slope", "message"),
    [
        (Ternary, SLOPES["ste-identity"], "values are in PM1"),
        (ZeroIsMinus, SLOPES["ste-identity"], "zero of either sign"),
        (SignClip, lambda x: (np.abs(x) < 1).astype(float), "Mismatched elements"),
    ],
)
def test_the_suite_finds_what_is_wrong(
    make: type[Binarizer], slope: Callable[[NDArray[np.float64]], NDArray[np.float64]], message: str
) -> None:
    with pytest.raises(AssertionError, match=message):
        check_binarizer(make, slope)
