"""QONNX models of other tools as ``.sbn`` graphs: node by node, with the folding that export from torch uses.

Quantizers of one bit make bits; filters of one magnitude each are packed, their scales and biases and the norms after
them fold into thresholds. What cannot be imported is an error that names the node and its operator.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

import signbit
from signbit.errors import ExportError, MissingDependencyError
from signbit.exporter.emit import Emitter
from signbit.exporter.symbol import Symbol
from signbit.format import Graph, RuleError
from signbit.interop import read_elementwise, read_layers, read_moves
from signbit.interop.read_call import Array, Call, Tensor

try:
    import onnx
    from onnx.reference import ReferenceEvaluator
except ImportError:
    raise MissingDependencyError("onnx", "reading ONNX models", "interop") from None

METADATA = ("labels", "input", "model", "method", "producer")

Rule = Callable[[Call], Tensor | Array]

RULES: dict[str, Rule] = {
    "BipolarQuant": read_layers.bipolar_quant,
    "Quant": read_layers.quant,
    "IntQuant": read_layers.quant,
    "Conv": read_layers.conv,
    "Gemm": read_layers.gemm,
    "MatMul": read_layers.matmul,
    "BatchNormalization": read_elementwise.batch_normalization,
    "Add": read_elementwise.add,
    "Sub": read_elementwise.sub,
    "Mul": read_elementwise.mul,
    "Div": read_elementwise.div,
    "Relu": read_elementwise.relu,
    "Clip": read_elementwise.clip,
    "HardSigmoid": read_elementwise.hard_sigmoid,
    "HardSwish": read_elementwise.hard_swish,
    "PRelu": read_elementwise.prelu,
    "LeakyRelu": read_elementwise.leaky_relu,
    "MaxPool": read_moves.max_pool,
    "GlobalMaxPool": read_moves.global_max_pool,
    "AveragePool": read_moves.average_pool,
    "GlobalAveragePool": read_moves.global_average_pool,
    "ReduceMean": read_moves.reduce_mean,
    "Sigmoid": read_moves.sigmoid,
    "LayerNormalization": read_moves.layer_normalization,
    "Flatten": read_moves.flatten,
    "Reshape": read_moves.reshape,
    "Squeeze": read_moves.squeeze,
    "Unsqueeze": read_moves.unsqueeze,
    "Expand": read_moves.expand,
    "Transpose": read_moves.transpose,
    "Pad": read_moves.pad,
    "Slice": read_moves.slice_,
    "Identity": read_moves.identity,
    "Dropout": read_moves.identity,
}

INSTEAD = {
    "Sign": "it gives 0 at 0, which no bit holds; quantize with BipolarQuant",
    "Softmax": "leave it out: the largest output stays the same",
    "LogSoftmax": "leave it out: the largest output stays the same",
    "ArgMax": "leave it out: a .sbn file returns the outputs themselves",
    "TopK": "leave it out: a .sbn file returns the outputs themselves",
    "MultiThreshold": "import the model as it was before FINN's streamlining",
    "Trunc": "train with one bit, or leave the quantizer out where the numbers may stay float",
}


def from_qonnx(model: onnx.ModelProto) -> Graph:
    """A QONNX model as a graph.

    Parameters
    ----------
    model : one input, ``[N, C, H, W]`` or ``[N, C]``, and one output. The operators of :data:`RULES`; whatever does not
        depend on the image is computed.

    Errors
    ------
    ExportError : names the node and the operator that has no counterpart in a ``.sbn`` file, and what to do.

    >>> from onnx import helper
    >>> ends = [helper.make_tensor_value_info(name, 1, [1, 2, 4, 4]) for name in "xy"]
    >>> relu = helper.make_node("Relu", ["x"], ["y"])
    >>> model = helper.make_model(helper.make_graph([relu], "relu", ends[:1], ends[1:]))
    >>> [node.op for node in from_qonnx(model).nodes]
    ['clamp']
    """
    names: dict[str, Tensor | Array | None] = {"": None}
    for initializer in model.graph.initializer:
        names[initializer.name] = onnx.numpy_helper.to_array(initializer)
    emit = Emitter()
    source = _one([value for value in model.graph.input if value.name not in names], "input")
    names[source.name] = _input(source, emit)
    result = _one(list(model.graph.output), "output").name
    for node in model.graph.node:
        _read(node, names, emit, model)
    output = names.get(result)
    if not isinstance(output, Tensor):
        raise ExportError(f"the output {result!r} does not depend on the input; it must be computed from the image")
    end = Call("the output", "graph", {}, [output], emit)
    plain = end.plain()
    end.require(plain.symbol.order is None, "is a flattened image", "return the image itself")
    end.require(not plain.channels_last, "is [N, H, W, C]", "return [N, C, H, W]")
    return emit.builder.graph(emit.real(end.real(plain)), _metadata(model))


def _one(values: list[Any], what: str) -> Any:
    if len(values) != 1:
        names = ", ".join(value.name for value in values)
        raise ExportError(f"the model has {len(values)} {what}s ({names}); a .sbn file has exactly one {what}")
    return values[0]


def _input(source: onnx.ValueInfoProto, emit: Emitter) -> Tensor:
    kind = source.type.tensor_type
    extents = [extent.dim_value for extent in kind.shape.dim]
    floats = kind.elem_type == onnx.TensorProto.FLOAT
    if not floats or len(extents) not in (2, 4) or min(extents[1:]) < 1:
        element = onnx.TensorProto.DataType.Name(kind.elem_type).lower()
        raise ExportError(
            f"the input {source.name!r} is {element} {extents}; float [N, C, H, W] or [N, C] with fixed C, H and W is "
            "needed: export the model with such an example"
        )
    channels, height, width = extents[1:] if len(extents) == 4 else (extents[1], 1, 1)
    shape = (height, width, channels)
    return Tensor(Symbol(emit.builder.input(shape), shape, rank=len(extents)))


def _read(node: onnx.NodeProto, names: dict[str, Any], emit: Emitter, model: onnx.ModelProto) -> None:
    where = node.name or (node.output[0] if node.output else node.op_type)
    unknown = [name for name in node.input if name not in names]
    if unknown:
        raise ExportError(f"{where} ({node.op_type}): reads {unknown[0]!r}, which nothing before it computes")
    attributes = {attribute.name: _attribute(attribute) for attribute in node.attribute}
    call = Call(where, node.op_type, attributes, [names[name] for name in node.input], emit)
    depends = any(isinstance(value, Tensor) for value in call.inputs)
    if not depends and node.op_type not in ("BipolarQuant", "Quant", "IntQuant"):
        names.update(_computed(call, node, names, model))
        return
    if node.op_type not in RULES:
        known = f"known: {', '.join(sorted(RULES))}"
        raise call.refusal("has no counterpart in a .sbn file", INSTEAD.get(node.op_type, known))
    try:
        names[node.output[0]] = RULES[node.op_type](call)
    except RuleError as error:
        raise ExportError(f"{where} ({node.op_type}): cannot be stored in a .sbn file: {error}") from error


def _attribute(attribute: onnx.AttributeProto) -> Any:
    value = onnx.helper.get_attribute_value(attribute)
    return value.decode() if isinstance(value, bytes) else value


def _computed(call: Call, node: onnx.NodeProto, names: Mapping[str, Any], model: onnx.ModelProto) -> dict[str, Array]:
    """What does not depend on the image, by ONNX's own reference implementation."""
    try:
        evaluator = ReferenceEvaluator(node, opsets={opset.domain: opset.version for opset in model.opset_import})
        values = evaluator.run(None, {name: names[name] for name in node.input if name})
    except Exception as error:
        raise call.refusal(
            f"cannot be computed from constants: {error}", "fold the constants before the export"
        ) from error
    return {name: np.asarray(value) for name, value in zip(node.output, values, strict=False)}


def _metadata(model: onnx.ModelProto) -> dict[str, Any]:
    """What ``signbit export --to qonnx`` has kept, and who made the model."""
    origin = f"{model.producer_name} {model.producer_version}".strip() or "unknown"
    found: dict[str, Any] = {}
    for entry in model.metadata_props:
        try:
            found[entry.key] = json.loads(entry.value)
        except ValueError:
            continue  # somebody else's property
    found["producer"] = f"signbit {signbit.__version__}, from {origin}"
    return {key: found[key] for key in METADATA if key in found}
