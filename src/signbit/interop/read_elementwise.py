"""Functions of each element by itself: they wait, because a quantizer further on may swallow them."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from signbit.exporter import fold
from signbit.exporter.repeats import pixel
from signbit.interop.read_call import Array, Call, Tensor


def batch_normalization(call: Call) -> Tensor:
    """With the statistics of training."""
    call.require(not call.attributes.get("training_mode", 0), "is in training mode", "export the model after eval()")
    x = call.plain()
    call.require(not x.channels_last, "reads [N, H, W, C]", "put it before the Transpose")
    gamma, beta, mean, var = (call.arranged(x, call.numbers(index)) for index in range(1, 5))
    eps = float(call.attributes.get("epsilon", 1e-5))
    return _then(call, x, fold.batch_norm(mean, var, eps, gamma, beta))


def add(call: Call) -> Tensor:
    """A constant a channel, or two tensors."""
    if isinstance(call.inputs[0], Tensor) and isinstance(call.inputs[1], Tensor):
        return _of_two(call, "add", call.plain(0), call.plain(1))
    x, numbers = _with_constant(call)
    return _affine(call, x, np.ones_like(numbers), numbers)


def sub(call: Call) -> Tensor:
    """As :func:`add`."""
    if isinstance(call.inputs[0], Tensor) and isinstance(call.inputs[1], Tensor):
        second = call.plain(1)
        minus = np.full(second.symbol.shape[2], -1.0)
        return _of_two(call, "add", call.plain(0), _affine(call, second, minus, np.zeros_like(minus)))
    x, numbers = _with_constant(call)
    if isinstance(call.inputs[0], Tensor):
        return _affine(call, x, np.ones_like(numbers), -numbers)
    return _affine(call, x, -np.ones_like(numbers), numbers)


def mul(call: Call) -> Tensor:
    """By a constant a channel, or two tensors."""
    if isinstance(call.inputs[0], Tensor) and isinstance(call.inputs[1], Tensor):
        return _of_two(call, "mul", call.plain(0), call.plain(1))
    x, numbers = _with_constant(call)
    return _affine(call, x, numbers, np.zeros_like(numbers))


def div(call: Call) -> Tensor:
    """By a constant a channel."""
    call.require(isinstance(call.inputs[0], Tensor), "divides by the image", "divide by constants")
    x, numbers = _with_constant(call)
    call.require(bool(numbers.all()), "divides by 0", "divide by other constants")
    zeros = fold.exact(np.zeros_like(numbers))
    return _then(call, x, fold.Affine(tuple(1 / number for number in fold.exact(numbers)), zeros))


def relu(call: Call) -> Tensor:
    """``max(x, 0)``."""
    return _then(call, call.plain(), fold.Clamp(0.0, math.inf))


def clip(call: Call) -> Tensor:
    """``min(max(x, low), high)``; bounds are inputs, in old models attributes."""
    low, high = (
        float(call.constant(index).item()) if call.given(index) else float(call.attributes.get(name, default))
        for index, name, default in ((1, "min", -math.inf), (2, "max", math.inf))
    )
    call.require(low <= high, f"clips to {low:g} .. {high:g}", "the bounds must be numbers in order")
    return _then(call, call.plain(), fold.Clamp(low, high))


def hard_sigmoid(call: Call) -> Tensor:
    """``min(max(alpha * x + beta, 0), 1)``."""
    return _hard_sigmoid(call, float(call.attributes.get("alpha", 0.2)), float(call.attributes.get("beta", 0.5)))


def hard_swish(call: Call) -> Tensor:
    """``x * min(max(x / 6 + 1 / 2, 0), 1)``."""
    return _of_two(call, "mul", call.plain(), _hard_sigmoid(call, 1 / 6, 0.5))


def _hard_sigmoid(call: Call, alpha: float, beta: float) -> Tensor:
    scale, shift = (np.full(call.plain().symbol.shape[2], number) for number in (alpha, beta))
    line = _then(call, call.plain(), fold.Affine(fold.exact(scale), fold.exact(shift)))
    return _then(call, line, fold.Clamp(0.0, 1.0))


def prelu(call: Call) -> Tensor:
    """``x if x >= 0 else slope[c] * x``."""
    return _then(call, call.plain(), fold.PRelu(fold.exact(call.per_channel(call.plain(), call.numbers(1)))))


def leaky_relu(call: Call) -> Tensor:
    """One slope for all."""
    slope = np.full(call.plain().symbol.shape[2], float(call.attributes.get("alpha", 0.01)))
    return _then(call, call.plain(), fold.PRelu(fold.exact(slope)))


def _with_constant(call: Call) -> tuple[Tensor, Array]:
    """The input that depends on the image, and the constant one, a number for each channel."""
    side = 0 if isinstance(call.inputs[0], Tensor) else 1
    both = all(isinstance(value, Tensor) for value in call.inputs[:2])
    call.require(not both, "divides two tensors that depend on the image", "Add, Sub and Mul of two can be imported")
    x = call.plain(side)
    return x, call.per_channel(x, call.numbers(1 - side))


def _affine(call: Call, x: Tensor, scale: Array, shift: Array) -> Tensor:
    one_scale = (scale == scale[0]).all() and scale[0] > 0 and not shift.any()
    if x.symbol.alphabet is not None and one_scale:
        return replace(x, scale=x.scale * float(scale[0]))
    return _then(call, x, fold.Affine(fold.exact(scale), fold.exact(shift)))


def _then(call: Call, x: Tensor, step: fold.Step) -> Tensor:
    return replace(x, symbol=call.real(x).then(step, call.where), scale=1.0)


def _of_two(call: Call, op: str, first: Tensor, second: Tensor) -> Tensor:
    """Of two equal shapes, or of an image and a vector that meets each of its pixels."""
    if pixel(first.symbol).shape[:2] == (1, 1):
        first, second = second, first
    second = replace(second, symbol=pixel(second.symbol))
    like = second.symbol.shape in (first.symbol.shape, (1, 1, first.symbol.shape[2]))
    same = (first.symbol.rank, first.channels_last) == (second.symbol.rank, second.channels_last)
    a, b = first.symbol.order, second.symbol.order
    order = (a is None and b is None) or (a is not None and b is not None and np.array_equal(a, b))
    call.require(
        like and same and order,
        f"reads {['N', *first.features]} and {['N', *second.features]}",
        "two equal shapes, or [N, C, H, W] and [N, C, 1, 1], can meet",
    )
    real = [call.emit.real(call.real(x)) for x in (first, second)]
    node = call.emit.builder.node(op, *real, name=call.where, note="float")
    return replace(first, symbol=replace(first.symbol, base=node, pending=(), alphabet=None), scale=1.0)
