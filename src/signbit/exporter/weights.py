"""Layers with weights: filters go channels last and are packed to bits, or stay float with the batch norm folded in."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from torch import nn

from signbit.errors import ExportError
from signbit.exporter import fold
from signbit.exporter.emit import Emitter
from signbit.exporter.modules import Array, array, require, spatial
from signbit.exporter.symbol import Symbol
from signbit.format import Bits, Blob
from signbit.layers import BinaryConv2d, BinaryLinear


def binary_layer(layer: BinaryConv2d | BinaryLinear, x: Symbol, emit: Emitter, path: str) -> Symbol:
    """A layer with -1/+1 weights; ``x`` is what its input pipeline produced, bits or real numbers."""
    weight = _filters(array(layer.binary_weight(), path), x)
    if not np.isin(weight, (-1.0, 1.0)).all():
        raise ExportError(f"{path}: its binary weight holds {_stranger(weight)}; only -1 and +1 can be packed")
    convolution = isinstance(layer, BinaryConv2d)
    attributes = _geometry(layer) if isinstance(layer, BinaryConv2d) else {}
    blobs: dict[str, Blob] = {"weight": Bits.pack(weight > 0)}
    length = weight[0].size
    if x.alphabet is None:
        note = f"packed weights ({length} bits a filter), real-valued input: float arithmetic"
        node = emit.builder.node("conv2d", emit.real(x), attributes=attributes, blobs=blobs, name=path, note=note)
    else:
        padding = convolution and layer.padding != (0, 0)
        note = f"packed: {length}-bit filters" + (", padding exact" if padding else "")
        if isinstance(layer, BinaryConv2d):
            attributes["pad_value"] = int(layer.pad_value) if padding else 0
        bits = emit.bits(replace(x, alphabet=None), x.alphabet, f"{path}.input_pipeline")
        node = emit.builder.node("binary_conv2d", bits, attributes=attributes, blobs=blobs, name=path, note=note)
    emit.note_fate(path, note)
    return Symbol(node, emit.builder.value(node).shape, vector=not convolution)


def float_layer(
    layer: nn.Conv2d | nn.Linear, x: Symbol, emit: Emitter, path: str, norm: fold.Affine | None, why: str
) -> Symbol:
    """A full-precision layer; ``norm`` is the batch norm that alone reads its output.

    Parameters
    ----------
    why : the reason for staying float, for the report.
    """
    weight = _filters(array(layer.weight, path), x)
    bias = np.zeros(weight.shape[0]) if layer.bias is None else array(layer.bias, path)
    if norm is not None:
        scale, shift = (np.array([float(v) for v in part]) for part in (norm.scale, norm.shift))
        weight, bias = weight * scale[:, None, None, None], bias * scale + shift
    blobs: dict[str, Blob] = {"weight": np.ascontiguousarray(weight, dtype=np.float32)}
    if norm is not None or layer.bias is not None:
        blobs["bias"] = bias.astype(np.float32)
    attributes = _geometry(layer) if isinstance(layer, nn.Conv2d) else {}
    emit.note_fate(path, why)
    node = emit.builder.node("conv2d", emit.real(x), attributes=attributes, blobs=blobs, name=path, note=why)
    return Symbol(node, emit.builder.value(node).shape, vector=isinstance(layer, nn.Linear))


def check_convolution(layer: nn.Conv2d, path: str) -> None:
    """Only zero padding exists in the file."""
    zero = layer.padding_mode == "zeros"
    require(zero, path, layer, f"with padding_mode={layer.padding_mode!r}", "use padding_mode='zeros'")


def _filters(weight: Array, x: Symbol) -> Array:
    """``[O, kh, kw, C]``: channels last; for a matrix, one tap whose inputs stand in the order of ``x``."""
    if weight.ndim == 2:
        return np.ascontiguousarray(x.arranged(weight)[:, None, None, :])
    return np.ascontiguousarray(weight.transpose(0, 2, 3, 1))


def _geometry(layer: BinaryConv2d | nn.Conv2d) -> dict[str, int]:
    return {
        **spatial(layer.kernel_size, layer.stride, _sides(layer), layer.dilation),
        "groups": layer.groups,
    }


def _sides(layer: BinaryConv2d | nn.Conv2d) -> tuple[int, int, int, int]:
    """Padding at the top, left, bottom and right."""
    padding = layer.padding
    if not isinstance(padding, str):
        return padding[0], padding[1], padding[0], padding[1]
    if padding == "valid":
        return 0, 0, 0, 0
    total = [d * (k - 1) for d, k in zip(layer.dilation, layer.kernel_size, strict=True)]
    return total[0] // 2, total[1] // 2, total[0] - total[0] // 2, total[1] - total[1] // 2


def _stranger(weight: Array) -> str:
    return f"{weight[~np.isin(weight, (-1.0, 1.0))].flat[0]:g}"
