"""The gradient of a layer's result on a grid, rounded up or down at random."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from signbit.errors import ConfigError
from signbit.transforms import _grid
from signbit.transforms.precision import Precision, on_grid


class QuantizeGradient(Precision):
    """Nothing forward; backward the gradient is put on a uniform grid with stochastic rounding.

    Forward: ``y = x``. Backward, while training, upstream gradient G over the whole batch:
    ``dL/dx = on_grid(G; bits, min(G), max(G), noise)``, noise even in [-1/2, 1/2), see
    :func:`~signbit.transforms.precision.on_grid`. In evaluation the gradient passes unchanged.

    It stands between a convolution and its output scale: the gradient is multiplied by the scale first, and both
    products of the backward pass then have operands of one bit and ``bits`` bits.

    The noise of a backward pass follows from a seed and the number of training forwards so far, which are saved with
    the model: a run that is resumed rounds as one that was not interrupted. (They replace the state of a generator,
    which differs between devices and which torch.compile cannot follow.)

    Parameters
    ----------
    bits : 1 .. 16; state, may follow a schedule. 8 by default, as published.
    seed : >= 0; drawn from torch's global stream by default, so that every layer has one of its own and a seeded run
        is repeatable.

    Folds: it is not there in evaluation.

    Shape: any, not empty; kept.

    Reference: Fontana, Lanzino, Diko, Foresti, Cinque, "CycleBNN", 2024 (released code;
    there the noise comes from the global stream).

    >>> x = torch.tensor([1.0, 2.0, 3.0, 4.0], requires_grad=True)
    >>> QuantizeGradient(bits=1, seed=0)(x).backward(torch.tensor([0.0, 0.1, 0.9, 1.0])); x.grad
    tensor([0., 0., 1., 1.])
    """

    folds = True

    def __init__(self, bits: int = 8, seed: int | None = None) -> None:
        super().__init__(bits)
        if seed is None:
            seed = int(torch.randint(2**31, (), device="cpu"))
        elif not isinstance(seed, int) or not 0 <= seed < 2**31:
            raise ConfigError(f"QuantizeGradient: seed is an integer in 0 .. 2**31 - 1; got {seed!r}")
        # Not buffers: they stay on the CPU, where reading them makes no accelerator wait.
        self._seed, self._draws = torch.tensor([seed, 0], device="cpu").unbind()

    def forward(self, x: Tensor) -> Tensor:
        """``x`` itself."""
        if not self.training:
            return x
        # Not in place: a compiled backward may compute the key again, from what this tensor holds by then.
        self._draws = self._draws + 1
        y: Tensor = _Rounded.apply(x, self.bits, self._seed + self._draws)  # type: ignore[no-untyped-call]
        return y

    def get_extra_state(self) -> Tensor:
        """Seed and number of draws."""
        return torch.stack([self._seed, self._draws])

    def set_extra_state(self, state: Tensor) -> None:
        """Take over seed and number of draws."""
        self._seed, self._draws = state.cpu().clone().unbind()


def quantize_gradient(gradient: Tensor, bits: Tensor, noise: Tensor) -> Tensor:
    """``gradient`` on a grid between its least and its greatest number, rounded with ``noise``."""
    low, high = torch.aminmax(gradient)
    return on_grid(gradient, bits, low, high, noise)


@torch.library.custom_op("signbit::rounding_noise", mutates_args=())
def rounding_noise(like: Tensor, key: Tensor) -> Tensor:
    """Numbers even in [-1/2, 1/2) that follow from the integer ``key`` alone; float32, of the shape of ``like``."""
    if like.device.type == "cpu":
        y = torch.empty(like.shape)
        _grid.rounding_noise(y.view(-1), int(key), torch.get_num_threads())
        return y
    generator = torch.Generator(like.device).manual_seed(int(key))
    return torch.empty(like.shape, device=like.device).uniform_(-0.5, 0.5, generator=generator)


@rounding_noise.register_fake
def _(like: Tensor, key: Tensor) -> Tensor:  # noqa: ARG001
    return torch.empty(like.shape, device=like.device)


class _Rounded(torch.autograd.Function):
    @staticmethod
    def forward(x: Tensor, bits: Tensor, key: Tensor) -> Tensor:  # noqa: ARG004
        return x.view_as(x)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:  # noqa: ARG004
        ctx.save_for_backward(*inputs[1:])

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        bits, key = ctx.saved_tensors
        return quantize_gradient(gradient, bits, rounding_noise(gradient, key)), None, None
