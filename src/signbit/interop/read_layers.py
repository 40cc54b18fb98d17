"""Quantizers and layers with weights: one-bit tensors meet one-bit filters in packed layers, all else stays float."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from signbit.alphabet import Alphabet
from signbit.exporter import fold
from signbit.exporter.symbol import Symbol
from signbit.format import SPATIAL, Bits, Blob
from signbit.interop.read_call import Array, Call, Tensor

HALF = {"ROUND": 0.5, "HALF_EVEN": 0.5, "HALF_DOWN": 0.5, "CEIL": 0.0, "UP": 0.0}
"""Rounding mode -> what a number, divided by the scale, must exceed for a {0, 1} bit to be 1."""

ROUNDINGS: dict[str, Callable[[Array], Array]] = {
    "ROUND": np.round,
    "HALF_EVEN": np.round,
    "CEIL": np.ceil,
    "FLOOR": np.floor,
    "UP": lambda y: np.sign(y) * np.ceil(np.abs(y)),
    "DOWN": np.trunc,
    "HALF_UP": lambda y: np.sign(y) * np.floor(np.abs(y) + 0.5),
    "HALF_DOWN": lambda y: np.sign(y) * np.ceil(np.abs(y) - 0.5),
}


def bipolar_quant(call: Call) -> Tensor | Array:
    """``scale if x >= 0 else -scale``."""
    if isinstance(call.inputs[0], np.ndarray):
        return np.where(call.numbers(0) >= 0, 1.0, -1.0) * call.numbers(1)
    return _binarized(call, Alphabet.PM1, _positive(call))


def quant(call: Call) -> Tensor | Array:
    """``scale * (clip(round(x / scale + zero), low, high) - zero)``; of one bit where the image is quantized."""
    bits = call.numbers(3)
    rounding = str(call.attributes.get("rounding_mode", "ROUND")).upper()
    signed, narrow = (bool(call.attributes.get(name, 1)) for name in ("signed", "narrow"))
    call.require(rounding in ROUNDINGS, f"rounds by {rounding!r}", f"known: {', '.join(ROUNDINGS)}")
    if isinstance(call.inputs[0], np.ndarray):
        return _quantized(call, bits, signed, narrow, ROUNDINGS[rounding])
    one_bit = bool((bits == 1).all())
    instead = "train with one bit (BipolarQuant), or leave the quantizer out where the numbers may stay float"
    call.require(one_bit, f"quantizes a tensor to {bits.max():g} bits; a .sbn file has one bit or float", instead)
    call.require(not call.numbers(2).any(), "has a zero point", "only zero point 0 can be imported")
    scale = _positive(call)
    if signed:
        return _binarized(call, Alphabet.PM1, scale)
    call.require(not narrow, "narrow and unsigned, one bit is always 0", "use narrow=0")
    known = ", ".join(HALF)
    call.require(rounding in HALF, f"a tie of rounding mode {rounding} is 1", f"a bit of {{0, 1}} needs one of {known}")
    return _binarized(call, Alphabet.ZERO_ONE, scale, HALF[rounding] * scale)


def _quantized(call: Call, bits: Array, signed: bool, narrow: bool, rounded: Callable[[Array], Array]) -> Array:
    """Constants on their grid; a signed bit is -1 or +1."""
    scale, zero = call.numbers(1), call.numbers(2)
    y = call.numbers(0) / scale + zero
    if signed and (bits == 1).all():
        levels = np.where(y >= 0, 1.0, -1.0)
    else:
        low = -(2 ** (bits - 1)) + narrow if signed else 0 * bits
        high = 2 ** (bits - 1) - 1 if signed else 2**bits - 1 - narrow
        levels = rounded(np.clip(y, low, high))
    numbers: Array = (levels - zero) * scale
    return numbers


def _positive(call: Call) -> float:
    scale = call.numbers(1)
    call.require(scale.size == 1, f"has {scale.size} scales", "a tensor needs one scale; scales of weights may be many")
    call.require(bool((scale > 0).all()), f"has the scale {scale.item():g}", "a scale must be positive")
    return float(scale.item())


def _binarized(call: Call, alphabet: Alphabet, scale: float, bound: float = 0.0) -> Tensor:
    x = call.plain()
    symbol = call.real(x)
    if bound:
        ones = np.ones(symbol.shape[2])
        symbol = symbol.then(fold.Affine(fold.exact(ones), fold.exact(-bound * ones)), call.where)
    return replace(x, symbol=replace(symbol, alphabet=alphabet), scale=scale)


def conv(call: Call) -> Tensor:
    """A convolution; the filters are ``[O, C / groups, kh, kw]``."""
    x = call.tensor() if call.tensor().border else call.image()
    weight = call.numbers(1)
    call.require(weight.ndim == 4, f"has filters of shape {list(weight.shape)}", "images are two-dimensional")
    groups = int(call.attributes.get("group", 1))
    filters = weight.transpose(0, 2, 3, 1)
    if x.symbol.order is not None:
        call.require(groups == 1, "has groups on a flattened image", "use group=1")
        filters = x.symbol.arranged(filters)
    attributes = {**window(call, x, (weight.shape[2], weight.shape[3])), "groups": groups}
    bias = call.numbers(2) if call.given(2) else None
    return Tensor(_layer(call, x, filters, attributes, bias))


def gemm(call: Call) -> Tensor:
    """``alpha * x @ w + beta * bias``."""
    call.require(not call.attributes.get("transA", 0), "transposes the images", "use transA=0")
    weight = call.numbers(1) if call.attributes.get("transB", 0) else call.numbers(1).T
    bias = None
    if call.given(2):
        bias = np.broadcast_to(call.numbers(2).ravel() * call.attributes.get("beta", 1.0), (len(weight),))
    return _matrix(call, weight * call.attributes.get("alpha", 1.0), bias)


def matmul(call: Call) -> Tensor:
    """``x @ w``."""
    weight = call.numbers(1)
    call.require(weight.ndim == 2, f"multiplies by {list(weight.shape)}", "a matrix [C, O] is needed")
    return _matrix(call, weight.T, None)


def _matrix(call: Call, weight: Array, bias: Array | None) -> Tensor:
    x = call.plain()
    call.require(x.symbol.vector, f"multiplies {['N', *x.features]}", "flatten it first: [N, C]")
    width = x.symbol.shape[2]
    call.require(weight.shape[1] == width, f"multiplies {width} features by {weight.shape[1]}", "sizes must agree")
    return Tensor(_layer(call, x, x.symbol.arranged(weight)[:, None, None, :], {}, bias))


def _layer(call: Call, x: Tensor, filters: Array, attributes: dict[str, int], bias: Array | None) -> Symbol:
    """``filters`` are ``[O, kh, kw, C / groups]``. Those of one magnitude each are signs with a scale."""
    flat = filters.reshape(len(filters), -1)
    scale = np.abs(flat[:, 0])
    one_bit = bool((np.abs(flat) == scale[:, None]).all() and scale.all() and (flat.shape[1] > 1 or (scale == 1).all()))
    blobs: dict[str, Blob] = {"weight": Bits.pack(filters > 0) if one_bit else filters.astype(np.float32, order="C")}
    border = 0.0 if x.border is None else x.border.value
    if one_bit and x.symbol.alphabet is not None:
        note = f"packed: {flat.shape[1]}-bit filters"
        bits = call.emit.bits(replace(x.symbol, alphabet=None), x.symbol.alphabet, f"{call.where}.input")
        attributes = {**attributes, "pad_value": _pad_value(call, border / x.scale)}
        node = call.emit.builder.node(
            "binary_conv2d", bits, attributes=attributes, blobs=blobs, name=call.where, note=note
        )
        scale = scale * x.scale
    else:
        call.require(border == 0, f"reads an image padded with {border:g}", "float convolutions pad with 0")
        kind = f"packed weights ({flat.shape[1]} bits a filter)" if one_bit else "float: weights of more than one bit"
        note = f"{kind}, real-valued input: float arithmetic" if one_bit else kind
        if bias is not None and not one_bit:
            blobs, bias = {**blobs, "bias": bias.astype(np.float32)}, None
        source = call.emit.real(call.real(x))
        node = call.emit.builder.node("conv2d", source, attributes=attributes, blobs=blobs, name=call.where, note=note)
        scale = scale if one_bit else np.ones(len(flat))
    result = Symbol(node, call.emit.builder.value(node).shape, rank=x.symbol.rank)
    if (scale == 1).all() and bias is None:
        return result
    shift = np.zeros(len(flat)) if bias is None else bias
    return result.then(fold.Affine(fold.exact(scale), fold.exact(shift)), call.where)


def _pad_value(call: Call, value: float) -> int:
    call.require(value in (-1, 0, 1), f"pads bits with {value:g} of their scale", "pad with 0, or with a bit's value")
    return int(value)


def window(call: Call, x: Tensor, kernel: tuple[int, int]) -> dict[str, int]:
    """The attributes of a sliding window, from those of the node and the border around ``x``."""
    strides, dilations = (list(call.attributes.get(name, [1, 1])) for name in ("strides", "dilations"))
    pads = list(call.attributes.get("pads", [0, 0, 0, 0]))
    auto = str(call.attributes.get("auto_pad", "NOTSET"))
    if auto.startswith("SAME"):
        extents = zip(x.symbol.shape, kernel, strides, dilations, strict=False)
        total = [max(0, (-(-e // s) - 1) * s + d * (k - 1) + 1 - e) for e, k, s, d in extents]
        smaller = [amount // 2 for amount in total]
        larger = [amount - half for amount, half in zip(total, smaller, strict=True)]
        pads = [*smaller, *larger] if auto == "SAME_UPPER" else [*larger, *smaller]
    elif auto == "VALID":
        pads = [0, 0, 0, 0]
    if x.border is not None:
        call.require(not any(pads) or x.border.value == 0, "pads what a Pad has padded", "pad once")
        pads = [own + around for own, around in zip(pads, x.border.sides, strict=True)]
    return dict(zip(SPATIAL, (*kernel, *strides, *pads, *dilations), strict=True))
