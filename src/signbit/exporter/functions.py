"""How functions and tensor methods are lowered: arithmetic with constants, additions, function forms of modules."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from signbit.errors import ExportError
from signbit.exporter.dimensions import attribute, flatten, getitem, size, unsqueeze, view
from signbit.exporter.emit import Emitter
from signbit.exporter.modules import PENDING_RULES, REAL_RULES, Array, affine, array
from signbit.exporter.symbol import Symbol
from signbit.exporter.weights import check_layer, float_layer


def _per_channel(constant: Any, x: Symbol, where: str) -> Array:
    """A number or a tensor that broadcasts over batch, height and width, as one number per channel."""
    values = array(torch.as_tensor(constant), where)
    channels, rank = x.shape[2], x.rank
    full = values.reshape((1,) * (rank - values.ndim) + values.shape) if values.ndim <= rank else values
    flat = full.reshape(-1)
    if flat.size == 1:
        return np.full(channels, flat[0])
    if full.ndim != rank or full.shape[1] != channels or flat.size != channels:
        raise ExportError(
            f"{where}: a constant of shape {list(values.shape)} is not one number per channel ({channels})"
        )
    return flat


def _add(emit: Emitter, where: str, a: Any, b: Any, *, alpha: float = 1, sign: int = 1) -> Symbol:
    if isinstance(a, Symbol) and isinstance(b, Symbol):
        if sign * alpha != 1:
            raise ExportError(f"{where}: tensors can be added, not subtracted or weighted; scale one of them in a norm")
        if a.rank != b.rank:
            raise ExportError(
                f"{where}: adds tensors of {a.rank} and {b.rank} dimensions; give a vector its two: v[:, :, None, None]"
            )
        same = a.order is b.order or (a.order is not None and b.order is not None and np.array_equal(a.order, b.order))
        if not same:
            raise ExportError(f"{where}: adds a flattened image and a vector; add before flattening")
        # The file repeats only its second operand over an image.
        x, added = (b, a) if a.shape[:2] == (1, 1) else (a, b)
        node = emit.builder.node("add", emit.real(x), emit.real(added), name=where, note="float: addition")
        return replace(x, base=node, pending=())
    if isinstance(a, Symbol):
        shift = sign * alpha * _per_channel(b, a, where)
        return affine(_real_numbers(a, where), np.ones_like(shift), shift, where)
    shift = _per_channel(a, b, where)
    return affine(_real_numbers(b, where), np.full_like(shift, sign * alpha), shift, where)


def _subtract(emit: Emitter, where: str, a: Any, b: Any, *, alpha: float = 1) -> Symbol:
    return _add(emit, where, a, b, alpha=alpha, sign=-1)


def _multiply(_emit: Emitter, where: str, a: Any, b: Any) -> Symbol:
    if isinstance(a, Symbol) and isinstance(b, Symbol):
        raise ExportError(f"{where}: multiplies two tensors; only constants can scale a tensor in a .sbn file")
    x, constant = (a, b) if isinstance(a, Symbol) else (b, a)
    scale = _per_channel(constant, x, where)
    return affine(_real_numbers(x, where), scale, np.zeros_like(scale), where)


def _divide(_emit: Emitter, where: str, a: Any, b: Any) -> Symbol:
    if not isinstance(a, Symbol) or isinstance(b, Symbol):
        raise ExportError(f"{where}: divides by a tensor; only constants can scale a tensor in a .sbn file")
    scale = 1 / _per_channel(b, a, where)
    return affine(_real_numbers(a, where), scale, np.zeros_like(scale), where)


def _negate(emit: Emitter, where: str, x: Symbol) -> Symbol:
    return _multiply(emit, where, x, -1.0)


def _real_numbers(x: Symbol, where: str) -> Symbol:
    if x.alphabet is not None:
        raise ExportError(f"{where}: computes with a binarized tensor; only binary layers can")
    return x


def _mean(emit: Emitter, where: str, x: Symbol, dim: Any = None, keepdim: bool = False) -> Symbol:
    if x.rank != 4 or not isinstance(dim, tuple | list) or sorted(number % 4 for number in dim) != [2, 3]:
        raise ExportError(f"{where}: a mean over {dim} of {x.rank} dimensions; only x.mean((2, 3)) of images is known")
    mean = _global_mean(emit, where, x, 1)
    return mean if keepdim else replace(mean, rank=2)


def _linear(emit: Emitter, where: str, x: Symbol, weight: Any, bias: Any = None) -> Symbol:
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None)
    layer.weight = nn.Parameter(weight)
    if bias is not None:
        layer.bias = nn.Parameter(bias)
    x = _real_numbers(x, where)
    check_layer(layer, x, where)
    return float_layer(layer, x, emit, where, norm=None, why="float: full-precision product")


def _as_module(kind: Callable[..., nn.Module], *names: str) -> Callable[..., Symbol]:
    """The function form of a module: the same settings under ``names``, in order."""

    def call(emit: Emitter, where: str, x: Symbol, *args: Any, **kwargs: Any) -> Symbol:
        settings = {**dict(zip(names, args, strict=False)), **kwargs}
        settings.pop("inplace", None)
        settings.pop("training", None)
        module = kind(**settings)
        rule = {**PENDING_RULES, **REAL_RULES}[type(module)]
        return rule(module, _real_numbers(x, where), emit, where)

    return call


_POOL = ("kernel_size", "stride", "padding")
_global_mean = _as_module(nn.AdaptiveAvgPool2d, "output_size")
_sigmoid = _as_module(nn.Sigmoid)
_relu = _as_module(nn.ReLU)
_hardtanh = _as_module(nn.Hardtanh, "min_val", "max_val")

FUNCTIONS: Mapping[Any, Callable[..., Any]] = {
    operator.add: _add,
    operator.iadd: _add,
    torch.add: _add,
    operator.sub: _subtract,
    torch.sub: _subtract,
    operator.mul: _multiply,
    operator.imul: _multiply,
    torch.mul: _multiply,
    operator.truediv: _divide,
    torch.div: _divide,
    operator.neg: _negate,
    torch.flatten: flatten,
    getattr: attribute,
    torch.relu: _relu,
    F.relu: _relu,
    F.hardtanh: _hardtanh,
    F.leaky_relu: _as_module(nn.LeakyReLU, "negative_slope"),
    F.dropout: _as_module(nn.Dropout, "p"),
    F.max_pool2d: _as_module(nn.MaxPool2d, *_POOL, "dilation", "ceil_mode", "return_indices"),
    F.avg_pool2d: _as_module(nn.AvgPool2d, *_POOL, "ceil_mode", "count_include_pad", "divisor_override"),
    F.adaptive_avg_pool2d: _global_mean,
    F.linear: _linear,
    F.sigmoid: _sigmoid,
    torch.sigmoid: _sigmoid,
    torch.mean: _mean,
    torch.unsqueeze: unsqueeze,
    operator.getitem: getitem,
}
"""Functions that may read tensors; what reads constants alone is computed by torch at export."""

METHODS: Mapping[Any, Callable[..., Any]] = {
    "add": _add,
    "mul": _multiply,
    "sub": _subtract,
    "flatten": flatten,
    "view": view,
    "reshape": view,
    "size": size,
    "relu": _relu,
    "sigmoid": _sigmoid,
    "mean": _mean,
    "unsqueeze": unsqueeze,
    "contiguous": lambda _emit, _where, x: x,
}
"""Tensor methods, likewise."""

ADDITIONS = frozenset({operator.add, operator.iadd, torch.add, "add"})
"""They read real numbers when all their arguments are tensors."""

READ_REAL = frozenset(
    {F.avg_pool2d, F.adaptive_avg_pool2d, F.linear, F.sigmoid, torch.sigmoid, "sigmoid", torch.mean, "mean"}
)
"""They always do."""
