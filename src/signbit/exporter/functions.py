"""How functions and tensor methods are lowered: arithmetic with constants, additions, function forms of modules."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from signbit.errors import ExportError
from signbit.exporter.emit import Emitter
from signbit.exporter.modules import PENDING_RULES, REAL_RULES, Array, affine, array
from signbit.exporter.symbol import Symbol


class BatchSize:
    """Stands for the number of images, which a file leaves open; it can be passed on but not computed with."""


BATCH = BatchSize()


def _per_channel(constant: Any, x: Symbol, where: str) -> Array:
    """A number or a tensor that broadcasts over batch, height and width, as one number per channel."""
    values = array(torch.as_tensor(constant), where)
    channels, rank = x.shape[2], 2 if x.vector else 4
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
        same = a.order is b.order or (a.order is not None and b.order is not None and np.array_equal(a.order, b.order))
        if not same:
            raise ExportError(f"{where}: adds a flattened image and a vector; add before flattening")
        node = emit.builder.node("add", emit.real(a), emit.real(b), name=where, note="float: addition")
        return Symbol(node, emit.builder.value(node).shape, vector=a.vector, order=a.order)
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


def _flatten(_emit: Emitter, where: str, x: Symbol, start_dim: int = 0, end_dim: int = -1) -> Symbol:
    if start_dim != 1 or end_dim not in (-1, 1 if x.vector else 3):
        raise ExportError(f"{where}: flattens dimensions {start_dim} to {end_dim}; use torch.flatten(x, 1)")
    return x.flattened(where)


def _view(emit: Emitter, where: str, x: Symbol, *sizes: Any) -> Symbol:
    wanted = sizes[0] if len(sizes) == 1 and isinstance(sizes[0], tuple | list) else sizes
    count = int(np.prod(x.shape))
    batch_first = len(wanted) == 2 and (wanted[0] is BATCH or (wanted[0] == -1 and wanted[1] == count))
    if not (batch_first and wanted[1] in (-1, count)):
        raise ExportError(f"{where}: only the view that flattens all but the batch is known; use torch.flatten(x, 1)")
    return _flatten(emit, where, x, 1)


def _size(_emit: Emitter, _where: str, x: Symbol, dim: int | None = None) -> Any:
    height, width, channels = x.shape
    sizes = (BATCH, channels) if x.vector else (BATCH, channels, height, width)
    return sizes if dim is None else sizes[dim]


def _getattr(emit: Emitter, where: str, x: Symbol, name: str) -> Any:
    if name != "shape":
        raise ExportError(f"{where}: reads attribute {name!r} of a tensor; only shape is known")
    return _size(emit, where, x)


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
    torch.flatten: _flatten,
    getattr: _getattr,
    torch.relu: _relu,
    F.relu: _relu,
    F.hardtanh: _hardtanh,
    F.leaky_relu: _as_module(nn.LeakyReLU, "negative_slope"),
    F.dropout: _as_module(nn.Dropout, "p"),
    F.max_pool2d: _as_module(nn.MaxPool2d, *_POOL, "dilation", "ceil_mode", "return_indices"),
    F.avg_pool2d: _as_module(nn.AvgPool2d, *_POOL, "ceil_mode", "count_include_pad", "divisor_override"),
    F.adaptive_avg_pool2d: _as_module(nn.AdaptiveAvgPool2d, "output_size"),
}
"""Functions that may read tensors; what reads constants alone is computed by torch at export."""

METHODS: Mapping[Any, Callable[..., Any]] = {
    "add": _add,
    "mul": _multiply,
    "sub": _subtract,
    "flatten": _flatten,
    "view": _view,
    "reshape": _view,
    "size": _size,
    "relu": _relu,
    "contiguous": lambda _emit, _where, x: x,
}
"""Tensor methods, likewise."""

READ_REAL = frozenset({operator.add, operator.iadd, torch.add, "add", F.avg_pool2d, F.adaptive_avg_pool2d})
"""Those that read real numbers when all their arguments are tensors."""
