"""The rules that a whole graph obeys. Writer and reader share them; the reader adds the byte offset of the field."""

from __future__ import annotations

import math

import numpy as np

from signbit.format.graph import OPS, Bits, Blob, DType, Graph, Node, Value
from signbit.format.layout import MAX_BLOB_EXTENT, MAX_NODES, MAX_RANK, MAX_VALUES
from signbit.format.rules import RuleError, check_extent
from signbit.format.shapes import infer

_FLOAT_MAX = float(np.finfo(np.float32).max)


def check_graph(graph: Graph) -> None:
    """Check everything but the contents of blobs (:func:`check_blob`).

    Errors
    ------
    RuleError : names the record and the field that breaks a rule.
    """
    if not 1 <= len(graph.values) <= MAX_VALUES:
        raise RuleError(f"{len(graph.values)} values; 1 .. {MAX_VALUES} are allowed", "header", "value_count")
    if len(graph.nodes) > MAX_NODES:
        raise RuleError(f"{len(graph.nodes)} nodes; at most {MAX_NODES} are allowed", "header", "node_count")
    for index, value in enumerate(graph.values):
        _check_value(index, value)
    for field, end in (("input_value", graph.input), ("output_value", graph.output)):
        if not 0 <= end < len(graph.values):
            raise RuleError(f"{end} is not one of the {len(graph.values)} values", "header", field)
        if graph.values[end].dtype is not DType.F32:
            raise RuleError(f"the {field.split('_')[0]} must be f32", "header", field)
    known = {graph.input}
    for index, node in enumerate(graph.nodes):
        _check_node(index, node, graph, known)
        known.add(node.output)
    for index in range(len(graph.values)):
        if index not in known:
            raise RuleError("no node computes this value", "value", "dtype", index)


def check_blob(blob: Blob) -> None:
    """Shape, element type and storage of a blob; see :func:`first_bad_byte` for its contents."""
    if not 1 <= len(blob.shape) <= MAX_RANK or not all(1 <= extent <= MAX_BLOB_EXTENT for extent in blob.shape):
        raise RuleError(f"shape {list(blob.shape)}; 1 .. 4 dimensions of 1 .. 2^28 are allowed", "blob", "shape")
    if isinstance(blob, Bits) and (blob.octets.dtype != np.uint8 or blob.octets.shape != packed_shape(blob.shape)):
        found = f"{blob.octets.dtype} octets of shape {list(blob.octets.shape)}"
        raise RuleError(
            f"{found}; bits {list(blob.shape)} need uint8 {list(packed_shape(blob.shape))}", "blob", "shape"
        )


def packed_shape(shape: tuple[int, ...]) -> tuple[int, int]:
    """Rows and octets per row of a bits blob.

    >>> packed_shape((10, 3, 3, 1)), packed_shape((10,))
    ((10, 2), (1, 2))
    """
    rows, bits = (1, shape[0]) if len(shape) == 1 else (shape[0], math.prod(shape[1:]))
    return rows, -(-bits // 8)


def first_bad_byte(blob: Blob) -> tuple[int, str] | None:
    """Position in the stored bytes and description of the first content that is not allowed; None if all is well."""
    if isinstance(blob, Bits):
        spare = -(blob.shape[0] if len(blob.shape) == 1 else math.prod(blob.shape[1:])) % 8
        bad = np.flatnonzero(blob.octets[:, -1] & (0xFF << (8 - spare) & 0xFF)) if spare else np.empty(0, np.intp)
        if bad.size:
            row = int(bad[0])
            return (row + 1) * blob.octets.shape[1] - 1, f"a padding bit of row {row} is not zero"
    elif blob.dtype == np.float32 and np.isnan(np.max(blob)):
        return int(np.flatnonzero(np.isnan(blob))[0]) * 4, "an f32 blob holds NaN"
    return None


def _check_value(index: int, value: Value) -> None:
    if (value.dtype is DType.BITS) != (value.alphabet is not None):
        raise RuleError("bits have an alphabet and nothing else has", "value", "alphabet", index)
    check_extent(value.shape, "value", "shape", index)


def _check_node(index: int, node: Node, graph: Graph, known: set[int]) -> None:
    count = len(graph.values)
    for slot, source in enumerate(node.inputs):
        if not 0 <= source < count:
            raise RuleError(f"{source} is not one of the {count} values", "node", f"inputs.{slot}", index)
        if source not in known:
            raise RuleError(f"value {source} isn't computed by an earlier node", "node", f"inputs.{slot}", index)
    if not 0 <= node.output < count:
        raise RuleError(f"{node.output} is not one of the {count} values", "node", "output", index)
    if node.output in known:
        raise RuleError(f"value {node.output} already has its content", "node", "output", index)
    output = graph.values[node.output]
    try:
        inputs = [graph.values[source] for source in node.inputs]
        inferred = infer(node.op, node.attributes, node.scalars, node.blobs, inputs, output.alphabet)
        for name in OPS[node.op].scalars:
            if math.isfinite(node.scalars[name]) and abs(node.scalars[name]) > _FLOAT_MAX:
                raise RuleError(f"{node.scalars[name]} is too large for 32 bits", "node", name)
    except RuleError as error:
        raise RuleError(error.message, "node", error.field, index) from None
    for field in ("dtype", "alphabet", "shape"):
        stated, computed = getattr(output, field), getattr(inferred, field)
        if stated != computed:
            axis = next((f".{axis}" for axis in range(3) if field == "shape" and stated[axis] != computed[axis]), "")
            message = f"{stated}, but {node.op} (node {index}) yields {computed}"
            raise RuleError(message, "value", field + axis, node.output)
