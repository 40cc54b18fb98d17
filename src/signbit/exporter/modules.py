"""How modules of ``torch.nn`` become pending work or nodes: one rule each, found by the module's type."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from signbit.errors import ExportError
from signbit.exporter import fold
from signbit.exporter.emit import Emitter
from signbit.exporter.symbol import Symbol
from signbit.format import SPATIAL, Blob
from signbit.layers import ChannelLayerNorm, SubsamplePad

Rule = Callable[[Any, Symbol, Emitter, str], Symbol]
"""(module, its input, emitter, path) -> its output."""

Array = npt.NDArray[np.float64]


def array(tensor: torch.Tensor, path: str) -> Array:
    """A tensor's numbers, which must be finite."""
    values: Array = tensor.detach().to("cpu", torch.float64).numpy()
    if not np.isfinite(values).all():
        raise ExportError(f"{path}: holds NaN or infinity; a network that did not train well cannot be exported")
    return values


def spatial(kernel: Any, stride: Any, padding: Any, dilation: Any = 1) -> dict[str, int]:
    """The attributes of a window; ``padding`` is one number, (height, width) or (top, left, bottom, right)."""
    sides = padding if isinstance(padding, tuple) and len(padding) == 4 else (*_pair(padding), *_pair(padding))
    return dict(zip(SPATIAL, (*_pair(kernel), *_pair(stride), *sides, *_pair(dilation)), strict=True))


def _pair(value: Any) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (int(value[0]), int(value[1]))


def require(met: bool, path: str, module: nn.Module, what: str, instead: str) -> None:
    """An error that names the module, unless ``met``."""
    if not met:
        raise ExportError(f"{path}: {type(module).__name__} {what} cannot be exported; {instead}")


def affine(x: Symbol, scale: Array, shift: Array, path: str) -> Symbol:
    """``scale * x + shift`` with torch's per-channel numbers."""
    return x.then(fold.Affine(fold.exact(x.arranged(scale)), fold.exact(x.arranged(shift))), path)


def norm_affine(norm: nn.BatchNorm1d | nn.BatchNorm2d, path: str) -> fold.Affine:
    """A batch norm in evaluation mode."""
    mean, var = norm.running_mean, norm.running_var
    if mean is None or var is None:
        raise ExportError(f"{path}: a batch norm without running statistics depends on the batch; track them")
    gamma, beta = (None if p is None else array(p, path) for p in (norm.weight, norm.bias))
    return fold.batch_norm(array(mean, path), array(var, path), norm.eps, gamma, beta)


def _batch_norm(norm: nn.BatchNorm2d, x: Symbol, _emit: Emitter, path: str) -> Symbol:
    step = norm_affine(norm, path)
    if x.order is not None:
        order = x.order.tolist()
        step = fold.Affine(tuple(step.scale[i] for i in order), tuple(step.shift[i] for i in order))
    return x.then(step, path)


def _identity(_module: nn.Module, x: Symbol, _emit: Emitter, _path: str) -> Symbol:
    return x


def _relu(_module: nn.ReLU, x: Symbol, _emit: Emitter, path: str) -> Symbol:
    return x.then(fold.Clamp(0.0, math.inf), path)


def _hardtanh(module: nn.Hardtanh, x: Symbol, _emit: Emitter, path: str) -> Symbol:
    return x.then(fold.Clamp(float(module.min_val), float(module.max_val)), path)


def _prelu(module: nn.PReLU, x: Symbol, _emit: Emitter, path: str) -> Symbol:
    slope = np.broadcast_to(array(module.weight, path), (x.shape[2],))
    return x.then(fold.PRelu(fold.exact(x.arranged(slope))), path)


def _leaky_relu(module: nn.LeakyReLU, x: Symbol, _emit: Emitter, path: str) -> Symbol:
    return x.then(fold.PRelu(fold.exact(np.full(x.shape[2], module.negative_slope))), path)


def _flatten(module: nn.Flatten, x: Symbol, _emit: Emitter, path: str) -> Symbol:
    whole = module.start_dim == 1 and module.end_dim in (-1, 1 if x.vector else 3)
    require(whole, path, module, f"from {module.start_dim} to {module.end_dim}", "flatten all but the batch: (1, -1)")
    return x.flattened(path)


def _max_pool(module: nn.MaxPool2d, x: Symbol, _emit: Emitter, path: str) -> Symbol:
    require(not module.ceil_mode, path, module, "with ceil_mode", "pad the input instead")
    require(_pair(module.dilation) == (1, 1), path, module, "with dilation", "use a convolution with stride")
    require(not module.return_indices, path, module, "with return_indices", "return the values alone")
    attributes = spatial(module.kernel_size, module.stride, module.padding)
    return x.pooled(attributes, (*window(x, attributes), x.shape[2]), path)


def _avg_pool(module: nn.AvgPool2d, x: Symbol, emit: Emitter, path: str) -> Symbol:
    require(not module.ceil_mode, path, module, "with ceil_mode", "pad the input instead")
    require(module.divisor_override is None, path, module, "with divisor_override", "scale in a batch norm instead")
    attributes = spatial(module.kernel_size, module.stride, module.padding)
    return _mean(x, {**attributes, "count_include_pad": int(module.count_include_pad)}, emit, path)


def _adaptive_avg_pool(module: nn.AdaptiveAvgPool2d, x: Symbol, emit: Emitter, path: str) -> Symbol:
    wanted = module.output_size if isinstance(module.output_size, tuple) else (module.output_size, module.output_size)
    goal = [have if want is None else want for have, want in zip(x.shape[:2], wanted, strict=True)]
    even = all(have % want == 0 for have, want in zip(x.shape[:2], goal, strict=True))
    require(even, path, module, f"from {x.shape[:2]} to {tuple(goal)}", "use an output size that divides the input's")
    kernel = (x.shape[0] // goal[0], x.shape[1] // goal[1])
    return _mean(x, {**spatial(kernel, kernel, 0), "count_include_pad": 1}, emit, path)


def _mean(x: Symbol, attributes: dict[str, int], emit: Emitter, path: str) -> Symbol:
    node = emit.builder.node("avg_pool2d", emit.real(x), attributes=attributes, name=path, note="float")
    return replace(x, base=node, pending=(), shape=emit.builder.value(node).shape)


def _sigmoid(_module: nn.Sigmoid, x: Symbol, emit: Emitter, path: str) -> Symbol:
    node = emit.builder.node("sigmoid", emit.real(x), name=path, note="float")
    return replace(x, base=node, pending=())


def _channel_layer_norm(module: ChannelLayerNorm, x: Symbol, emit: Emitter, path: str) -> Symbol:
    return _normalized(x, module.weight, module.bias, module.eps, emit, path)


def _layer_norm(module: nn.LayerNorm, x: Symbol, emit: Emitter, path: str) -> Symbol:
    channels = x.vector and tuple(module.normalized_shape) == x.shape[2:]
    what = f"over {list(module.normalized_shape)} of {'a vector' if x.vector else 'an image'} of {x.shape[2]} channels"
    require(channels, path, module, what, "normalize all channels of a vector, or use ChannelLayerNorm on an image")
    return _normalized(x, module.weight, module.bias, module.eps, emit, path)


def _normalized(
    x: Symbol, weight: torch.Tensor | None, bias: torch.Tensor | None, eps: float, emit: Emitter, path: str
) -> Symbol:
    scale = np.ones(x.shape[2]) if weight is None else array(weight, path)
    shift = np.zeros(x.shape[2]) if bias is None else array(bias, path)
    blobs: dict[str, Blob] = {
        "scale": x.arranged(scale).astype(np.float32),
        "shift": x.arranged(shift).astype(np.float32),
    }
    note = "float: mean and variance depend on the sample"
    node = emit.builder.node("layer_norm", emit.real(x), scalars={"eps": eps}, blobs=blobs, name=path, note=note)
    emit.note_fate(path, note)
    return replace(x, base=node, pending=())


def _subsample_pad(module: SubsamplePad, x: Symbol, emit: Emitter, path: str) -> Symbol:
    node, build = emit.real(x), emit.builder.node
    if module.stride > 1:
        strides = {"stride_h": module.stride, "stride_w": module.stride}
        node = build("subsample", node, attributes=strides, name=path, note="float")
    if module.before or module.after:
        added = {"before": module.before, "after": module.after}
        node = build("pad_channels", node, attributes=added, name=path, note="float")
    return Symbol(node, emit.builder.value(node).shape)


def window(x: Symbol, attributes: dict[str, int]) -> tuple[int, int]:
    """Output height and width of a window."""
    extents = []
    for axis, extent, sides in (("h", x.shape[0], ("top", "bottom")), ("w", x.shape[1], ("left", "right"))):
        padded = extent + sum(attributes[f"pad_{side}"] for side in sides)
        span = attributes[f"dilation_{axis}"] * (attributes[f"kernel_{axis}"] - 1) + 1
        extents.append((padded - span) // attributes[f"stride_{axis}"] + 1)
    return extents[0], extents[1]


PENDING_RULES: dict[type[nn.Module], Rule] = {
    nn.BatchNorm1d: _batch_norm,
    nn.BatchNorm2d: _batch_norm,
    nn.Identity: _identity,
    nn.Dropout: _identity,
    nn.Dropout1d: _identity,
    nn.Dropout2d: _identity,
    nn.ReLU: _relu,
    nn.ReLU6: _hardtanh,
    nn.Hardtanh: _hardtanh,
    nn.PReLU: _prelu,
    nn.LeakyReLU: _leaky_relu,
    nn.Flatten: _flatten,
    nn.MaxPool2d: _max_pool,
}
"""Modules whose work can wait, because a sign further on may swallow it."""

REAL_RULES: dict[type[nn.Module], Rule] = {
    nn.AvgPool2d: _avg_pool,
    nn.AdaptiveAvgPool2d: _adaptive_avg_pool,
    SubsamplePad: _subsample_pad,
    nn.Sigmoid: _sigmoid,
    nn.LayerNorm: _layer_norm,
    ChannelLayerNorm: _channel_layer_norm,
}
"""Modules that read real numbers."""
