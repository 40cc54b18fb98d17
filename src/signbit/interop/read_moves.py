"""Pools, norms over channels, and operators that move numbers without changing them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from signbit.exporter.repeats import repeated
from signbit.exporter.symbol import Symbol
from signbit.format import SPATIAL
from signbit.interop.read_call import Border, Call, Tensor
from signbit.interop.read_layers import window

SPATIAL_AXES = (2, 3)


def max_pool(call: Call) -> Tensor:
    """Of signs as well: the largest sign is the sign of the largest number."""
    x = call.image()
    return _max_pool(call, x, _pool(call, x))


def global_max_pool(call: Call) -> Tensor:
    """Over the whole image."""
    x = call.image()
    return _max_pool(call, x, _whole(x))


def _max_pool(call: Call, x: Tensor, attributes: dict[str, int]) -> Tensor:
    return replace(x, symbol=x.symbol.pooled(attributes, _pooled(x, attributes), call.where))


def average_pool(call: Call) -> Tensor:
    """With or without the padding."""
    x = call.image()
    return _mean(call, x, {**_pool(call, x), "count_include_pad": int(call.attributes.get("count_include_pad", 0))})


def global_average_pool(call: Call) -> Tensor:
    """Over the whole image."""
    x = call.image()
    return _mean(call, x, _whole(x))


def reduce_mean(call: Call) -> Tensor:
    """Over height and width."""
    x = call.image()
    axes = call.constant(1) if call.given(1) else np.asarray(call.attributes.get("axes", []))
    over = sorted(int(axis) % 4 for axis in axes.ravel())
    call.require(over == [2, 3], f"over the axes {over}", "means over height and width, [2, 3], can be imported")
    mean = _mean(call, x, _whole(x))
    return mean if call.attributes.get("keepdims", 1) else replace(mean, symbol=replace(mean.symbol, rank=2))


def _mean(call: Call, x: Tensor, attributes: dict[str, int]) -> Tensor:
    source = call.emit.real(call.real(x))
    node = call.emit.builder.node("avg_pool2d", source, attributes=attributes, name=call.where, note="float")
    symbol = Symbol(node, call.emit.builder.value(node).shape, order=x.symbol.order)
    return Tensor(symbol)


def _pool(call: Call, x: Tensor) -> dict[str, int]:
    attributes = window(call, x, tuple(call.attributes["kernel_shape"]))
    spread = any(attributes[f"dilation_{axis}"] > 1 for axis in "hw")
    call.require(not spread, "has dilation", "use a convolution with stride")
    rest = [
        (x.symbol.shape[i] + attributes[f"pad_{a}"] + attributes[f"pad_{b}"] - attributes[f"kernel_{axis}"])
        % attributes[f"stride_{axis}"]
        for i, (axis, a, b) in enumerate((("h", "top", "bottom"), ("w", "left", "right")))
    ]
    call.require(not (call.attributes.get("ceil_mode", 0) and any(rest)), "has ceil_mode", "pad the image instead")
    return attributes


def _whole(x: Tensor) -> dict[str, int]:
    height, width, _ = x.symbol.shape
    return dict(zip(SPATIAL, (height, width, 1, 1, 0, 0, 0, 0, 1, 1), strict=True))


def _pooled(x: Tensor, a: dict[str, int]) -> tuple[int, int, int]:
    height, width, channels = x.symbol.shape
    rows = (height + a["pad_top"] + a["pad_bottom"] - a["kernel_h"]) // a["stride_h"] + 1
    columns = (width + a["pad_left"] + a["pad_right"] - a["kernel_w"]) // a["stride_w"] + 1
    return rows, columns, channels


def sigmoid(call: Call) -> Tensor:
    """``1 / (1 + exp(-x))``."""
    x = call.plain()
    node = call.emit.builder.node("sigmoid", call.emit.real(call.real(x)), name=call.where, note="float")
    return replace(x, symbol=replace(x.symbol, base=node, pending=(), alphabet=None), scale=1.0)


def layer_normalization(call: Call) -> Tensor:
    """Over the channels of a vector, or of each pixel of an image whose channels come last."""
    x = call.plain()
    axis = int(call.attributes.get("axis", -1)) % (1 + len(x.features))
    last = axis == len(x.features) and (x.symbol.vector or x.channels_last)
    call.require(last, f"over the axes from {axis} of {['N', *x.features]}", "normalize over the channels alone")
    scale = call.numbers(1)
    shift = call.numbers(2) if call.given(2) else np.zeros_like(scale)
    blobs = {
        name: call.per_channel(x, numbers).astype(np.float32) for name, numbers in (("scale", scale), ("shift", shift))
    }
    eps = float(call.attributes.get("epsilon", 1e-5))
    source, note = call.emit.real(call.real(x)), "float: mean and variance depend on the sample"
    node = call.emit.builder.node("layer_norm", source, scalars={"eps": eps}, blobs=blobs, name=call.where, note=note)
    return replace(x, symbol=replace(x.symbol, base=node, pending=(), alphabet=None), scale=1.0)


def identity(call: Call) -> Tensor:
    """Also what does something in training alone."""
    return call.tensor()


def flatten(call: Call) -> Tensor:
    """All but the number of images."""
    axis = int(call.attributes.get("axis", 1))
    call.require(axis == 1, f"from axis {axis}", "flatten all but the images: axis=1")
    return _flattened(call)


def _flattened(call: Call) -> Tensor:
    x = call.plain()
    if x.symbol.vector:
        return x
    symbol = x.symbol.flattened(call.where)
    if x.channels_last:  # then ONNX flattens in the file's own order
        symbol = replace(symbol, order=x.symbol.order)
    return replace(x, symbol=symbol, channels_last=False)


def reshape(call: Call) -> Tensor:
    """To a vector, to an image of one pixel, or to what it is already."""
    x = call.plain()
    wanted, size = [int(extent) for extent in call.constant(1).ravel()], int(np.prod(x.features))
    rest = wanted[1:]
    if -1 in rest:
        rest[rest.index(-1)] = size // max(1, abs(int(np.prod(rest))))
    keeps = len(wanted) > 1 and int(np.prod(rest)) == size
    if keeps and tuple(rest) == x.features:
        return x
    if keeps and len(rest) == 1:
        return _flattened(call)
    if keeps and rest[1:] == [1, 1] and x.symbol.vector:
        return replace(x, symbol=replace(x.symbol, rank=4))
    raise call.refusal(
        f"makes {wanted} of {['N', *x.features]}", "an image can become a vector, and a vector one pixel"
    )


def squeeze(call: Call) -> Tensor:
    """An image of one pixel to a vector."""
    x, axes = call.image(), _axes(call, 4)
    call.require(
        axes == SPATIAL_AXES and x.symbol.shape[:2] == (1, 1), f"drops the axes {axes}", "drop [2, 3] of 1 x 1"
    )
    return replace(x, symbol=replace(x.symbol, rank=2))


def unsqueeze(call: Call) -> Tensor:
    """A vector to an image of one pixel."""
    x, axes = call.plain(), _axes(call, 4)
    call.require(axes == SPATIAL_AXES and x.symbol.vector, f"adds the axes {axes}", "a vector can get the axes [2, 3]")
    return replace(x, symbol=replace(x.symbol, rank=4))


def _axes(call: Call, rank: int) -> tuple[int, ...]:
    axes = call.constant(1) if call.given(1) else np.asarray(call.attributes.get("axes", []))
    return tuple(sorted(int(axis) % rank for axis in axes.ravel()))


def expand(call: Call) -> Tensor:
    """One pixel at every place of an image."""
    x, wanted = call.image(), [int(extent) for extent in call.constant(1).ravel()]
    height, width, channels = x.symbol.shape
    images, *goal = [1] * (4 - len(wanted)) + wanted
    if (images, *goal) == (1, channels, height, width) or all(extent == 1 for extent in (images, *goal)):
        return x
    one_pixel = (height, width) == (1, 1) and images == 1 and len(goal) == 3 and goal[0] in (1, channels)
    call.require(one_pixel, f"makes {wanted} of {['N', *x.features]}", "[N, C, 1, 1] can be repeated over an image")
    return replace(x, symbol=repeated(x.symbol, goal[1], goal[2], call.where))


def transpose(call: Call) -> Tensor:
    """Channels to the end, as a flattening or a norm over channels wants them, and back."""
    x = call.plain()
    order = list(call.attributes.get("perm", []))
    if order == list(range(len(x.features) + 1)):
        return x
    towards = [0, 3, 1, 2] if x.channels_last else [0, 2, 3, 1]
    met = order == towards and not x.symbol.vector
    call.require(met, f"of {['N', *x.features]} by {order}", "only channels can move: [0, 2, 3, 1] and [0, 3, 1, 2]")
    return replace(x, channels_last=not x.channels_last)


def pad(call: Call) -> Tensor:
    """Around an image, for the convolution that reads it; or channels of zeros."""
    x = call.plain()
    mode = str(call.attributes.get("mode", "constant"))
    call.require(mode == "constant", f"pads by {mode}", "pad with a constant")
    call.require(not call.given(3), "names axes", "pad all axes")
    amounts = call.constant(1) if call.given(1) else np.asarray(call.attributes["pads"])
    value = float(call.constant(2).item()) if call.given(2) else float(call.attributes.get("value", 0.0))
    before, after = ([int(n) for n in part] for part in amounts.reshape(2, -1))
    call.require(min(*before, *after) >= 0, "cuts pixels off", "use amounts of 0 and more")
    call.require(not before[0] and not after[0], "adds images", "pad channels or pixels")
    if any(before[2:] + after[2:]):
        x = call.image()
        call.require(not before[1] and not after[1], "adds channels and pixels at once", "use two Pads")
        return replace(x, border=Border((before[2], before[3], after[2], after[3]), value))
    if not before[1] and not after[1]:
        return x
    call.require(value == 0, f"adds channels of {value:g}", "added channels are 0")
    call.require(
        x.symbol.order is None and not x.channels_last, "adds channels to a flattened image", "add them before"
    )
    added = {"before": before[1], "after": after[1]}
    source = call.emit.real(call.real(x))
    node = call.emit.builder.node("pad_channels", source, attributes=added, name=call.where, note="float")
    return Tensor(Symbol(node, call.emit.builder.value(node).shape, rank=x.symbol.rank))


def slice_(call: Call) -> Tensor:
    """Every so many rows and columns of an image, from the first."""
    x = call.image()
    starts, ends = (call.constant(index).ravel() for index in (1, 2))
    axes = call.constant(3).ravel() % 4 if call.given(3) else np.arange(len(starts))
    steps = call.constant(4).ravel() if call.given(4) else np.ones(len(starts), np.int64)
    strides = {"stride_h": 1, "stride_w": 1}
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        extent = x.features[axis - 1] if axis else 0
        whole = axis > 0 and start == 0 and end >= extent and step >= 1 and (step == 1 or axis in SPATIAL_AXES)
        call.require(bool(whole), f"takes {start}:{end}:{step} of axis {axis}", "only [:, :, ::a, ::b] can be imported")
        if axis in SPATIAL_AXES:
            strides["stride_h" if axis == 2 else "stride_w"] = int(step)
    source = call.emit.real(call.real(x))
    node = call.emit.builder.node("subsample", source, attributes=strides, name=call.where, note="float")
    return Tensor(Symbol(node, call.emit.builder.value(node).shape, order=x.symbol.order))
