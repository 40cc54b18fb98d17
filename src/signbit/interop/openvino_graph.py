"""A ``.sbn`` graph as an OpenVINO model whose binary convolutions run on OpenVINO's own one-bit kernel.

That kernel reads bits that a two-level FakeQuantize with outputs 0 and 1 wrote, and takes them for -1 and +1. Sums over
the alphabet {0, 1} follow from ``sum a * w = (sum (2a - 1) * w + sum w) / 2``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from signbit.alphabet import Alphabet
from signbit.errors import MissingDependencyError
from signbit.format import DType, Graph, Node
from signbit.interop.constants import EXACT, comparison, pads, pair, vector, weight_bits, weights
from signbit.interop.one_bit import packed_values
from signbit.interop.rewrite import thresholds_before_convolutions

try:
    import openvino
    from openvino import opset1, opset13
except ImportError:
    raise MissingDependencyError("openvino", "OpenVINO export", "bench") from None

TINY = np.finfo(np.float32).tiny
"""OpenVINO takes smaller numbers for zero, so nothing smaller separates two numbers."""


def to_openvino(graph: Graph, batch: int = 1) -> openvino.Model:
    """The network as an OpenVINO model.

    Parameters
    ----------
    graph : what to write.
    batch : images at once; OpenVINO's binary convolution needs it fixed.

    Returns
    -------
    Model : from ``[batch, C, H, W]`` to ``[batch, classes]``, or ``[batch, C, H, W]`` if the output is no vector. A
        binary convolution that the one-bit kernel cannot run (groups, channels that are no multiple of 8, wide pads) is
        a float one of -1 and +1.

    >>> from signbit.format import GraphBuilder
    >>> builder = GraphBuilder()
    >>> sigmoid = builder.node("sigmoid", builder.input((4, 4, 2)))
    >>> list(to_openvino(builder.graph(sigmoid), batch=3).output().shape)
    [3, 2, 4, 4]
    """
    graph = thresholds_before_convolutions(graph)
    packed = packed_values(graph)
    height, width, channels = graph.values[graph.input].shape
    source = opset13.parameter([batch, channels, height, width], np.float32, name="input")
    values: dict[int, Any] = {graph.input: source}
    for node in graph.nodes:
        operation = _PACKED if packed.intersection((*node.inputs, node.output)) else OPERATIONS
        y = operation[node.op](graph, node, [values[index] for index in node.inputs])
        y.set_friendly_name(f"{node.op}_{node.output} {node.name}".strip())
        values[node.output] = y
    output = values[graph.output]
    if graph.values[graph.output].shape[:2] == (1, 1):
        output = opset13.squeeze(output, _integers(2, 3))
    return openvino.Model([output], [source], "signbit")


def _integers(*numbers: int) -> Any:
    return opset13.constant(np.array(numbers, np.int64))


def _floats(numbers: npt.NDArray[Any]) -> Any:
    return opset13.constant(np.array(numbers, np.float32, order="C"))


def _per_channel(numbers: npt.NDArray[Any]) -> Any:
    return _floats(numbers.reshape(1, -1, 1, 1))


def _bits(ones: npt.NDArray[np.bool_]) -> Any:
    """A u1 constant; OpenVINO has to own the memory, a constant made from an array would only borrow it."""
    tensor = openvino.Tensor(openvino.Type.u1, openvino.Shape(ones.shape))
    tensor.data.reshape(-1)[:] = np.packbits(ones.reshape(-1), bitorder="little")
    return opset13.constant(tensor)


def _threshold(_graph: Graph, node: Node, inputs: list[Any]) -> Any:
    """The numbers 0 and 1. A falling channel ``x <= t`` is the rising channel ``-x >= -t``."""
    thresholds, rising = comparison(node)
    signs = np.where(rising, np.float32(1), np.float32(-1))
    signed = inputs[0] if rising.all() else opset13.multiply(inputs[0], _per_channel(signs))
    return opset13.convert(opset13.greater_equal(signed, _per_channel(signs * thresholds)), np.float32)


def _threshold_to_bits(graph: Graph, node: Node, inputs: list[Any]) -> Any:
    """FakeQuantize gives its low output up to the cut and its high output above, so a falling channel swaps the two."""
    thresholds, rising = comparison(node)
    if graph.values[node.inputs[0]].dtype is DType.I32:
        # Half-way between integers, so that nothing is lost where OpenVINO folds a multiply-add into the cut.
        half = np.where(np.abs(thresholds) < EXACT / 4, np.float32(0.5), np.float32(0))
        above, below = thresholds + half, thresholds - half
    else:
        above, below = thresholds, thresholds - TINY
    below = np.minimum(below, np.nextafter(thresholds, np.float32(-np.inf)))
    cut = _per_channel(np.where(rising, below, above))
    return opset13.fake_quantize(inputs[0], cut, cut, _per_channel(~rising), _per_channel(rising), 2)


def _one_bit_convolution(graph: Graph, node: Node, inputs: list[Any]) -> Any:
    signs = graph.values[node.inputs[0]].alphabet is Alphabet.PM1
    ones = weight_bits(node)
    top, left, bottom, right = pads(node)
    # A padded 0 of {0, 1} is the bit 0, which the kernel counts as -1; its own 0 leaves the tap out.
    outside = node.attributes["pad_value"] if signs else 2 * node.attributes["pad_value"] - 1
    sums = opset1.binary_convolution(
        inputs[0],
        _bits(ones),
        list(pair(node, "stride")),
        [top, left],
        [bottom, right],
        list(pair(node, "dilation")),
        "xnor-popcount",
        float(outside),
    )
    if signs:
        return sums
    weight_sums = np.where(ones, 1, -1).sum(axis=(1, 2, 3))
    return opset13.add(opset13.multiply(sums, _floats(np.float32(0.5))), _per_channel(weight_sums / 2))


def _binary_convolution(graph: Graph, node: Node, inputs: list[Any]) -> Any:
    (x,) = inputs
    if graph.values[node.inputs[0]].alphabet is Alphabet.PM1:
        x = opset13.subtract(opset13.multiply(x, _floats(np.float32(2))), _floats(np.float32(1)))
    return _float_convolution(node, x, node.attributes["pad_value"])


def _float_convolution(node: Node, x: Any, pad_value: int = 0) -> Any:
    weight, groups, strides = weights(node), node.attributes["groups"], pair(node, "stride")
    top, left, bottom, right = pads(node)
    point = pair(node, "kernel") == (1, 1)
    if any(pads(node)) and (pad_value or point):
        before, after = _integers(0, 0, top, left), _integers(0, 0, bottom, right)
        x = opset13.pad(x, before, after, "constant", _floats(np.float32(pad_value)))
        top = left = bottom = right = 0
        if point:  # OpenVINO would move the strides to the convolution before and pad afterwards
            x, strides = _strided(x, strides), (1, 1)
    window = (list(strides), [top, left], [bottom, right], list(pair(node, "dilation")))
    if groups == 1:
        return opset13.convolution(x, _floats(weight), *window)
    grouped = weight.reshape(groups, -1, *weight.shape[1:])
    return opset13.group_convolution(x, _floats(grouped), *window)


def _conv2d(graph: Graph, node: Node, inputs: list[Any]) -> Any:
    vector_input = graph.values[node.inputs[0]].shape[:2] == (1, 1)
    if vector_input and pair(node, "kernel") == (1, 1) and not any(pads(node)) and node.attributes["groups"] == 1:
        rows = opset13.squeeze(inputs[0], _integers(2, 3))
        products = opset13.matmul(rows, _floats(weights(node)[:, :, 0, 0]), False, True)
        if "bias" in node.blobs:
            products = opset13.add(products, _floats(vector(node, "bias")[None]))
        return opset13.unsqueeze(products, _integers(2, 3))
    sums = _float_convolution(node, inputs[0])
    return opset13.add(sums, _per_channel(vector(node, "bias"))) if "bias" in node.blobs else sums


def _affine(_graph: Graph, node: Node, inputs: list[Any]) -> Any:
    scaled = opset13.multiply(inputs[0], _per_channel(vector(node, "scale")))
    return opset13.add(scaled, _per_channel(vector(node, "shift")))


def _max_pool(_graph: Graph, node: Node, inputs: list[Any]) -> Any:
    top, left, bottom, right = pads(node)
    return opset1.max_pool(
        inputs[0], list(pair(node, "stride")), [top, left], [bottom, right], list(pair(node, "kernel"))
    )


def _avg_pool(_graph: Graph, node: Node, inputs: list[Any]) -> Any:
    top, left, bottom, right = pads(node)
    inside_only = not node.attributes["count_include_pad"]
    return opset1.avg_pool(
        inputs[0], list(pair(node, "stride")), [top, left], [bottom, right], list(pair(node, "kernel")), inside_only
    )


def _clamp(_graph: Graph, node: Node, inputs: list[Any]) -> Any:
    low, high = node.scalars["low"], node.scalars["high"]
    return opset13.relu(inputs[0]) if (low, high) == (0, np.inf) else opset13.clamp(inputs[0], low, high)


def _flatten(_graph: Graph, _node: Node, inputs: list[Any]) -> Any:
    channels_last = opset13.transpose(inputs[0], _integers(0, 2, 3, 1))
    return opset13.reshape(channels_last, _integers(0, -1, 1, 1), True)


def _strided(x: Any, strides: tuple[int, int]) -> Any:
    everything = _integers(*[np.iinfo(np.int64).max] * 2)
    return opset13.slice(x, _integers(0, 0), everything, _integers(*strides), _integers(2, 3))


def _pad_channels(_graph: Graph, node: Node, inputs: list[Any]) -> Any:
    before, after = (_integers(0, node.attributes[side], 0, 0) for side in ("before", "after"))
    return opset13.pad(inputs[0], before, after, "constant", _floats(np.float32(0)))


def _layer_norm(_graph: Graph, node: Node, inputs: list[Any]) -> Any:
    normalized = opset13.mvn(inputs[0], _integers(1), True, node.scalars["eps"], "inside_sqrt")
    return _affine(_graph, node, [normalized])


OPERATIONS: dict[str, Callable[[Graph, Node, list[Any]], Any]] = {
    "conv2d": _conv2d,
    "binary_conv2d": _binary_convolution,
    "affine": _affine,
    "threshold": _threshold,
    "max_pool2d": _max_pool,
    "avg_pool2d": _avg_pool,
    "add": lambda _graph, _node, inputs: opset13.add(*inputs),
    "clamp": _clamp,
    "prelu": lambda _graph, node, inputs: opset13.prelu(inputs[0], _floats(vector(node, "slope"))),
    "flatten": _flatten,
    "subsample": lambda _graph, node, inputs: _strided(inputs[0], pair(node, "stride")),
    "pad_channels": _pad_channels,
    "sigmoid": lambda _graph, _node, inputs: opset13.sigmoid(inputs[0]),
    "layer_norm": _layer_norm,
    "mul": lambda _graph, _node, inputs: opset13.multiply(*inputs),
}

_PACKED: dict[str, Callable[[Graph, Node, list[Any]], Any]] = {
    "threshold": _threshold_to_bits,
    "binary_conv2d": _one_bit_convolution,
}
"""For the nodes that write or read a packed value."""
