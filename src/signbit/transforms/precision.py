"""A grid whose number of bits is state of the module."""

from __future__ import annotations

from abc import ABC

import torch
from torch import Tensor

from signbit.errors import ConfigError
from signbit.transforms import _grid
from signbit.transforms.base import Transform

FINEST_BITS = 16
SCALE_FLOOR = 1e-8


class Precision(Transform, ABC):
    """A transform that puts a tensor, or its gradient, on a grid of ``2 ** bits`` levels.

    The bits are a buffer: they are saved with the model, and are set from outside (see
    :mod:`signbit.callbacks.precision`) instead of being handed through every forward.

    Parameters
    ----------
    bits : 1 .. 16.
    """

    bits: Tensor

    def __init__(self, bits: int) -> None:
        super().__init__()
        self.register_buffer("bits", torch.tensor(checked_bits(bits)))

    def set_bits(self, bits: int) -> None:
        """Use a grid of ``2 ** bits`` levels from now on."""
        self.bits.fill_(checked_bits(bits))

    def extra_repr(self) -> str:
        """The settings, for ``print(model)``."""
        return f"bits={int(self.bits)}"


def checked_bits(bits: int) -> int:
    """``bits`` itself, if it is an integer in 1 .. 16."""
    if not isinstance(bits, int) or not 1 <= bits <= FINEST_BITS:
        raise ConfigError(f"a grid has 1 to {FINEST_BITS} bits, an integer; got {bits!r}")
    return bits


@torch.no_grad()
def on_grid(x: Tensor, bits: Tensor, low: Tensor, high: Tensor, noise: Tensor | None = None) -> Tensor:
    """The level next to each number of ``x`` on a uniform grid from ``low`` to ``high``. Not differentiable.

    ``n = 2^bits - 1``, ``scale = max((high - low) / n, 1e-8)``,
    ``y = rint(clamp((x - low) / scale + noise, 0, n)) * scale + low``, halves to the even level.
    With ``noise`` drawn evenly from [-1/2, 1/2) the rounding is stochastic and, inside the grid, right on average.

    Parameters
    ----------
    x : any shape and floating dtype; computed in float32 at least, returned in its own dtype.
    bits : integer tensor without dimensions.
    low, high : broadcast against ``x``; low <= high.
    noise : float32, broadcast against ``x``; None for the nearest level.

    Reference: Fontana, Lanzino, Diko, Foresti, Cinque, "CycleBNN", 2024 (released code).

    >>> on_grid(torch.tensor([0.0, 0.4, 1.4, 3.0]), torch.tensor(2), torch.tensor(0.0), torch.tensor(3.0))
    tensor([0., 0., 1., 3.])
    """
    wide = torch.promote_types(x.dtype, torch.float32)
    low = low.to(wide)
    levels = ((1 << bits) - 1).to(wide)
    scale = ((high.to(wide) - low) / levels).clamp(min=SCALE_FLOOR)
    rows = low.numel() == 1 or low.shape == (*x.shape[:1], *(1 for _ in x.shape[1:]))
    if rows and low.shape == scale.shape and wide == torch.float32 and x.device.type == "cpu":
        y: Tensor = _in_one_pass(x.to(wide), noise, low, scale, levels)
        return y.to(x.dtype)
    y = (x.to(wide) - low).div_(scale)
    if noise is not None:
        y = y.add_(noise)
    return y.clamp_(torch.zeros_like(levels), levels).round_().mul_(scale).add_(low).to(x.dtype)


@torch.library.custom_op("signbit::on_grid", mutates_args=(), device_types="cpu")
def _in_one_pass(x: Tensor, noise: Tensor | None, low: Tensor, scale: Tensor, levels: Tensor) -> Tensor:
    """The same bits as the formula in torch, which passes over memory six times."""
    y = torch.empty(x.shape)
    _grid.on_grid(
        x.reshape(-1), None if noise is None else noise.expand_as(x).reshape(-1), y.view(-1),
        low.reshape(-1), scale.reshape(-1), float(levels), torch.get_num_threads(),
    )  # fmt: skip
    return y


@_in_one_pass.register_fake
def _(x: Tensor, noise: Tensor | None, low: Tensor, scale: Tensor, levels: Tensor) -> Tensor:  # noqa: ARG001
    return torch.empty(x.shape)
