"""The slow, obvious executor: what every operation of ``docs/format.md`` computes, in numpy.

It is the oracle of every fast path, so it is written to be read: bits become the integers that they stand for, a
convolution is a loop over the kernel's taps, nothing is fused. Sums are taken in float64, which holds every sum of
bits exactly. Values are arrays ``[N, H, W, C]``: float32, int32, or int8 for bits.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from signbit.alphabet import Alphabet
from signbit.format import Bits, DType, Graph, Node, Value

Array = npt.NDArray[Any]
FloatArray = npt.NDArray[np.float32]
DoubleArray = npt.NDArray[np.float64]


def run(graph: Graph, x: FloatArray) -> FloatArray:
    """The network's output ``[N, C, H, W]`` for a batch of float32 images ``[N, C, H, W]``."""
    output: FloatArray = run_all(graph, x)[graph.output].transpose(0, 3, 1, 2)
    return np.ascontiguousarray(output)


def run_all(graph: Graph, x: FloatArray) -> list[Array]:
    """Every value of the graph, ``[N, H, W, C]``, by its index; bits as the numbers that they stand for."""
    values: list[Array] = [np.empty(0)] * len(graph.values)
    values[graph.input] = np.ascontiguousarray(x.transpose(0, 2, 3, 1), np.float32)
    for node in graph.nodes:
        values[node.output] = compute(graph, node, [values[index] for index in node.inputs])
    return values


def compute(graph: Graph, node: Node, inputs: list[Array]) -> Array:
    """The output of one node of ``graph``, given the contents of its inputs."""
    # Infinities and NaN in the input are the caller's business: they flow through as in any float arithmetic.
    with np.errstate(over="ignore", invalid="ignore"):
        return _OPERATIONS[node.op](node, inputs, graph.values[node.output])


def macs(graph: Graph, node: Node) -> int:
    """Multiply-accumulates that one image costs in ``node``, a padded tap counting like any other."""
    weight = node.blobs.get("weight")
    return 0 if weight is None else int(np.prod(graph.values[node.output].shape[:2])) * int(np.prod(weight.shape))


def _pads(node: Node) -> tuple[tuple[int, int], tuple[int, int]]:
    a = node.attributes
    return (a["pad_top"], a["pad_bottom"]), (a["pad_left"], a["pad_right"])


def _taps(node: Node, x: Array, output: Value, fill: float) -> Iterator[tuple[int, int, Array]]:
    """For every kernel position: its row and column, and what it sees at every output position, ``[N, H', W', C]``."""
    a = node.attributes
    padded = np.pad(x, ((0, 0), *_pads(node), (0, 0)), constant_values=fill)
    height, width, _ = output.shape
    for row in range(a["kernel_h"]):
        for column in range(a["kernel_w"]):
            top, left = row * a["dilation_h"], column * a["dilation_w"]
            rows = slice(top, top + (height - 1) * a["stride_h"] + 1, a["stride_h"])
            columns = slice(left, left + (width - 1) * a["stride_w"] + 1, a["stride_w"])
            yield row, column, padded[:, rows, columns]


def _correlate(node: Node, x: Array, output: Value, weight: Array, fill: int) -> DoubleArray:
    """Cross-correlation of ``x`` with ``weight`` ``[O, kh, kw, C / groups]``; padded taps see ``fill``."""
    groups = node.attributes["groups"]
    filters, *_, channels = weight.shape
    total = np.zeros((x.shape[0], *output.shape))
    for row, column, seen in _taps(node, x.astype(np.float64), output, fill):
        for group in range(groups):
            outputs = slice(group * filters // groups, (group + 1) * filters // groups)
            inputs = slice(group * channels, (group + 1) * channels)
            total[..., outputs] += seen[..., inputs] @ weight[outputs, row, column].T
    return total


def _weight(node: Node) -> DoubleArray:
    weight = node.blobs["weight"]
    return np.where(weight.unpack(), 1.0, -1.0) if isinstance(weight, Bits) else weight.astype(np.float64)


def _conv2d(node: Node, inputs: list[Array], output: Value) -> Array:
    total = _correlate(node, inputs[0], output, _weight(node), fill=0)
    if "bias" in node.blobs:
        total += _tensor(node, "bias")
    return total.astype(np.float32)


def _binary_conv2d(node: Node, inputs: list[Array], output: Value) -> Array:
    return _correlate(node, inputs[0], output, _weight(node), fill=node.attributes["pad_value"]).astype(np.int32)


def _affine(node: Node, inputs: list[Array], _: Value) -> Array:
    scaled: Array = _tensor(node, "scale") * inputs[0].astype(np.float32)
    return scaled + _tensor(node, "shift")


def _threshold(node: Node, inputs: list[Array], output: Value) -> Array:
    x, thresholds, rising = inputs[0], _tensor(node, "thresholds"), node.blobs["rising"]
    assert isinstance(rising, Bits)
    ones = np.where(rising.unpack(), x >= thresholds, x <= thresholds)
    alphabet = output.alphabet or Alphabet.PM1
    return np.array([alphabet.low, alphabet.high], np.int8)[ones.astype(np.intp)]


def _max_pool2d(node: Node, inputs: list[Array], output: Value) -> Array:
    x = inputs[0]
    least = {DType.F32: -np.inf, DType.I32: np.iinfo(np.int32).min, DType.BITS: -1}[output.dtype]
    largest: Array = functools.reduce(np.maximum, (seen for _, _, seen in _taps(node, x, output, least)))
    return largest


def _avg_pool2d(node: Node, inputs: list[Array], output: Value) -> Array:
    x = inputs[0]
    total = np.zeros((x.shape[0], *output.shape))
    count = np.zeros((1, *output.shape[:2], 1))
    for _, _, seen in _taps(node, x, output, 0):
        total += seen
    if node.attributes["count_include_pad"]:
        count += node.attributes["kernel_h"] * node.attributes["kernel_w"]
    else:
        for _, _, seen in _taps(node, np.ones((1, *x.shape[1:3], 1)), output, 0):
            count += seen
    return (total / count).astype(np.float32)


def _of_two(operator: Callable[[Array, Array], Array]) -> Callable[[Node, list[Array], Value], Array]:
    return lambda _node, inputs, _output: operator(*inputs)


def _sigmoid(_: Node, inputs: list[Array], __: Value) -> Array:
    sigmoid: DoubleArray = 1 / (1 + np.exp(-inputs[0].astype(np.float64)))
    return sigmoid.astype(np.float32)


def _layer_norm(node: Node, inputs: list[Array], _: Value) -> Array:
    x = inputs[0].astype(np.float64)
    centred = x - x.mean(axis=-1, keepdims=True)
    deviation = np.sqrt(np.square(centred).mean(axis=-1, keepdims=True) + np.float32(node.scalars["eps"]))
    y: DoubleArray = centred / deviation * _tensor(node, "scale") + _tensor(node, "shift")
    return y.astype(np.float32)


def _clamp(node: Node, inputs: list[Array], _: Value) -> Array:
    low, high = np.float32(node.scalars["low"]), np.float32(node.scalars["high"])
    clamped: Array = np.minimum(np.maximum(inputs[0], low), high)
    return clamped


def _prelu(node: Node, inputs: list[Array], _: Value) -> Array:
    return np.where(inputs[0] >= 0, inputs[0], _tensor(node, "slope") * inputs[0])


def _flatten(_: Node, inputs: list[Array], output: Value) -> Array:
    return inputs[0].reshape(len(inputs[0]), *output.shape)


def _subsample(node: Node, inputs: list[Array], _: Value) -> Array:
    return inputs[0][:, :: node.attributes["stride_h"], :: node.attributes["stride_w"]]


def _pad_channels(node: Node, inputs: list[Array], _: Value) -> Array:
    return np.pad(inputs[0], ((0, 0), (0, 0), (0, 0), (node.attributes["before"], node.attributes["after"])))


def _tensor(node: Node, name: str) -> Array:
    blob = node.blobs[name]
    assert not isinstance(blob, Bits)
    return blob


_OPERATIONS: Mapping[str, Callable[[Node, list[Array], Value], Array]] = {
    "conv2d": _conv2d,
    "binary_conv2d": _binary_conv2d,
    "affine": _affine,
    "threshold": _threshold,
    "max_pool2d": _max_pool2d,
    "avg_pool2d": _avg_pool2d,
    "add": _of_two(np.add),
    "clamp": _clamp,
    "prelu": _prelu,
    "flatten": _flatten,
    "subsample": _subsample,
    "pad_channels": _pad_channels,
    "sigmoid": _sigmoid,
    "layer_norm": _layer_norm,
    "mul": _of_two(np.multiply),
}
