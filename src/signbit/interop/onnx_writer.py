"""An ONNX model under construction: a ``.sbn`` graph's values as tensors, its operations as nodes of a table's making.

An image is ``[N, C, H, W]``, a vector (1 x 1) is ``[N, C]``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from signbit.errors import MissingDependencyError
from signbit.format import Graph, Node

try:
    import onnx
except ImportError:
    raise MissingDependencyError("onnx", "ONNX export", "bench") from None

OPSET = 17
"""The first with LayerNormalization; every engine of the last years reads it."""

IR_VERSION = 8
"""The file version that came with that opset."""


def write_model(
    graph: Graph,
    operations: Mapping[str, Callable[[Writer, Node], None]],
    batch: str | int,
    domains: Mapping[str, int] | None = None,
) -> onnx.ModelProto:
    """The network as an ONNX model, checked by the ``onnx`` package.

    Parameters
    ----------
    graph : what to write.
    operations : how each operation is written.
    batch : the first extent of input and output: a number, or a name if it is free.
    domains : versions of the operator sets beside the standard one.

    Returns
    -------
    ModelProto : input ``input`` ``[N, C, H, W]``, output ``output`` ``[N, classes]``, or ``[N, C, H, W]`` if it is
        no vector. The graph's metadata is kept as properties, each value as JSON.
    """
    writer = Writer(graph)
    for node in graph.nodes:
        operations[node.op](writer, node)
    writer.nodes.append(onnx.helper.make_node("Identity", [writer.names[graph.output]], ["output"]))
    ends = [
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [batch, *extents])
        for name, extents in (("input", writer.image_dims(graph.input)), ("output", writer.dims(graph.output)))
    ]
    body = onnx.helper.make_graph(writer.nodes, "signbit", ends[:1], ends[1:], writer.initializers)
    opsets = [onnx.helper.make_opsetid(name, version) for name, version in {"": OPSET, **(domains or {})}.items()]
    model = onnx.helper.make_model(body, opset_imports=opsets, ir_version=IR_VERSION, producer_name="signbit")
    properties = {key: json.dumps(value, ensure_ascii=False) for key, value in graph.metadata.items()}
    onnx.helper.set_model_props(model, properties)
    onnx.checker.check_model(model, full_check=True)
    return model


class Writer:
    """Collects ONNX nodes and constants; ``names[i]`` is the tensor that holds value ``i``."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []
        self.names: dict[int, str] = {}
        self.names[graph.input] = self.op("Flatten", "input", axis=1) if self.is_vector(graph.input) else "input"

    def is_vector(self, index: int) -> bool:
        return self.graph.values[index].shape[:2] == (1, 1)

    def image_dims(self, index: int) -> list[int]:
        height, width, channels = self.graph.values[index].shape
        return [channels, height, width]

    def dims(self, index: int) -> list[int]:
        return self.image_dims(index)[:1] if self.is_vector(index) else self.image_dims(index)

    def constant(self, array: npt.NDArray[Any] | list[int]) -> str:
        """A new constant; lists are int64, as shapes and axes must be."""
        name = f"constant_{len(self.initializers)}"
        array = np.asarray(array, np.int64) if isinstance(array, list) else array
        self.initializers.append(onnx.numpy_helper.from_array(np.asarray(array, order="C"), name))
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
