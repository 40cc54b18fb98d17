"""What each operation makes of its inputs: element type, shape and alphabet, and every rule that its parameters obey.

The writer, the reader and the builder all ask :func:`infer`; ``docs/format.md`` states the same rules in words.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from signbit.alphabet import Alphabet
from signbit.format.graph import OPS, Blob, DType
from signbit.format.layout import LEAST_FLOAT, MAX_EXTENT, MAX_TAPS
from signbit.format.operation import Inferred, Operation, Shape, Typed, fail
from signbit.format.rules import check_extent


def infer(
    op: str,
    attributes: Mapping[str, int],
    scalars: Mapping[str, float],
    blobs: Mapping[str, Blob],
    inputs: Sequence[Typed],
    alphabet: Alphabet | None = None,
) -> Inferred:
    """Check one operation and say what it produces.

    Parameters
    ----------
    op : a name of :data:`signbit.format.OPS`.
    attributes, scalars, blobs : every name of the operation's schema (an optional blob may be missing), no other.
    inputs : the values that it reads.
    alphabet : what the bits of a ``threshold`` stand for; default {-1, +1}. Other operations ignore it.

    Errors
    ------
    RuleError : names the field that breaks a rule.

    >>> from signbit.format import Value
    >>> infer("flatten", {}, {}, {}, [Value("x", DType.F32, (4, 4, 3))]).shape
    (1, 1, 48)
    """
    if op not in OPS:
        fail("op", f"unknown operation {op!r}; known: {', '.join(OPS)}")
    schema = OPS[op]
    if len(inputs) != schema.inputs:
        fail("input_count", f"{op} has {schema.inputs} input(s), not {len(inputs)}")
    _names(attributes, schema.attributes, "attribute")
    _names(scalars, schema.scalars, "scalar")
    _names(blobs, schema.blobs, "blob", optional=schema.optional_blobs)
    for name, number in attributes.items():
        if not -(1 << 31) <= number < 1 << 31:
            fail(name, f"{number} does not fit into 32 bits")
    result = _RULES[op](Operation(op, attributes, scalars, blobs, inputs, alphabet))
    check_extent(result.shape, "node", "output")
    return result


def _names(given: Mapping[str, object], expected: tuple[str, ...], kind: str, optional: tuple[str, ...] = ()) -> None:
    for name in expected:
        if name not in given and name not in optional:
            fail(name, f"{kind} {name!r} is missing")
    for name in given:
        if name not in expected:
            fail(name, f"{kind} {name!r} is not one of this operation's: {', '.join(expected) or 'it has none'}")


def _convolution(call: Operation, *weights: DType) -> Shape:
    """Output shape of a convolution; checks geometry, groups and weight."""
    height, width = call.window()
    channels = call.x.shape[2]
    groups = call.attribute("groups", 1, MAX_EXTENT)
    weight = call.blobs["weight"]
    filters = weight.shape[0] if len(weight.shape) == 4 else 0
    if channels % groups or filters % groups:
        fail("groups", f"groups is {groups}; it must divide {channels} input channels and {filters} filters")
    kernel = (call.attributes["kernel_h"], call.attributes["kernel_w"])
    call.holds("weight", (max(filters, 1), *kernel, channels // groups), *weights)
    return height, width, int(filters)


def _conv2d(call: Operation) -> Inferred:
    call.reads(DType.F32)
    shape = _convolution(call, DType.F32, DType.BITS)
    call.holds("bias", (shape[2],), DType.F32)
    return Inferred(DType.F32, shape)


def _binary_conv2d(call: Operation) -> Inferred:
    call.reads(DType.BITS)
    shape = _convolution(call, DType.BITS)
    allowed = (-1, 0, 1) if call.x.alphabet is Alphabet.PM1 else (0, 1)
    if call.attributes["pad_value"] not in allowed:
        fail("pad_value", f"pad_value is {call.attributes['pad_value']}; this alphabet allows {allowed}")
    taps = math.prod(call.blobs["weight"].shape[1:])
    if taps > MAX_TAPS:
        fail("weight", f"a sum has {taps} terms; at most 2^24 fit the accumulator")
    return Inferred(DType.I32, shape)


def _affine(call: Operation) -> Inferred:
    call.reads(DType.F32, DType.I32)
    call.holds("scale", call.x.shape[2:], DType.F32)
    call.holds("shift", call.x.shape[2:], DType.F32)
    return Inferred(DType.F32, call.x.shape)


def _threshold(call: Operation) -> Inferred:
    call.reads(DType.F32, DType.I32)
    call.holds("thresholds", call.x.shape[2:], call.x.dtype)
    call.holds("rising", call.x.shape[2:], DType.BITS)
    return Inferred(DType.BITS, call.x.shape, call.alphabet or Alphabet.PM1)


def _pool(call: Operation) -> Inferred:
    height, width = call.window()
    for axis, sides in (("h", ("top", "bottom")), ("w", ("left", "right"))):
        call.attribute(f"dilation_{axis}", 1, 1)
        for side in sides:
            call.attribute(f"pad_{side}", 0, call.attributes[f"kernel_{axis}"] - 1)
    return replace(call.x, shape=(height, width, call.x.shape[2]))


def _avg_pool2d(call: Operation) -> Inferred:
    call.reads(DType.F32)
    call.attribute("count_include_pad", 0, 1)
    return _pool(call)


def _of_two(call: Operation) -> Inferred:
    call.reads(DType.F32)
    shape, second = call.inputs[0].shape, call.inputs[1].shape
    per_channel = (1, 1, shape[2])
    if second not in (shape, per_channel):
        fail("inputs.1", f"with {shape}, {call.op} needs {shape} or {per_channel}, not {second}")
    return call.x


def _clamp(call: Operation) -> Inferred:
    call.reads(DType.F32)
    low, high = call.scalars["low"], call.scalars["high"]
    for name, number in (("low", low), ("high", high)):
        if math.isnan(number):
            fail(name, f"{name} is NaN")
    if low > high:
        fail("low", f"low is {low}, more than high, {high}")
    return call.x


def _prelu(call: Operation) -> Inferred:
    call.reads(DType.F32)
    call.holds("slope", call.x.shape[2:], DType.F32)
    return call.x


def _sigmoid(call: Operation) -> Inferred:
    call.reads(DType.F32)
    return call.x


def _layer_norm(call: Operation) -> Inferred:
    call.reads(DType.F32)
    call.holds("scale", call.x.shape[2:], DType.F32)
    call.holds("shift", call.x.shape[2:], DType.F32)
    eps = call.scalars["eps"]
    if not LEAST_FLOAT <= eps < math.inf:
        fail("eps", f"eps is {eps:g}; a finite float32 above 0 is needed")
    return call.x


def _flatten(call: Operation) -> Inferred:
    return replace(call.x, shape=(1, 1, math.prod(call.x.shape)))


def _subsample(call: Operation) -> Inferred:
    call.reads(DType.F32)
    height, width, channels = call.x.shape
    limit = (1 << 31) - 1
    down, across = call.attribute("stride_h", 1, limit), call.attribute("stride_w", 1, limit)
    return Inferred(DType.F32, (-(-height // down), -(-width // across), channels))


def _pad_channels(call: Operation) -> Inferred:
    call.reads(DType.F32)
    height, width, channels = call.x.shape
    added = call.attribute("before", 0, MAX_EXTENT) + call.attribute("after", 0, MAX_EXTENT)
    return Inferred(DType.F32, (height, width, channels + added))


_RULES: Mapping[str, Callable[[Operation], Inferred]] = {
    "conv2d": _conv2d,
    "binary_conv2d": _binary_conv2d,
    "affine": _affine,
    "threshold": _threshold,
    "max_pool2d": _pool,
    "avg_pool2d": _avg_pool2d,
    "add": _of_two,
    "clamp": _clamp,
    "prelu": _prelu,
    "flatten": _flatten,
    "subsample": _subsample,
    "pad_channels": _pad_channels,
    "sigmoid": _sigmoid,
    "layer_norm": _layer_norm,
    "mul": _of_two,
}
