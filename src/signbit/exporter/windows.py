"""Pools, padding, and the parts of a tensor that a network picks or puts together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from signbit.errors import ExportError
from signbit.exporter.record import Recorder
from signbit.exporter.symbol import Order, Pad, Subsample, Symbol
from signbit.exporter.trace import Call
from signbit.format import SPATIAL, Blob

EVERYTHING = 2**31
"""Torch writes an open end as the largest integer there is."""


def spatial(kernel: Any, stride: Any, sides: Sequence[int], dilation: Any = 1) -> dict[str, int]:
    """The attributes of a window; ``sides`` are the padding at the top, left, bottom and right."""
    return dict(zip(SPATIAL, (*pair(kernel), *pair(stride), *sides, *pair(dilation)), strict=True))


def pair(value: Any) -> tuple[int, int]:
    """One number for both directions, or height and width."""
    numbers = [value] if isinstance(value, int) else list(value)
    return int(numbers[0]), int(numbers[-1])


def require(met: bool, call: Call, what: str, instead: str) -> None:
    """An error that names the operation, unless ``met``."""
    if not met:
        raise ExportError(f"{call.kind} {what} cannot be exported; {instead}")


def _image(call: Call, x: Symbol) -> None:
    require(x.rank == 4, call, f"of a tensor of {x.rank} dimensions", "give it an image [N, C, H, W]")


def max_pool(
    call: Call, _record: Recorder, x: Symbol, kernel: Any, stride: Any = (), padding: Any = 0, dilation: Any = 1,
    ceil_mode: bool = False,
) -> Symbol:  # fmt: skip
    """The maximum over windows."""
    _image(call, x)
    require(not ceil_mode, call, "with ceil_mode", "pad the input instead")
    require(pair(dilation) == (1, 1), call, "with dilation", "use a convolution with stride")
    attributes = spatial(kernel, stride or kernel, pair(padding) * 2)
    return x.pooled(attributes, (*_extents(call), x.shape[2]), call.where)


def avg_pool(
    call: Call, record: Recorder, x: Symbol, kernel: Any, stride: Any = (), padding: Any = 0, ceil_mode: bool = False,
    count_include_pad: bool = True, divisor: int | None = None,
) -> Symbol:  # fmt: skip
    """The mean over windows."""
    _image(call, x)
    require(not ceil_mode, call, "with ceil_mode", "pad the input instead")
    require(divisor is None, call, "with divisor_override", "scale in a batch norm instead")
    attributes = {
        **spatial(kernel, stride or kernel, pair(padding) * 2),
        "count_include_pad": int(count_include_pad),
    }
    shape = (*_extents(call), x.shape[2])
    return record.add(call, "avg_pool2d", x, shape=shape, order=x.order, attributes=attributes)


def adaptive_avg_pool(call: Call, record: Recorder, x: Symbol, size: Any) -> Symbol:
    """Means that leave an image of ``size``."""
    _image(call, x)
    goal = pair(size)
    even = all(have % want == 0 for have, want in zip(x.shape[:2], goal, strict=True))
    what = f"from {x.shape[:2]} to {goal}"
    require(even, call, what, "use an output size that divides the input's")
    kernel = (x.shape[0] // goal[0], x.shape[1] // goal[1])
    attributes = {**spatial(kernel, kernel, (0, 0, 0, 0)), "count_include_pad": 1}
    return record.add(call, "avg_pool2d", x, shape=(*goal, x.shape[2]), order=x.order, attributes=attributes)


def mean(call: Call, record: Recorder, x: Symbol, dim: Any = None, keepdim: bool = False, **_dtype: Any) -> Symbol:
    """Over height and width."""
    axes = None if dim is None else tuple(axis % x.rank for axis in ([dim] if isinstance(dim, int) else dim))
    if x.rank != 4 or axes is None or set(axes) != {2, 3}:
        raise ExportError(f"a mean over {axes} of {x.rank} dimensions; only x.mean((2, 3)) of images is known")
    result = adaptive_avg_pool(call, record, x, 1)
    return result if keepdim else replace(result, rank=2)


def pad(
    call: Call, record: Recorder, x: Symbol, amounts: Sequence[int], mode: str = "constant", value: Any = None
) -> Symbol:
    """Zeros around an image, before and after the channels."""
    require(mode == "constant", call, f"with padding_mode={mode!r}", "use padding_mode='zeros'")
    binary = "; BinaryConv2d(pad_value=...) pads with signs" if value in (1, -1) else ""
    require(not value, call, f"with {value}", f"pad with 0{binary}")
    require(all(amount >= 0 for amount in amounts), call, f"by {list(amounts)}", "pick a part by slicing: x[:, :, 1:]")
    given = [*amounts, *(0,) * (2 * x.rank - len(amounts))]
    *inner, before, after, first, last = given
    require(first == last == 0, call, "of the batch", "pad channels, height and width")
    left, right, top, bottom = inner or (0, 0, 0, 0)
    if any(inner):
        shape = (x.shape[0] + top + bottom, x.shape[1] + left + right, x.shape[2])
        x = x.moved(Pad((top, left, bottom, right), call.where), shape)
    if before or after:
        require(x.order is None, call, "on the features of a flattened image", "pad before flattening")
        x = _pad_channels(call, record, x, before, after, "float")
    return x


def _pad_channels(
    call: Call, record: Recorder, x: Symbol, before: int, after: int, note: str, order: Order | None = None
) -> Symbol:
    shape = (*x.shape[:2], before + x.shape[2] + after)
    added = {"before": before, "after": after}
    return record.add(call, "pad_channels", x, shape=shape, rank=x.rank, attributes=added, note=note, order=order)


def concatenate(call: Call, record: Recorder, parts: Sequence[Any], dim: int = 0) -> Symbol:
    """Tensors one behind the other along the channels: each padded by zeros to the whole, and added up."""
    if not all(isinstance(part, Symbol) for part in parts):
        raise ExportError("concatenates a constant; only tensors that depend on the image can be joined")
    rank = parts[0].rank
    if dim % rank != 1:
        raise ExportError(f"concatenates along dimension {dim}; only channels can be joined: torch.cat(parts, 1)")
    total = sum(part.shape[2] for part in parts)
    order = None
    if any(part.order is not None for part in parts):
        starts = np.cumsum([0, *(part.shape[2] for part in parts)])
        orders = (np.arange(part.shape[2]) if part.order is None else part.order for part in parts)
        order = np.concatenate([start + own for start, own in zip(starts, orders, strict=False)])
    whole, place = None, 0
    for part in parts:
        after = total - place - part.shape[2]
        padded = (
            _pad_channels(call, record, part, place, after, "float: concatenation", order) if len(parts) > 1 else part
        )
        place += part.shape[2]
        whole = padded if whole is None else record.add(
            call, "add", whole, padded, shape=padded.shape, rank=rank, order=order, note="float: concatenation"
        )  # fmt: skip
    assert whole is not None
    return whole


def part_of(
    call: Call, record: Recorder, x: Symbol, dim: int = 0, start: Any = None, end: Any = None, step: int = 1
) -> Symbol:
    """``x[..., start:end:step, ...]`` along one dimension."""
    axis = dim % x.rank
    if axis == 0:
        all_images = start in (None, 0) and (end is None or (isinstance(end, int) and end >= EVERYTHING)) and step == 1
        require(all_images, call, "of the batch", "keep all images")
        return x
    size = x.dimensions[axis - 1]
    chosen = range(size)[slice(start, end, step)]
    if len(chosen) == size:
        return x
    require(x.rank != 3, call, "of [N, C, 1]", "make it an image first: v[:, :, None, None]")
    require(len(chosen) > 0, call, "of nothing", "keep at least one")
    if axis == 1:
        return _channels(call, record, x, np.array(chosen))
    first, cut = chosen[0], size - 1 - chosen[-1]
    if first or -(-size // step) != len(chosen):
        x = _cropped(call, record, x, axis, first, cut)
    if step == 1:
        return x
    shape = (len(chosen), x.shape[1], x.shape[2]) if axis == 2 else (x.shape[0], len(chosen), x.shape[2])
    strides = (step, 1) if axis == 2 else (1, step)
    last = x.pending[-1] if x.pending else None
    if isinstance(last, Subsample):
        strides, x = (strides[0] * last.stride_h, strides[1] * last.stride_w), replace(x, pending=x.pending[:-1])
    return x.moved(Subsample(*strides, call.where), shape)


def _channels(call: Call, record: Recorder, x: Symbol, chosen: Order) -> Symbol:
    """A 1 x 1 convolution with one 1 in each filter: exact, since all else adds zero."""
    weight = x.arranged(np.eye(x.shape[2])[chosen])[:, None, None, :].astype(np.float32)
    record.note_fate(call.where, "float: picks channels")
    return _convolved(call, record, x, weight, (0, 0, 0, 0), 1, (*x.shape[:2], len(chosen)), "float: picks channels")


def _cropped(call: Call, record: Recorder, x: Symbol, axis: int, first: int, cut: int) -> Symbol:
    """A window for each channel that reads its one position ``first`` further on."""
    kernel = np.zeros(first + cut + 1)
    kernel[first] = 1
    weight = np.tile(kernel.reshape((1, -1, 1, 1) if axis == 2 else (1, 1, -1, 1)), (x.shape[2], 1, 1, 1))
    height, width, channels = x.shape
    shape = (height - first - cut, width, channels) if axis == 2 else (height, width - first - cut, channels)
    return _convolved(
        call, record, x, weight.astype(np.float32), (0, 0, 0, 0), channels, shape, "float: crops", x.order
    )


def _convolved(
    call: Call, record: Recorder, x: Symbol, weight: Blob, sides: Sequence[int], groups: int,
    shape: tuple[int, int, int], note: str, order: Order | None = None,
) -> Symbol:  # fmt: skip
    attributes = {**spatial(weight.shape[1:3], 1, sides), "groups": groups}
    return record.add(
        call,
        "conv2d",
        x,
        shape=shape,
        rank=x.rank,
        order=order,
        attributes=attributes,
        blobs={"weight": weight},
        note=note,
    )


def chunks(call: Call, record: Recorder, x: Symbol, count: int, dim: int = 0) -> tuple[Symbol, ...]:
    """``count`` parts, the last of which may be smaller."""
    size = x.dimensions[dim % x.rank - 1]
    return split(call, record, x, -(-size // count), dim)


def split(call: Call, record: Recorder, x: Symbol, sizes: Any, dim: int = 0) -> tuple[Symbol, ...]:
    """Parts of one size, or of the sizes given."""
    require(dim % x.rank != 0, call, "of the batch", "split channels, height or width")
    whole = x.dimensions[dim % x.rank - 1]
    extents = [sizes] * -(-whole // sizes) if isinstance(sizes, int) else list(sizes)
    ends = np.cumsum(extents).tolist()
    return tuple(
        part_of(call, record, x, dim, end - extent, min(end, whole)) for extent, end in zip(extents, ends, strict=True)
    )


def _extents(call: Call) -> tuple[int, int]:
    assert call.shape is not None
    return call.shape[1], call.shape[2]
