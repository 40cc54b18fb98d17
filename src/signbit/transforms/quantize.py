"""Weights and activations on a grid before their sign is taken; the gradient passes as if there were no grid."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor

from signbit.alphabet import Alphabet
from signbit.errors import ConfigError
from signbit.transforms.precision import Precision, on_grid

EvalBits = Literal["published"] | None
"""None: no grid in evaluation, so that a plain sign follows. "published": the grid of the present bits."""

MOMENTUM = 0.9


class QuantizeWeight(Precision):
    """Every filter on a uniform grid between its least and its greatest number.

    Forward, filter o: ``y_o = on_grid(w_o; bits, min(w_o), max(w_o))``, see
    :func:`~signbit.transforms.precision.on_grid`. Backward: the identity.

    A sign that follows still gives one bit: the grid only moves its threshold by up to half a level.

    Parameters
    ----------
    bits : 1 .. 16; state, changed by a schedule. 2 by default, where the published schedule starts.
    eval_bits : None (default): evaluation leaves the weight as it is, whatever the bits are at that moment.
        "published": evaluation uses the present bits, as the released code does.

    Folds: the weight is constant once training is over.

    Shape: ``[O, ...]``, not empty; kept.

    Reference: Fontana, Lanzino, Diko, Foresti, Cinque, "CycleBNN", 2024 (released code).

    >>> QuantizeWeight(bits=1)(torch.tensor([[-1.0, -0.2, 0.4, 3.0]]))
    tensor([[-1., -1., -1.,  3.]])
    """

    folds = True

    def __init__(self, bits: int = 2, eval_bits: EvalBits = None) -> None:
        super().__init__(bits)
        self.eval_bits = checked_eval_bits(eval_bits)

    def forward(self, x: Tensor) -> Tensor:
        """``x`` on its grids."""
        if not self.training and self.eval_bits is None:
            return x
        rest = tuple(range(1, x.dim()))
        return _on_grid(x, self.bits, x.detach().amin(rest, keepdim=True), x.detach().amax(rest, keepdim=True))

    def extra_repr(self) -> str:
        """The settings, for ``print(model)``."""
        return f"{super().extra_repr()}, eval_bits={self.eval_bits}"


class QuantizeActivation(Precision):
    """A whole batch on one uniform grid between its least and its greatest number.

    Forward: ``y = on_grid(x; bits, low, high)``, see :func:`~signbit.transforms.precision.on_grid`.
    While training, ``low = min(x)`` and ``high = max(x)`` over the batch, and both are remembered:
    ``running_low <- 0.9 running_low + 0.1 low``, ``running_range <- 0.9 running_range + 0.1 (high - low)``, from 0 on.
    Backward: the identity.

    Before a {0, 1} binarizer the grid is unsigned: ``low = 0``, ``high = max(x, 0)``, and numbers <= 0 stay as they
    are. They give 0 on any grid, and the binarizer's window still tells near from far below zero (our design: the
    reference has {-1, +1} only).

    Parameters
    ----------
    bits : 1 .. 16; state, changed by a schedule. 2 by default, where the published schedule starts.
    eval_bits : None (default): evaluation leaves ``x`` as it is, whatever the bits are at that moment.
        "published": evaluation uses the present bits and the remembered range, as the released code does. The range is
        that of standardized activations, while evaluation does not standardize: so it was published.
    alphabet : of the binarizer that follows; {-1, +1} by default.

    Folds: with ``eval_bits=None`` there is nothing left to fold.

    Shape: any, not empty; kept.

    Reference: Fontana, Lanzino, Diko, Foresti, Cinque, "CycleBNN", 2024 (released code).

    >>> QuantizeActivation(bits=2)(torch.tensor([-1.5, -0.2, 0.4, 1.5]))
    tensor([-1.5000, -0.5000,  0.5000,  1.5000])
    """

    folds = True
    running_low: Tensor
    running_range: Tensor

    def __init__(self, bits: int = 2, eval_bits: EvalBits = None, alphabet: Alphabet = Alphabet.PM1) -> None:
        super().__init__(bits)
        self.eval_bits = checked_eval_bits(eval_bits)
        self._unsigned = alphabet is Alphabet.ZERO_ONE
        self.register_buffer("running_low", torch.zeros(()))
        self.register_buffer("running_range", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        """``x`` on its grid."""
        if self.training:
            low, high = torch.aminmax(x.detach())
            if self._unsigned:
                low, high = torch.zeros_like(high), high.clamp(min=0)
            for running, now in ((self.running_low, low), (self.running_range, high - low)):
                running.mul_(MOMENTUM).add_(now * (1 - MOMENTUM))
        elif self.eval_bits is None:
            return x
        else:
            low, high = self.running_low, self.running_low + self.running_range
        y = _on_grid(x, self.bits, low, high)
        return torch.where(x > 0, y, x) if self._unsigned else y

    def extra_repr(self) -> str:
        """The settings, for ``print(model)``."""
        return f"{super().extra_repr()}, eval_bits={self.eval_bits}, unsigned={self._unsigned}"


def checked_eval_bits(eval_bits: EvalBits) -> EvalBits:
    """``eval_bits`` itself, if it is one of the two."""
    if eval_bits not in (None, "published"):
        raise ConfigError(f"eval_bits is None (plain sign) or 'published' (the present bits); got {eval_bits!r}")
    return eval_bits


def _on_grid(x: Tensor, bits: Tensor, low: Tensor, high: Tensor) -> Tensor:
    result: Tensor = _OnGrid.apply(x, bits, low, high)  # type: ignore[no-untyped-call]
    return result


class _OnGrid(torch.autograd.Function):
    @staticmethod
    def forward(x: Tensor, bits: Tensor, low: Tensor, high: Tensor) -> Tensor:
        return on_grid(x, bits, low, high)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        """Nothing is needed for the backward pass."""

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:  # noqa: ARG004
        return gradient, None, None, None
