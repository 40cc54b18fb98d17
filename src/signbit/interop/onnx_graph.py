"""A ``.sbn`` graph as an ONNX model of standard operators: bits are floats that hold values of their alphabet.

The number of images is free. Sums of bits are exact in float32.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from signbit.format import Graph, Node
from signbit.interop.constants import comparison, pads, pair, vector, weights
from signbit.interop.onnx_writer import Writer, write_model

if TYPE_CHECKING:
    import onnx


def to_onnx(graph: Graph) -> onnx.ModelProto:
    """The network as an ONNX model for any number of images; see :func:`signbit.interop.onnx_writer.write_model`.

    Parameters
    ----------
    graph : what to write.

    >>> from signbit.format import GraphBuilder
    >>> builder = GraphBuilder()
    >>> sigmoid = builder.node("sigmoid", builder.input((4, 4, 2)))
    >>> [node.op_type for node in to_onnx(builder.graph(sigmoid)).graph.node]
    ['Sigmoid', 'Identity']
    """
    return write_model(graph, OPERATIONS, batch="N")


def convolution(filters: Callable[[Writer, Node, npt.NDArray[np.float32]], str]) -> Callable[[Writer, Node], None]:
    """How convolutions are written; ``filters`` makes a tensor of the numbers of a node's weight."""

    def write(writer: Writer, node: Node) -> None:
        (x,) = node.inputs
        weight = weights(node)
        bias = [writer.constant(vector(node, "bias"))] if "bias" in node.blobs else []
        if (
            writer.is_vector(x)
            and weight.shape[2:] == (1, 1)
            and node.attributes["groups"] == 1
            and not any(pads(node))
        ):
            matrix = filters(writer, node, weight[:, :, 0, 0])
            writer.names[node.output] = writer.op("Gemm", writer.names[x], matrix, *bias, transB=1)
            return
        image, padding = writer.image(x), list(pads(node))
        if node.attributes.get("pad_value", 0):
            top, left, bottom, right = padding
            amounts = writer.constant([0, 0, top, left, 0, 0, bottom, right])
            image = writer.op("Pad", image, amounts, writer.constant(np.float32(node.attributes["pad_value"])))
            padding = [0, 0, 0, 0]
        attributes = {
            "kernel_shape": list(weight.shape[2:]),
            "strides": list(pair(node, "stride")),
            "dilations": list(pair(node, "dilation")),
            "pads": padding,
            "group": node.attributes["groups"],
        }
        writer.finish(node, writer.op("Conv", image, filters(writer, node, weight), *bias, **attributes))

    return write


def _numbers(writer: Writer, _node: Node, weight: npt.NDArray[np.float32]) -> str:
    return writer.constant(weight)


def _threshold(writer: Writer, node: Node) -> None:
    """A falling channel ``x <= t`` is the rising channel ``-x >= -t``."""
    thresholds, rising = comparison(node)
    name = writer.names[node.inputs[0]]
    if not rising.all():
        signs = np.where(rising, np.float32(1), np.float32(-1))
        name, thresholds = writer.op("Mul", name, writer.per_channel(node, signs)), signs * thresholds
    ones = writer.op("GreaterOrEqual", name, writer.per_channel(node, thresholds))
    alphabet = writer.graph.values[node.output].alphabet
    assert alphabet is not None
    high, low = (writer.constant(np.float32(number)) for number in (alphabet.high, alphabet.low))
    writer.names[node.output] = writer.op("Where", ones, high, low)


def _affine(writer: Writer, node: Node) -> None:
    scaled = writer.op("Mul", writer.names[node.inputs[0]], writer.per_channel(node, vector(node, "scale")))
    writer.names[node.output] = writer.op("Add", scaled, writer.per_channel(node, vector(node, "shift")))


def _pool(kind: str) -> Callable[[Writer, Node], None]:
    def pool(writer: Writer, node: Node) -> None:
        attributes: dict[str, Any] = {"kernel_shape": pair(node, "kernel"), "strides": pair(node, "stride")}
        if "count_include_pad" in node.attributes:
            attributes["count_include_pad"] = node.attributes["count_include_pad"]
        writer.finish(node, writer.op(kind, writer.image(node.inputs[0]), pads=pads(node), **attributes))

    return pool


def _of_two(kind: str) -> Callable[[Writer, Node], None]:
    def of_two(writer: Writer, node: Node) -> None:
        first, second = node.inputs
        same = writer.is_vector(first) == writer.is_vector(second)
        other = writer.names[second] if same else writer.image(second)
        writer.names[node.output] = writer.op(kind, writer.names[first], other)

    return of_two


def _clamp(writer: Writer, node: Node) -> None:
    low, high = node.scalars["low"], node.scalars["high"]
    name = writer.names[node.inputs[0]]
    if (low, high) == (0, np.inf):
        writer.names[node.output] = writer.op("Relu", name)
        return
    bounds = (writer.constant(np.float32(bound)) for bound in (low, high))
    writer.names[node.output] = writer.op("Clip", name, *bounds)


def _prelu(writer: Writer, node: Node) -> None:
    slope = writer.per_channel(node, vector(node, "slope"))
    writer.names[node.output] = writer.op("PRelu", writer.names[node.inputs[0]], slope)


def _flatten(writer: Writer, node: Node) -> None:
    (x,) = node.inputs
    name = writer.names[x]
    if not writer.is_vector(x):
        name = writer.op("Flatten", writer.op("Transpose", name, perm=[0, 2, 3, 1]), axis=1)
    writer.names[node.output] = name


def _subsample(writer: Writer, node: Node) -> None:
    stops = list(writer.graph.values[node.inputs[0]].shape[:2])
    bounds = ([0, 0], stops, [2, 3], list(pair(node, "stride")))
    writer.finish(node, writer.op("Slice", writer.image(node.inputs[0]), *map(writer.constant, bounds)))


def _pad_channels(writer: Writer, node: Node) -> None:
    extent = [0] * (0 if writer.is_vector(node.inputs[0]) else 2)
    amounts = [0, node.attributes["before"], *extent, 0, node.attributes["after"], *extent]
    writer.names[node.output] = writer.op("Pad", writer.names[node.inputs[0]], writer.constant(amounts))


def _sigmoid(writer: Writer, node: Node) -> None:
    writer.names[node.output] = writer.op("Sigmoid", writer.names[node.inputs[0]])


def _layer_norm(writer: Writer, node: Node) -> None:
    name, image = writer.names[node.inputs[0]], not writer.is_vector(node.inputs[0])
    if image:
        name = writer.op("Transpose", name, perm=[0, 2, 3, 1])
    parameters = (writer.constant(vector(node, part)) for part in ("scale", "shift"))
    name = writer.op("LayerNormalization", name, *parameters, axis=-1, epsilon=node.scalars["eps"])
    writer.names[node.output] = writer.op("Transpose", name, perm=[0, 3, 1, 2]) if image else name


OPERATIONS: dict[str, Callable[[Writer, Node], None]] = {
    "conv2d": convolution(_numbers),
    "binary_conv2d": convolution(_numbers),
    "affine": _affine,
    "threshold": _threshold,
    "max_pool2d": _pool("MaxPool"),
    "avg_pool2d": _pool("AveragePool"),
    "add": _of_two("Add"),
    "clamp": _clamp,
    "prelu": _prelu,
    "flatten": _flatten,
    "subsample": _subsample,
    "pad_channels": _pad_channels,
    "sigmoid": _sigmoid,
    "layer_norm": _layer_norm,
    "mul": _of_two("Mul"),
}
