"""Layers with weights: filters go channels last and are packed to bits, or stay float with the batch norm folded in."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from torch import nn

from signbit.errors import ExportError
from signbit.exporter import fold
from signbit.exporter.emit import Emitter
from signbit.exporter.modules import Array, array, require, spatial
from signbit.exporter.symbol import Order, Symbol
from signbit.format import Bits, Blob
from signbit.layers import BinaryConv2d, BinaryLayer
from signbit.transforms import TRANSFORMS, QuantizeActivation, QuantizeWeight, Transform


def binary_layer(layer: BinaryLayer, x: Symbol, emit: Emitter, path: str) -> Symbol:
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
        note = f"packed: {length}-bit filters" + (", padding exact" if padding else "") + _side_path(layer)
        if isinstance(layer, BinaryConv2d):
            attributes["pad_value"] = int(layer.pad_value) if padding else 0
        bits = emit.bits(replace(x, alphabet=None), x.alphabet, f"{path}.input_pipeline")
        node = emit.builder.node("binary_conv2d", bits, attributes=attributes, blobs=blobs, name=path, note=note)
    emit.note_fate(path, note)
    for name, _ in layer.weight_pipeline.named_children():
        emit.note_fate(f"{path}.weight_pipeline.{name}", f"constant: in the bits of {path}")
    return Symbol(node, emit.builder.value(node).shape, rank=4 if convolution else 2)


def check_evaluation(layer: BinaryLayer, path: str) -> None:
    """What evaluates on the grid of the present training step has no counterpart in a file, which holds plain signs."""
    for part in (*layer.input_pipeline, *layer.weight_pipeline):
        if isinstance(part, QuantizeActivation | QuantizeWeight) and part.eval_bits is not None:
            raise ExportError(
                f"{path}: training-only state refused: eval_bits={part.eval_bits!r} evaluates on a grid of the "
                f"{int(part.bits)} bits that training has reached; make the network with eval_bits=None (plain signs), "
                "load this one's state_dict into it and export that"
            )


def folds(pipeline: nn.Sequential) -> bool:
    """Whether every transform in a pipeline is constant at export."""
    return all(part.folds for part in pipeline if isinstance(part, Transform))


def _side_path(layer: BinaryLayer) -> str:
    """What the report says of transforms that have to be computed for every image."""
    names = {entry.target: entry.name for entry in TRANSFORMS}
    parts = [part for part in layer.input_pipeline if isinstance(part, Transform) and not part.folds]
    side = [f"{names.get(type(part), type(part).__name__)} depends on the sample" for part in parts]
    return f"; float side path: {', '.join(side)}" if side else ""


def float_layer(
    layer: nn.Conv2d | nn.Linear,
    x: Symbol,
    emit: Emitter,
    path: str,
    *,
    norm: fold.Affine | None,
    why: str,
    order: Order | None = None,
) -> Symbol:
    """A full-precision layer; ``norm`` is the batch norm that alone reads its output.

    Parameters
    ----------
    why : the reason for staying float, for the report.
    order : in which to write the outputs, if they are that many.
    """
    weight = _filters(array(layer.weight, path), x)
    bias = np.zeros(weight.shape[0]) if layer.bias is None else array(layer.bias, path)
    if norm is not None:
        scale, shift = (np.array([float(v) for v in part]) for part in (norm.scale, norm.shift))
        weight, bias = weight * scale[:, None, None, None], bias * scale + shift
    if order is not None and len(order) == len(weight):
        weight, bias = weight[order], bias[order]
    else:
        order = None
    blobs: dict[str, Blob] = {"weight": np.ascontiguousarray(weight, dtype=np.float32)}
    if norm is not None or layer.bias is not None:
        blobs["bias"] = bias.astype(np.float32)
    attributes = _geometry(layer) if isinstance(layer, nn.Conv2d) else {}
    emit.note_fate(path, why)
    node = emit.builder.node("conv2d", emit.real(x), attributes=attributes, blobs=blobs, name=path, note=why)
    return Symbol(node, emit.builder.value(node).shape, rank=x.rank, order=order)


def check_layer(layer: nn.Conv2d | nn.Linear, x: Symbol, path: str) -> None:
    """Only zero padding exists in the file, and a matrix multiplies channels, not the columns of an image."""
    if isinstance(layer, nn.Linear):
        require(x.vector, path, layer, "on an image", "flatten it first, or use a 1 x 1 convolution")
        return
    zero = layer.padding_mode == "zeros"
    require(zero, path, layer, f"with padding_mode={layer.padding_mode!r}", "use padding_mode='zeros'")
    require(x.order is None or layer.groups == 1, path, layer, "with groups on a flattened image", "use groups=1")


def _filters(weight: Array, x: Symbol) -> Array:
    """``[O, kh, kw, C]``: channels last; for a matrix, one tap whose inputs stand in the order of ``x``."""
    if weight.ndim == 2:
        return np.ascontiguousarray(x.arranged(weight)[:, None, None, :])
    weight = weight.transpose(0, 2, 3, 1)
    return np.ascontiguousarray(weight if x.order is None else x.arranged(weight))


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
