"""Operations on each number by itself, sums and products of tensors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import torch
from torch import Tensor

from signbit.errors import ExportError
from signbit.exporter import fold
from signbit.exporter.record import Array, Recorder, affine, array
from signbit.exporter.repeats import pixel
from signbit.exporter.symbol import Symbol
from signbit.exporter.trace import Call

DIVISION = "divides by a tensor; a .sbn file divides by constants alone, and multiplies tensors"


def per_channel(constant: Any, x: Symbol) -> Array:
    """A number or a tensor that broadcasts over batch, height and width, as one number per channel."""
    values = array(constant)
    channels, rank = x.shape[2], x.rank
    full = values.reshape((1,) * (rank - values.ndim) + values.shape) if values.ndim <= rank else values
    flat = full.reshape(-1)
    if flat.size == 1:
        return np.full(channels, flat[0])
    if full.ndim != rank or full.shape[1] != channels or flat.size != channels:
        raise ExportError(f"a constant of shape {list(values.shape)} is not one number per channel ({channels})")
    return flat


def add(call: Call, record: Recorder, a: Any, b: Any, *, alpha: float = 1) -> Symbol:
    """``a + alpha b``, of which one or both are tensors."""
    if isinstance(a, Symbol) and isinstance(b, Symbol):
        if alpha != 1:
            b = _scaled(call, b, alpha)
        return _of_two(call, record, "add", a, b, "float: addition")
    if isinstance(a, Symbol):
        shift = alpha * per_channel(b, a)
        return affine(a, np.ones_like(shift), shift, call.where)
    shift = per_channel(a, b)
    return affine(b, np.full_like(shift, alpha), shift, call.where)


def subtract(call: Call, record: Recorder, a: Any, b: Any, *, alpha: float = 1) -> Symbol:
    """``a - alpha b``."""
    return add(call, record, a, b, alpha=-alpha)


def subtract_from(call: Call, record: Recorder, a: Any, b: Any, alpha: float = 1) -> Symbol:
    """``b - alpha a``."""
    return add(call, record, b, a, alpha=-alpha)


def multiply(call: Call, record: Recorder, a: Any, b: Any) -> Symbol:
    """``a b``, of which one or both are tensors."""
    if isinstance(a, Symbol) and isinstance(b, Symbol):
        return _of_two(call, record, "mul", a, b, "float: product of two tensors")
    x, constant = (a, b) if isinstance(a, Symbol) else (b, a)
    return _scaled(call, x, constant)


def divide(call: Call, _record: Recorder, a: Any, b: Any) -> Symbol:
    """``a / b`` with a constant b."""
    if not isinstance(a, Symbol) or isinstance(b, Symbol):
        raise ExportError(DIVISION)
    scale = 1 / per_channel(b, a)
    return affine(a, scale, np.zeros_like(scale), call.where)


def reciprocal(_call: Call, _record: Recorder, _x: Symbol) -> Symbol:
    """``1 / x``."""
    raise ExportError(DIVISION)


def negate(call: Call, _record: Recorder, x: Symbol) -> Symbol:
    """``-x``."""
    return _scaled(call, x, -1.0)


def _scaled(call: Call, x: Symbol, constant: Any) -> Symbol:
    scale = per_channel(constant, x)
    return affine(x, scale, np.zeros_like(scale), call.where)


def _of_two(call: Call, record: Recorder, op: str, a: Symbol, b: Symbol, note: str) -> Symbol:
    if a.rank != b.rank:
        raise ExportError(
            f"{op} of tensors of {a.rank} and {b.rank} dimensions; give a vector its two: v[:, :, None, None]"
        )
    if not (a.order is b.order or (a.order is not None and b.order is not None and np.array_equal(a.order, b.order))):
        raise ExportError(f"{op} of a flattened image and a vector; {op} before flattening")
    # The file repeats only its second operand over an image.
    x, other = (b, pixel(a)) if pixel(a).shape[:2] == (1, 1) else (a, pixel(b))
    return record.add(call, op, x, other, shape=x.shape, rank=x.rank, order=x.order, note=note)


def batch_norm(
    call: Call,
    _record: Recorder,
    x: Symbol,
    weight: Tensor | None,
    bias: Tensor | None,
    mean: Tensor | None,
    var: Tensor | None,
    training: bool,
    _momentum: float,
    eps: float,
    _cudnn: bool,
) -> Symbol:
    """A batch norm in evaluation mode."""
    step = norm_step(weight, bias, mean, var, training, eps)
    if x.order is not None:
        order = x.order.tolist()
        step = fold.Affine(tuple(step.scale[i] for i in order), tuple(step.shift[i] for i in order))
    return x.then(step, call.where)


def norm_step(
    weight: Tensor | None, bias: Tensor | None, mean: Tensor | None, var: Tensor | None, training: bool, eps: float
) -> fold.Affine:
    """The affine that a batch norm is."""
    if training or mean is None or var is None:
        raise ExportError("a batch norm without running statistics depends on the batch; track them")
    gamma, beta = (None if p is None else array(p) for p in (weight, bias))
    return fold.batch_norm(array(mean), array(var), eps, gamma, beta)


def relu(call: Call, _record: Recorder, x: Symbol) -> Symbol:
    """``max(x, 0)``."""
    return x.then(fold.Clamp(0.0, math.inf), call.where)


def relu6(call: Call, _record: Recorder, x: Symbol) -> Symbol:
    """``min(max(x, 0), 6)``."""
    return x.then(fold.Clamp(0.0, 6.0), call.where)


def clamp(call: Call, _record: Recorder, x: Symbol, low: Any = None, high: Any = None) -> Symbol:
    """``min(max(x, low), high)`` with numbers for bounds, None for none."""
    if isinstance(low, Tensor | Symbol) or isinstance(high, Tensor | Symbol):
        raise ExportError("clamps to a tensor; only numbers can be bounds")
    ends = (-math.inf if low is None else float(low), math.inf if high is None else float(high))
    return x.then(fold.Clamp(*ends), call.where)


def hardtanh(call: Call, record: Recorder, x: Symbol, low: float = -1.0, high: float = 1.0) -> Symbol:
    """``min(max(x, low), high)``."""
    return clamp(call, record, x, low, high)


def prelu(call: Call, _record: Recorder, x: Symbol, weight: Tensor) -> Symbol:
    """``x`` where it is positive, ``weight[c] x`` elsewhere."""
    slope = np.broadcast_to(array(weight), (x.shape[2],))
    return x.then(fold.PRelu(fold.exact(x.arranged(slope))), call.where)


def leaky_relu(call: Call, _record: Recorder, x: Symbol, slope: float = 0.01) -> Symbol:
    """``x`` where it is positive, ``slope x`` elsewhere."""
    return x.then(fold.PRelu(fold.exact(np.full(x.shape[2], slope))), call.where)


def dropout(_call: Call, _record: Recorder, x: Symbol, _p: float = 0.5, training: bool = True) -> Symbol:
    """Nothing, in evaluation."""
    if training:
        raise ExportError("drops numbers at random in evaluation, too; pass training=self.training")
    return x


def same(_call: Call, _record: Recorder, x: Symbol, *_settings: Any, **_more: Any) -> Symbol:
    """Copies, casts to the type that it has, and the like."""
    return x


def sigmoid(call: Call, record: Recorder, x: Symbol) -> Symbol:
    """``1 / (1 + exp(-x))``."""
    return record.add(call, "sigmoid", x, shape=x.shape, rank=x.rank, order=x.order)


def hardsigmoid(call: Call, _record: Recorder, x: Symbol) -> Symbol:
    """``min(max(x / 6 + 1 / 2, 0), 1)``."""
    sixths, halves = ((Fraction(1, n),) * x.shape[2] for n in (6, 2))
    return x.then(fold.Affine(sixths, halves), call.where).then(fold.Clamp(0.0, 1.0), call.where)


def silu(call: Call, record: Recorder, x: Symbol) -> Symbol:
    """``x sigmoid(x)``."""
    return multiply(call, record, x, sigmoid(call, record, x))


def hardswish(call: Call, record: Recorder, x: Symbol) -> Symbol:
    """``x hardsigmoid(x)``."""
    return multiply(call, record, x, hardsigmoid(call, record, x))


def layer_norm(
    call: Call,
    record: Recorder,
    x: Symbol,
    extents: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
    *_settings: Any,
) -> Symbol:
    """Over the channels of a vector."""
    if not x.vector or tuple(extents) != x.shape[2:]:
        raise ExportError(
            f"{call.kind} over {list(extents)} of {'a vector' if x.vector else 'an image'} of {x.shape[2]} channels "
            "cannot be exported; normalize all channels of a vector, or use ChannelLayerNorm on an image"
        )
    return normalized(call, record, x, weight, bias, eps)


def normalized(
    call: Call, record: Recorder, x: Symbol, weight: Tensor | None, bias: Tensor | None, eps: float
) -> Symbol:
    """Each position of an image by the mean and the variance of its channels."""
    blobs = {
        name: x.arranged(array(fixed if given is None else given)).astype(np.float32)
        for name, given, fixed in (("scale", weight, torch.ones(x.shape[2])), ("shift", bias, torch.zeros(x.shape[2])))
    }
    note = "float: mean and variance depend on the sample"
    record.note_fate(call.where, note)
    return record.add(
        call, "layer_norm", x, shape=x.shape, rank=x.rank, order=x.order, scalars={"eps": eps}, blobs=blobs, note=note
    )
