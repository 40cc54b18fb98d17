"""What each operation makes of its inputs: element type, shape and alphabet, and every rule that its parameters obey.

The writer, the reader and the builder all ask :func:`infer`; ``docs/format.md`` states the same rules in words.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NoReturn, Protocol

from signbit.alphabet import Alphabet
from signbit.errors import ConfigError
from signbit.format.graph import OPS, Blob, DType, blob_dtype
from signbit.format.layout import MAX_ELEMENTS, MAX_EXTENT, MAX_TAPS, MAX_WINDOW

Shape = tuple[int, int, int]


class RuleError(ConfigError):
    """A graph breaks a rule of the format.

    Parameters
    ----------
    message : the rule and the value found.
    table : ``"header"``, ``"value"`` or ``"node"``: the kind of record that holds the offending field.
    field : name of the field, attribute, scalar or blob slot.
    index : number of the record in its table; -1 while it isn't known.
    """

    def __init__(self, message: str, table: str, field: str, index: int = -1) -> None:
        self.message, self.table, self.field, self.index = message, table, field, index
        where = f"{table} {index}, " if index >= 0 else ""
        super().__init__(f"{where}{field}: {message}")


class Typed(Protocol):
    """Anything that says what it holds: a value of the graph, or the result of :func:`infer`."""

    @property
    def dtype(self) -> DType: ...
    @property
    def shape(self) -> Shape: ...
    @property
    def alphabet(self) -> Alphabet | None: ...


@dataclass(frozen=True)
class Inferred:
    """Element type, shape ``(H, W, C)`` and, for bits, alphabet of an operation's output."""

    dtype: DType
    shape: Shape
    alphabet: Alphabet | None = None


@dataclass(frozen=True)
class _Call:
    """One operation with everything that it is given."""

    op: str
    attributes: Mapping[str, int]
    scalars: Mapping[str, float]
    blobs: Mapping[str, Blob]
    inputs: Sequence[Typed]
    alphabet: Alphabet | None

    @property
    def x(self) -> Inferred:
        return Inferred(self.inputs[0].dtype, self.inputs[0].shape, self.inputs[0].alphabet)


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
        _fail("op", f"unknown operation {op!r}; known: {', '.join(OPS)}")
    schema = OPS[op]
    if len(inputs) != schema.inputs:
        _fail("input_count", f"{op} has {schema.inputs} input(s), not {len(inputs)}")
    _names(attributes, schema.attributes, "attribute")
    _names(scalars, schema.scalars, "scalar")
    _names(blobs, schema.blobs, "blob", optional=schema.optional_blobs)
    for name, number in attributes.items():
        if not -(1 << 31) <= number < 1 << 31:
            _fail(name, f"{number} does not fit into 32 bits")
    result = _RULES[op](_Call(op, attributes, scalars, blobs, inputs, alphabet))
    check_extent(result.shape, "output")
    return result


def check_extent(shape: Shape, field: str = "shape") -> None:
    """H, W and C are 1 .. 2^20 each and 2^26 together."""
    if not all(1 <= extent <= MAX_EXTENT for extent in shape):
        _fail(field, f"H, W, C are {shape}; each must be 1 .. 2^20")
    if math.prod(shape) > MAX_ELEMENTS:
        _fail(field, f"H x W x C is {math.prod(shape)} for {shape}; at most 2^26 is allowed")


def _fail(field: str, message: str) -> NoReturn:
    raise RuleError(message, "node", field)


def _names(given: Mapping[str, object], expected: tuple[str, ...], kind: str, optional: tuple[str, ...] = ()) -> None:
    for name in expected:
        if name not in given and name not in optional:
            _fail(name, f"{kind} {name!r} is missing")
    for name in given:
        if name not in expected:
            _fail(name, f"{kind} {name!r} is not one of this operation's: {', '.join(expected) or 'it has none'}")


def _reads(call: _Call, *allowed: DType) -> None:
    for index, value in enumerate(call.inputs):
        if value.dtype not in allowed:
            names = " or ".join(dtype.name.lower() for dtype in allowed)
            _fail(f"inputs.{index}", f"{call.op} reads {names}, not {value.dtype.name.lower()}")


def _blob(call: _Call, name: str, shape: tuple[int, ...], *allowed: DType) -> None:
    if name not in call.blobs:
        return
    blob = call.blobs[name]
    if blob_dtype(blob) not in allowed:
        names = " or ".join(dtype.name.lower() for dtype in allowed)
        _fail(name, f"{name} must be {names}, not {blob_dtype(blob).name.lower()}")
    if tuple(blob.shape) != shape:
        _fail(name, f"{name} has shape {list(blob.shape)}; {list(shape)} is needed")


def _range(call: _Call, name: str, low: int, high: int) -> int:
    number = call.attributes[name]
    if not low <= number <= high:
        _fail(name, f"{name} is {number}; {low} .. {high} is allowed")
    return number


def _window(call: _Call) -> tuple[int, int]:
    """Output height and width of a sliding window; checks all spatial attributes."""
    extents = []
    for axis, extent, before, after in (
        ("h", call.x.shape[0], "top", "bottom"),
        ("w", call.x.shape[1], "left", "right"),
    ):
        kernel = _range(call, f"kernel_{axis}", 1, MAX_WINDOW)
        stride = _range(call, f"stride_{axis}", 1, MAX_WINDOW)
        dilation = _range(call, f"dilation_{axis}", 1, MAX_WINDOW)
        padded = extent + _range(call, f"pad_{before}", 0, MAX_WINDOW) + _range(call, f"pad_{after}", 0, MAX_WINDOW)
        span = dilation * (kernel - 1) + 1
        if span > padded:
            _fail(f"kernel_{axis}", f"the window spans {span} positions; the padded input has {padded}")
        extents.append((padded - span) // stride + 1)
    return extents[0], extents[1]


def _convolution(call: _Call, *weights: DType) -> Shape:
    """Output shape of a convolution; checks geometry, groups and weight."""
    height, width = _window(call)
    channels = call.x.shape[2]
    groups = _range(call, "groups", 1, MAX_EXTENT)
    weight = call.blobs["weight"]
    filters = weight.shape[0] if len(weight.shape) == 4 else 0
    if channels % groups or filters % groups:
        _fail("groups", f"groups is {groups}; it must divide {channels} input channels and {filters} filters")
    kernel = (call.attributes["kernel_h"], call.attributes["kernel_w"])
    _blob(call, "weight", (max(filters, 1), *kernel, channels // groups), *weights)
    return height, width, int(filters)


def _conv2d(call: _Call) -> Inferred:
    _reads(call, DType.F32)
    shape = _convolution(call, DType.F32, DType.BITS)
    _blob(call, "bias", (shape[2],), DType.F32)
    return Inferred(DType.F32, shape)


def _binary_conv2d(call: _Call) -> Inferred:
    _reads(call, DType.BITS)
    shape = _convolution(call, DType.BITS)
    allowed = (-1, 0, 1) if call.x.alphabet is Alphabet.PM1 else (0, 1)
    if call.attributes["pad_value"] not in allowed:
        _fail("pad_value", f"pad_value is {call.attributes['pad_value']}; this alphabet allows {allowed}")
    taps = math.prod(call.blobs["weight"].shape[1:])
    if taps > MAX_TAPS:
        _fail("weight", f"a sum has {taps} terms; at most 2^24 fit the accumulator")
    return Inferred(DType.I32, shape)


def _affine(call: _Call) -> Inferred:
    _reads(call, DType.F32, DType.I32)
    _blob(call, "scale", call.x.shape[2:], DType.F32)
    _blob(call, "shift", call.x.shape[2:], DType.F32)
    return Inferred(DType.F32, call.x.shape)


def _threshold(call: _Call) -> Inferred:
    _reads(call, DType.F32, DType.I32)
    _blob(call, "thresholds", call.x.shape[2:], call.x.dtype)
    _blob(call, "rising", call.x.shape[2:], DType.BITS)
    return Inferred(DType.BITS, call.x.shape, call.alphabet or Alphabet.PM1)


def _pool(call: _Call) -> Inferred:
    height, width = _window(call)
    for axis, sides in (("h", ("top", "bottom")), ("w", ("left", "right"))):
        _range(call, f"dilation_{axis}", 1, 1)
        for side in sides:
            _range(call, f"pad_{side}", 0, call.attributes[f"kernel_{axis}"] - 1)
    return replace(call.x, shape=(height, width, call.x.shape[2]))


def _avg_pool2d(call: _Call) -> Inferred:
    _reads(call, DType.F32)
    _range(call, "count_include_pad", 0, 1)
    return _pool(call)


def _add(call: _Call) -> Inferred:
    _reads(call, DType.F32)
    if call.inputs[0].shape != call.inputs[1].shape:
        _fail("inputs.1", f"add needs equal shapes, not {call.inputs[0].shape} and {call.inputs[1].shape}")
    return call.x


def _clamp(call: _Call) -> Inferred:
    _reads(call, DType.F32)
    low, high = call.scalars["low"], call.scalars["high"]
    for name, number in (("low", low), ("high", high)):
        if math.isnan(number):
            _fail(name, f"{name} is NaN")
    if low > high:
        _fail("low", f"low is {low}, more than high, {high}")
    return call.x


def _prelu(call: _Call) -> Inferred:
    _reads(call, DType.F32)
    _blob(call, "slope", call.x.shape[2:], DType.F32)
    return call.x


def _flatten(call: _Call) -> Inferred:
    return replace(call.x, shape=(1, 1, math.prod(call.x.shape)))


def _subsample(call: _Call) -> Inferred:
    _reads(call, DType.F32)
    height, width, channels = call.x.shape
    limit = (1 << 31) - 1
    down, across = _range(call, "stride_h", 1, limit), _range(call, "stride_w", 1, limit)
    return Inferred(DType.F32, (-(-height // down), -(-width // across), channels))


def _pad_channels(call: _Call) -> Inferred:
    _reads(call, DType.F32)
    height, width, channels = call.x.shape
    added = _range(call, "before", 0, MAX_EXTENT) + _range(call, "after", 0, MAX_EXTENT)
    return Inferred(DType.F32, (height, width, channels + added))


_RULES: Mapping[str, Callable[[_Call], Inferred]] = {
    "conv2d": _conv2d,
    "binary_conv2d": _binary_conv2d,
    "affine": _affine,
    "threshold": _threshold,
    "max_pool2d": _pool,
    "avg_pool2d": _avg_pool2d,
    "add": _add,
    "clamp": _clamp,
    "prelu": _prelu,
    "flatten": _flatten,
    "subsample": _subsample,
    "pad_channels": _pad_channels,
}
