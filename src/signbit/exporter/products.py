"""Layers with weights: filters go channels last and are packed to bits, or stay float with the batch norm folded in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from torch import Tensor, fx

from signbit.binarizers import Binarizer
from signbit.errors import ExportError
from signbit.exporter import fold
from signbit.exporter.elementwise import norm_step, normalized
from signbit.exporter.record import Array, Recorder, array
from signbit.exporter.symbol import Order, Pad, Symbol
from signbit.exporter.trace import Call, located
from signbit.exporter.windows import pair, require, spatial
from signbit.format import Bits, Blob
from signbit.layers import BinaryConv2d, BinaryLayer, ChannelLayerNorm
from signbit.roles import Role
from signbit.transforms import TRANSFORMS, Transform


def whole_module(call: Call, record: Recorder, x: Symbol, path: str, _shape: Any) -> Symbol:
    """A module of signbit that stands in the trace as one operation."""
    module = record.modules[path]
    if isinstance(module, BinaryLayer):
        return _binary_product(call, record, module, x)
    if isinstance(module, ChannelLayerNorm):
        return normalized(call, record, x, module.weight, module.bias, module.eps)
    assert isinstance(module, Binarizer)
    if x.alphabet not in (None, module.alphabet):
        raise ExportError(f"{call.kind} reads a tensor that is binarized already; put it first")
    record.note_fate(call.where, "bits: its gradient's settings serve training alone")
    return replace(x, alphabet=module.alphabet)


def _binary_product(call: Call, record: Recorder, layer: BinaryLayer, x: Symbol) -> Symbol:
    """-1/+1 weights on what the input pipeline produced, bits or real numbers."""
    weight = _filters(array(layer.binary_weight()), x)
    if not np.isin(weight, (-1.0, 1.0)).all():
        stranger = weight[~np.isin(weight, (-1.0, 1.0))].flat[0]
        raise ExportError(f"its binary weight holds {stranger:g}; only -1 and +1 can be packed")
    assert call.shape is not None
    convolution, padding, attributes = isinstance(layer, BinaryConv2d), False, {"groups": 1}
    shape = (1, 1, call.shape[0])
    if isinstance(layer, BinaryConv2d):
        padding = layer.padding != (0, 0)
        window = spatial(layer.kernel_size, layer.stride, layer.padding * 2, layer.dilation)
        attributes, shape = {**window, "groups": layer.groups}, (*call.shape[1:], call.shape[0])  # type: ignore[assignment]
    length = weight[0].size
    if x.alphabet is None:
        op, note = "conv2d", f"packed weights ({length} bits a filter), real-valued input: float arithmetic"
        plain = not isinstance(layer, BinaryConv2d) or not padding or layer.pad_value == 0
        require(plain, call, "with pad_value on real input", "pad with 0")
    else:
        op = "binary_conv2d"
        note = f"packed: {length}-bit filters" + (", padding exact" if padding else "") + _side_path(layer)
        attributes["pad_value"] = int(layer.pad_value) if padding else 0  # type: ignore[arg-type]
    record.note_fate(call.where, note)
    for name, _ in layer.weight_pipeline.named_children():
        record.note_fate(f"{call.where}.weight_pipeline.{name}", f"constant: in the bits of {call.where}")
    return record.add(
        call, op, replace(x, alphabet=None), alphabet=x.alphabet, shape=shape, rank=4 if convolution else 2,
        attributes=attributes, blobs={"weight": Bits.pack(weight > 0)}, note=note,
    )  # fmt: skip


def _side_path(layer: BinaryLayer) -> str:
    """What the report says of transforms that have to be computed for every image."""
    names = {entry.target: entry.name for entry in TRANSFORMS}
    parts = [part for part in layer.input_pipeline if isinstance(part, Transform) and not part.folds]
    side = [f"{names.get(type(part), type(part).__name__)} depends on the sample" for part in parts]
    return f"; float side path: {', '.join(side)}" if side else ""


def convolution(
    call: Call, record: Recorder, x: Symbol, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0,
    dilation: Any = 1, groups: int = 1,
) -> Symbol:  # fmt: skip
    """A convolution with real weights; padding just before it becomes its own."""
    require(x.rank == 4, call, f"of a tensor of {x.rank} dimensions", "give it an image [N, C, H, W]")
    require(x.order is None or groups == 1, call, "with groups on a flattened image", "use groups=1")
    kernel = tuple(weight.shape[2:])
    sides = _sides(padding, kernel, pair(dilation))
    last = x.pending[-1] if x.pending else None
    if isinstance(last, Pad):
        top, left, bottom, right = last.sides
        inner = (x.shape[0] - top - bottom, x.shape[1] - left - right, x.shape[2])
        x = replace(x, pending=x.pending[:-1], shape=inner)
        record.note_fate(last.path, f"padding of {call.where}")
        sides = tuple(own + more for own, more in zip(sides, last.sides, strict=True))
    attributes = {**spatial(kernel, stride, sides, dilation), "groups": groups}
    return _float_product(call, record, x, weight, bias, attributes)


def linear(call: Call, record: Recorder, x: Symbol, weight: Any, bias: Any = None) -> Symbol:
    """A matrix product, which multiplies channels, not the columns of an image."""
    require(x.vector, call, "on an image", "flatten it first, or use a 1 x 1 convolution")
    return _float_product(call, record, x, weight, bias, {"groups": 1})


def _float_product(
    call: Call, record: Recorder, x: Symbol, weight: Any, bias: Any, attributes: dict[str, int]
) -> Symbol:
    if not isinstance(weight, Tensor) or not isinstance(bias, Tensor | None):
        raise ExportError(f"{call.kind} has a weight that depends on the image; only constants can be stored")
    filters = _filters(array(weight), x)
    offset = np.zeros(len(filters)) if bias is None else array(bias)
    norm = _sole_norm(call, record)
    if norm is not None:
        scale, shift = (np.array([float(v) for v in part]) for part in (norm.scale, norm.shift))
        filters, offset = filters * scale[:, None, None, None], offset * scale + shift
    order = _order_to_meet(call.node, record, len(filters))
    if order is not None:
        filters, offset = filters[order], offset[order]
    blobs: dict[str, Blob] = {"weight": np.ascontiguousarray(filters, dtype=np.float32)}
    if norm is not None or bias is not None:
        blobs["bias"] = offset.astype(np.float32)
    why = _why_float(call, record, x)
    record.note_fate(call.where, why)
    assert call.shape is not None
    height, width = call.shape[1:] if x.rank == 4 else (1, 1)
    shape = (height, width, call.shape[0])
    return record.add(
        call, "conv2d", x, shape=shape, rank=x.rank, order=order, attributes=attributes, blobs=blobs, note=why
    )


def _why_float(call: Call, record: Recorder, x: Symbol) -> str:
    for name, module in record.modules.items():
        if isinstance(module, BinaryLayer) and call.where.startswith(f"{name}." if name else "input_pipeline"):
            return f"float: side path of {name or 'the layer'}"
    if x.base == 0 and not x.pending:
        return "float: first layer, real-valued input"
    if any(user.op == "output" for user in call.node.users):
        return "float: last layer, real-valued output"
    module = record.modules.get(call.where)
    roles: dict[str, Role] = getattr(module, "parameter_roles", {})
    return f"float: full-precision layer, its weight has the role {roles.get('weight', Role.ORDINARY).value}"


def _sole_norm(call: Call, record: Recorder) -> fold.Affine | None:
    """The batch norm that alone reads the product: its factors go into the weights."""
    users = list(call.node.users)
    follower = record.calls.get(users[0]) if len(users) == 1 else None
    if follower is None or follower.op != "batch_norm":
        return None
    if any(node not in record.known for node in follower.node.all_input_nodes if node is not call.node):
        return None  # its constants are computed later
    weight, bias, mean, var, training, _, eps, _ = record.arguments(follower)[0][1:]
    with located(follower):
        norm = norm_step(weight, bias, mean, var, training, eps)
    record.absorbed.add(follower.node)
    record.note_fate(follower.where, f"folded into the weights of {call.where}")
    return norm


def _order_to_meet(node: fx.Node, record: Recorder, count: int) -> Order | None:
    """The order of a flattened image to which a result of as many numbers is added further on."""
    for user in node.users:
        call = record.calls.get(user)
        if call is None or call.shape is None or int(np.prod(call.shape)) != count:
            continue
        for argument in user.args:
            met = record.known.get(argument) if isinstance(argument, fx.Node) else None
            if isinstance(met, Symbol) and met.order is not None and len(met.order) == count and argument is not node:
                return met.order
        if call.op not in ("conv2d", "linear", "opaque", "cat"):
            order = _order_to_meet(user, record, count)
            if order is not None:
                return order
    return None


def _filters(weight: Array, x: Symbol) -> Array:
    """``[O, kh, kw, C]``: channels last; for a matrix, one tap whose inputs stand in the order of ``x``."""
    if weight.ndim == 2:
        return np.ascontiguousarray(x.arranged(weight)[:, None, None, :])
    weight = weight.transpose(0, 2, 3, 1)
    return np.ascontiguousarray(weight if x.order is None else x.arranged(weight))


def _sides(padding: Any, kernel: Sequence[int], dilation: tuple[int, int]) -> tuple[int, ...]:
    """Padding at the top, left, bottom and right."""
    if not isinstance(padding, str):
        return pair(padding) * 2
    if padding == "valid":
        return 0, 0, 0, 0
    total = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
    return total[0] // 2, total[1] // 2, total[0] - total[0] // 2, total[1] - total[1] // 2
