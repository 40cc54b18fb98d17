"""A ``.sbn`` graph as one C99 header: constants, and a ``predict()`` that needs ``<math.h>`` and ``<stdint.h>`` alone.

It is a reference for microcontrollers and other languages, not a fast runtime: plain loops over the operations of
``docs/format.md``, static buffers that values share once they are dead, no malloc.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.resources import files

import numpy as np

from signbit.format import Bits, Blob, DType, Graph, Node, Value

BUFFERS = {
    DType.F32: ("sbn_floats", "float"),
    DType.I32: ("sbn_integers", "int32_t"),
    DType.BITS: ("sbn_bits", "int8_t"),
}
COLUMNS = 16


def to_c(graph: Graph) -> str:
    """The header: ``static inline void predict(const float *input, float *output)`` for one image, channels first.

    Parameters
    ----------
    graph : what to write.

    >>> from signbit.format import GraphBuilder
    >>> builder = GraphBuilder()
    >>> text = to_c(builder.graph(builder.node("sigmoid", builder.input((2, 2, 3)))))
    >>> [line for line in text.splitlines() if "sbn_sigmoid(12" in line]
    ['    sbn_sigmoid(12, sbn_floats + 0, sbn_floats + 12);']
    """
    places, sizes = _allocate(graph)
    where = {index: f"{BUFFERS[graph.values[index].dtype][0]} + {place}" for index, place in places.items()}
    constants, calls = [], []
    for number, node in enumerate(graph.nodes):
        names = {slot: f"sbn_{number}_{slot}" for slot in node.blobs}
        constants += [_constant(names[slot], blob) for slot, blob in node.blobs.items()]
        if node.op != "flatten":
            source, result = graph.values[node.inputs[0]], graph.values[node.output]
            inputs, last = [where[index] for index in node.inputs], math.prod(graph.values[node.inputs[-1]].shape)
            calls += _Call(node, source, result, inputs, where[node.output], names, last).statements()
    buffers = [f"static {kind} {name}[{sizes[dtype]}];" for dtype, (name, kind) in BUFFERS.items() if sizes[dtype]]
    source, result = graph.values[graph.input], graph.values[graph.output]
    body = [
        _transposed(source, f"({where[graph.input]})[p * {source.shape[2]} + c] = input[c * {_pixels(source)} + p];"),
        *calls,
        _transposed(result, f"output[c * {_pixels(result)} + p] = ({where[graph.output]})[p * {result.shape[2]} + c];"),
    ]
    head = [
        f"#define SIGNBIT_INPUT_SIZE {math.prod(source.shape)} /* {source.shape[2]} channels of {_pixels(source)} */",
        f"#define SIGNBIT_OUTPUT_SIZE {math.prod(result.shape)}",
    ]
    parts = ["#ifndef SIGNBIT_MODEL_H", "#define SIGNBIT_MODEL_H", _operations(), *head, "", *constants, *buffers, ""]
    function = ["static inline void predict(const float* input, float* output) {", *body, "}", "#endif", ""]
    return "\n".join([*parts, *function])


def _operations() -> str:
    return (files("signbit.interop") / "operations.h").read_text(encoding="utf-8")


def _pixels(value: Value) -> int:
    return value.shape[0] * value.shape[1]


def _transposed(value: Value, statement: str) -> str:
    loops = f"for (int p = 0; p < {_pixels(value)}; ++p) for (int c = 0; c < {value.shape[2]}; ++c)"
    return f"    {loops} {statement}"


def _allocate(graph: Graph) -> tuple[dict[int, int], dict[DType, int]]:
    """Where each value starts in the buffer of its type, and the buffers' sizes; a flattening stays where it was."""
    root = {graph.input: graph.input}
    last = {graph.output: len(graph.nodes)}
    for step, node in enumerate(graph.nodes):
        root[node.output] = root[node.inputs[0]] if node.op == "flatten" else node.output
        for index in (*node.inputs, node.output):
            last[root[index]] = max(step, last.get(root[index], 0))
    last[root[graph.output]] = len(graph.nodes)
    places: dict[int, int] = {}
    sizes = dict.fromkeys(BUFFERS, 0)
    for step, index in enumerate([graph.input, *(node.output for node in graph.nodes)], start=-1):
        if root[index] != index:
            places[index] = places[root[index]]
            continue
        value = graph.values[index]
        size, place = math.prod(value.shape), 0
        taken = [
            (places[other], math.prod(graph.values[other].shape))
            for other in places
            if root[other] == other and last[other] >= step and graph.values[other].dtype is value.dtype
        ]
        for start, extent in sorted(taken):
            if start < place + size and place < start + extent:
                place = start + extent
        places[index] = place
        sizes[value.dtype] = max(sizes[value.dtype], place + size)
    return places, sizes


def _constant(name: str, blob: Blob) -> str:
    """A constant array; floats in hexadecimal, so that no digit is lost."""
    if isinstance(blob, Bits):
        kind, texts = "uint8_t", [str(octet) for octet in blob.octets.ravel()]
    elif blob.dtype == np.int32:
        # -2^31 is no C literal: the minus stands before a number that does not fit.
        kind, texts = "int32_t", [str(n) if n > -(1 << 31) else "-2147483647 - 1" for n in blob.ravel().tolist()]
    else:
        kind, texts = "float", [_float(number) for number in blob.ravel().tolist()]
    lines = [", ".join(texts[start : start + COLUMNS]) for start in range(0, len(texts), COLUMNS)]
    return f"static const {kind} {name}[{len(texts)}] = {{\n    " + ",\n    ".join(lines) + "};"


def _float(number: float) -> str:
    if math.isinf(number):
        return "INFINITY" if number > 0 else "-INFINITY"
    return f"{number.hex()}f"


@dataclass(frozen=True)
class _Call:
    """One node as C sees it: names of its constants, places of its inputs and output."""

    node: Node
    source: Value
    result: Value
    inputs: list[str]
    y: str
    constants: dict[str, str]
    last_count: int

    @property
    def x(self) -> str:
        return self.inputs[0]

    @property
    def count(self) -> int:
        return math.prod(self.source.shape)

    @property
    def channels(self) -> int:
        return self.source.shape[2]

    @property
    def kind(self) -> str:
        return self.source.dtype.name.lower()

    @property
    def attributes(self) -> Mapping[str, int]:
        return self.node.attributes

    def scalar(self, name: str) -> str:
        return _float(float(np.float32(self.node.scalars[name])))

    def statements(self) -> list[str]:
        call = f"    sbn_{OPERATIONS[self.node.op](self)};"
        if "kernel_h" not in self.attributes:
            return [call]
        keys = ("kernel_h", "kernel_w", "stride_h", "stride_w", "pad_top", "pad_left", "dilation_h", "dilation_w")
        numbers = [*self.source.shape, *self.result.shape, *(self.attributes[key] for key in keys)]
        numbers.append(self.attributes.get("groups", 1))
        window = f"const sbn_window window = {{{', '.join(map(str, numbers))}}};"
        return ["    {", f"    {window}", call, "    }"]


def _conv2d(call: _Call) -> str:
    weight, bias = call.constants["weight"], call.constants.get("bias", "0")
    pair = f"0, {weight}" if isinstance(call.node.blobs["weight"], Bits) else f"{weight}, 0"
    return f"conv2d(&window, {call.x}, {pair}, {bias}, {call.y})"


def _threshold(call: _Call) -> str:
    low = 0 if call.result.alphabet is None else call.result.alphabet.low
    blobs = f"{call.constants['thresholds']}, {call.constants['rising']}"
    return f"threshold_{call.kind}({call.count}, {call.channels}, {call.x}, {blobs}, {low}, {call.y})"


def _scale_and_shift(call: _Call) -> str:
    return f"{call.constants['scale']}, {call.constants['shift']}"


def _subsample(call: _Call) -> str:
    height, width, channels = call.source.shape
    strides = f"{call.attributes['stride_h']}, {call.attributes['stride_w']}"
    return f"subsample({height}, {width}, {channels}, {strides}, {call.x}, {call.y})"


def _pad_channels(call: _Call) -> str:
    around = f"{call.attributes['before']}, {call.attributes['after']}"
    return f"pad_channels({_pixels(call.source)}, {call.channels}, {around}, {call.x}, {call.y})"


def _of_two(call: _Call) -> str:
    return f"{call.node.op}({call.count}, {call.last_count}, {call.x}, {call.inputs[1]}, {call.y})"


OPERATIONS: dict[str, Callable[[_Call], str]] = {
    "conv2d": _conv2d,
    "binary_conv2d": lambda c: (
        f"binary_conv2d(&window, {c.x}, {c.constants['weight']}, {c.attributes['pad_value']}, {c.y})"
    ),
    "affine": lambda c: f"affine_{c.kind}({c.count}, {c.channels}, {c.x}, {_scale_and_shift(c)}, {c.y})",
    "threshold": _threshold,
    "max_pool2d": lambda c: f"max_pool2d_{c.kind}(&window, {c.x}, {c.y})",
    "avg_pool2d": lambda c: f"avg_pool2d(&window, {c.attributes['count_include_pad']}, {c.x}, {c.y})",
    "add": _of_two,
    "clamp": lambda c: f"clamp({c.count}, {c.scalar('low')}, {c.scalar('high')}, {c.x}, {c.y})",
    "prelu": lambda c: f"prelu({c.count}, {c.channels}, {c.x}, {c.constants['slope']}, {c.y})",
    "subsample": _subsample,
    "pad_channels": _pad_channels,
    "sigmoid": lambda c: f"sigmoid({c.count}, {c.x}, {c.y})",
    "layer_norm": lambda c: (
        f"layer_norm({c.count}, {c.channels}, {c.scalar('eps')}, {c.x}, {_scale_and_shift(c)}, {c.y})"
    ),
    "mul": _of_two,
}
"""Operation -> the C call; a flattening needs none, because it stays where its input is."""
