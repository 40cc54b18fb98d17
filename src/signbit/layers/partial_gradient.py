"""Operations whose weight gradient is computed for some filters only: the work for the others is left out."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

Pair = tuple[int, int]


def partial_conv2d(x: Tensor, weight: Tensor, active: Tensor, stride: Pair, padding: Pair, dilation: Pair) -> Tensor:
    """``conv2d`` without bias and groups; ``dL/dweight`` is computed for the filters ``active`` and 0 for the others.

    Parameters
    ----------
    x, weight : as for ``torch.nn.functional.conv2d``; ``dL/dx`` is complete.
    active : indices of filters, int64; where there are none, ``weight`` gets no gradient at all.
    """
    result: Tensor = _PartialConv2d.apply(x, weight, active, stride, padding, dilation)  # type: ignore[no-untyped-call]
    return result


def partial_linear(x: Tensor, weight: Tensor, active: Tensor) -> Tensor:
    """``linear`` on ``[N, in]`` without bias; see :func:`partial_conv2d`.

    >>> w = torch.ones(3, 2, requires_grad=True)
    >>> partial_linear(torch.ones(1, 2), w, torch.tensor([1])).sum().backward(); w.grad
    tensor([[0., 0.],
            [1., 1.],
            [0., 0.]])
    """
    result: Tensor = _PartialLinear.apply(x, weight, active)  # type: ignore[no-untyped-call]
    return result


class _PartialConv2d(torch.autograd.Function):
    @staticmethod
    def forward(x: Tensor, weight: Tensor, active: Tensor, stride: Pair, padding: Pair, dilation: Pair) -> Tensor:  # noqa: ARG004
        return F.conv2d(x, weight, None, stride, padding, dilation)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:  # noqa: ARG004
        ctx.save_for_backward(*inputs[:3])
        ctx.geometry = inputs[3:]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, active = ctx.saved_tensors

        def gradients(of: Tensor, filters: Tensor, mask: list[bool]) -> tuple[Tensor, ...]:
            # Under autocast the result, and its gradient, are of lower precision than the operands that were saved.
            given = (of, x.to(of.dtype), filters.to(of.dtype))
            stride, padding, dilation = ctx.geometry
            parts: tuple[Tensor, ...] = torch.ops.aten.convolution_backward(
                *given, None, stride, padding, dilation, False, [0, 0], 1, mask
            )
            return parts

        of_x = of_weight = None
        if ctx.needs_input_grad[0]:
            of_x = gradients(gradient, weight, [True, False, False])[0].to(x.dtype)
        if ctx.needs_input_grad[1] and len(active):
            some = gradients(gradient[:, active], weight[active], [False, True, False])[1]
            of_weight = torch.zeros_like(weight).index_copy(0, active, some.to(weight.dtype))
        return of_x, of_weight, None, None, None, None


class _PartialLinear(torch.autograd.Function):
    @staticmethod
    def forward(x: Tensor, weight: Tensor, active: Tensor) -> Tensor:  # noqa: ARG004
        return F.linear(x, weight)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:  # noqa: ARG004
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, active = ctx.saved_tensors
        of_x = of_weight = None
        if ctx.needs_input_grad[0]:
            of_x = (gradient @ weight.to(gradient.dtype)).to(x.dtype)
        if ctx.needs_input_grad[1] and len(active):
            some = gradient[:, active].T @ x.to(gradient.dtype)
            of_weight = torch.zeros_like(weight).index_copy(0, active, some.to(weight.dtype))
        return of_x, of_weight, None
