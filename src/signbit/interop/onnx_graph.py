"""A ``.sbn`` graph as an ONNX model of standard operators: bits are floats that hold values of their alphabet.

An image is ``[N, C, H, W]``, a vector (1 x 1) is ``[N, C]``, and N is free. Sums of bits are exact in float32.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from signbit.errors import MissingDependencyError
from signbit.format import Graph, Node
from signbit.interop.constants import comparison, pads, pair, vector, weights

try:
    import onnx
except ImportError:
    raise MissingDependencyError("onnx", "ONNX export", "bench") from None

OPSET = 17
"""The first with LayerNormalization; every engine of the last years reads it."""

IR_VERSION = 8
"""The file version that came with that opset."""


def to_onnx(graph: Graph) -> onnx.ModelProto:
    """The network as an ONNX model, checked by the ``onnx`` package.

    Parameters
    ----------
    graph : what to write.

    Returns
    -------
    ModelProto : input ``input`` ``[N, C, H, W]``, output ``output`` ``[N, classes]``, or ``[N, C, H, W]`` if it is
        no vector. The graph's metadata is kept as properties, each value as JSON.

    >>> from signbit.format import GraphBuilder
    >>> builder = GraphBuilder()
    >>> sigmoid = builder.node("sigmoid", builder.input((4, 4, 2)))
    >>> [node.op_type for node in to_onnx(builder.graph(sigmoid)).graph.node]
    ['Sigmoid', 'Identity']
    """
    writer = _Writer(graph)
    for node in graph.nodes:
        OPERATIONS[node.op](writer, node)
    writer.nodes.append(onnx.helper.make_node("Identity", [writer.names[graph.output]], ["output"]))
    ends = [
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, writer.dims(index))
        for name, index in (("input", graph.input), ("output", graph.output))
    ]
    ends[0] = onnx.helper.make_tensor_value_info("input", onnx.TensorProto.FLOAT, writer.image_dims(graph.input))
    body = onnx.helper.make_graph(writer.nodes, "signbit", ends[:1], ends[1:], writer.initializers)
    opset = onnx.helper.make_opsetid("", OPSET)
    model = onnx.helper.make_model(body, opset_imports=[opset], ir_version=IR_VERSION, producer_name="signbit")
    properties = {key: json.dumps(value, ensure_ascii=False) for key, value in graph.metadata.items()}
    onnx.helper.set_model_props(model, properties)
    onnx.checker.check_model(model, full_check=True)
    return model


class _Writer:
    """Collects ONNX nodes and constants; ``names[i]`` is the tensor that holds value ``i``."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []
        self.names: dict[int, str] = {}
        self.names[graph.input] = self.op("Flatten", "input", axis=1) if self.is_vector(graph.input) else "input"

    def is_vector(self, index: int) -> bool:
        return self.graph.values[index].shape[:2] == (1, 1)

    def image_dims(self, index: int) -> list[str | int]:
        height, width, channels = self.graph.values[index].shape
        return ["N", channels, height, width]

    def dims(self, index: int) -> list[str | int]:
        return self.image_dims(index)[:2] if self.is_vector(index) else self.image_dims(index)

    def constant(self, array: npt.NDArray[Any] | list[int]) -> str:
        """A new constant; lists are int64, as shapes and axes must be."""
        name = f"constant_{len(self.initializers)}"
        array = np.asarray(array, np.int64) if isinstance(array, list) else array
        self.initializers.append(onnx.numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def op(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """A new node; returns the name of its one output."""
        name = f"{kind}_{len(self.nodes)}"
        self.nodes.append(onnx.helper.make_node(kind, list(inputs), [name], name=name, **attributes))
        return name

    def image(self, index: int) -> str:
        """A value as ``[N, C, H, W]``."""
        name = self.names[index]
        return self.op("Unsqueeze", name, self.constant([2, 3])) if self.is_vector(index) else name

    def per_channel(self, node: Node, numbers: npt.NDArray[np.float32]) -> str:
        """One float per channel, shaped so that it meets the channels of the node's input."""
        return self.constant(numbers if self.is_vector(node.inputs[0]) else numbers[:, None, None])

    def finish(self, node: Node, image: str) -> None:
        """The node's result, given as ``[N, C, H, W]``."""
        self.names[node.output] = self.op("Flatten", image, axis=1) if self.is_vector(node.output) else image


def _convolution(writer: _Writer, node: Node) -> None:
    (x,) = node.inputs
    weight = weights(node)
    bias = [writer.constant(vector(node, "bias"))] if "bias" in node.blobs else []
    if writer.is_vector(x) and weight.shape[2:] == (1, 1) and node.attributes["groups"] == 1 and not any(pads(node)):
        matrix = writer.constant(weight[:, :, 0, 0])
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
    writer.finish(node, writer.op("Conv", image, writer.constant(weight), *bias, **attributes))


def _threshold(writer: _Writer, node: Node) -> None:
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


def _affine(writer: _Writer, node: Node) -> None:
    scaled = writer.op("Mul", writer.names[node.inputs[0]], writer.per_channel(node, vector(node, "scale")))
    writer.names[node.output] = writer.op("Add", scaled, writer.per_channel(node, vector(node, "shift")))


def _pool(kind: str) -> Callable[[_Writer, Node], None]:
    def pool(writer: _Writer, node: Node) -> None:
        attributes: dict[str, Any] = {"kernel_shape": pair(node, "kernel"), "strides": pair(node, "stride")}
        if "count_include_pad" in node.attributes:
            attributes["count_include_pad"] = node.attributes["count_include_pad"]
        writer.finish(node, writer.op(kind, writer.image(node.inputs[0]), pads=pads(node), **attributes))

    return pool


def _add(writer: _Writer, node: Node) -> None:
    first, second = node.inputs
    same = writer.is_vector(first) == writer.is_vector(second)
    added = writer.names[second] if same else writer.image(second)
    writer.names[node.output] = writer.op("Add", writer.names[first], added)


def _clamp(writer: _Writer, node: Node) -> None:
    low, high = node.scalars["low"], node.scalars["high"]
    name = writer.names[node.inputs[0]]
    if (low, high) == (0, np.inf):
        writer.names[node.output] = writer.op("Relu", name)
        return
    bounds = (writer.constant(np.float32(bound)) for bound in (low, high))
    writer.names[node.output] = writer.op("Clip", name, *bounds)


def _prelu(writer: _Writer, node: Node) -> None:
    slope = writer.per_channel(node, vector(node, "slope"))
    writer.names[node.output] = writer.op("PRelu", writer.names[node.inputs[0]], slope)


def _flatten(writer: _Writer, node: Node) -> None:
    (x,) = node.inputs
    name = writer.names[x]
    if not writer.is_vector(x):
        name = writer.op("Flatten", writer.op("Transpose", name, perm=[0, 2, 3, 1]), axis=1)
    writer.names[node.output] = name


def _subsample(writer: _Writer, node: Node) -> None:
    stops = list(writer.graph.values[node.inputs[0]].shape[:2])
    bounds = ([0, 0], stops, [2, 3], list(pair(node, "stride")))
    writer.finish(node, writer.op("Slice", writer.image(node.inputs[0]), *map(writer.constant, bounds)))


def _pad_channels(writer: _Writer, node: Node) -> None:
    extent = [0] * (0 if writer.is_vector(node.inputs[0]) else 2)
    amounts = [0, node.attributes["before"], *extent, 0, node.attributes["after"], *extent]
    writer.names[node.output] = writer.op("Pad", writer.names[node.inputs[0]], writer.constant(amounts))


def _sigmoid(writer: _Writer, node: Node) -> None:
    writer.names[node.output] = writer.op("Sigmoid", writer.names[node.inputs[0]])


def _layer_norm(writer: _Writer, node: Node) -> None:
    name, image = writer.names[node.inputs[0]], not writer.is_vector(node.inputs[0])
    if image:
        name = writer.op("Transpose", name, perm=[0, 2, 3, 1])
    parameters = (writer.constant(vector(node, part)) for part in ("scale", "shift"))
    name = writer.op("LayerNormalization", name, *parameters, axis=-1, epsilon=node.scalars["eps"])
    writer.names[node.output] = writer.op("Transpose", name, perm=[0, 3, 1, 2]) if image else name


OPERATIONS: dict[str, Callable[[_Writer, Node], None]] = {
    "conv2d": _convolution,
    "binary_conv2d": _convolution,
    "affine": _affine,
    "threshold": _threshold,
    "max_pool2d": _pool("MaxPool"),
    "avg_pool2d": _pool("AveragePool"),
    "add": _add,
    "clamp": _clamp,
    "prelu": _prelu,
    "flatten": _flatten,
    "subsample": _subsample,
    "pad_channels": _pad_channels,
    "sigmoid": _sigmoid,
    "layer_norm": _layer_norm,
}
