"""A network as numpy arrays in one ``.npz`` file: bits, thresholds, everything else, and how they hang together."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from signbit.alphabet import Alphabet
from signbit.errors import DataError
from signbit.format import Bits, Blob, DType, Graph, Node, Value, check_graph

Arrays = Mapping[str, npt.NDArray[Any]]

GRAPH = "graph"
"""The array that holds the graph: text, one JSON object."""


def to_npz(graph: Graph) -> dict[str, npt.NDArray[Any]]:
    """The arrays of a network, for :func:`numpy.savez`; ``docs/format.md`` describes them.

    Bits are booleans in their logical shape, True for +1; thresholds and other numbers are as in the ``.sbn`` file.

    >>> from signbit.format import GraphBuilder
    >>> builder = GraphBuilder()
    >>> x = builder.input((1, 1, 2))
    >>> signs = {"thresholds": np.zeros(2, np.float32), "rising": Bits.pack([True, True])}
    >>> x = builder.node("threshold", x, blobs=signs, name="sign")
    >>> x = builder.node("binary_conv2d", x, blobs={"weight": Bits.pack([[[[True, False]]]])}, name="fc")
    >>> x = builder.node("affine", x, blobs=dict.fromkeys(("scale", "shift"), np.ones(1, np.float32)))
    >>> arrays = to_npz(builder.graph(x))
    >>> list(arrays)[:3]
    ['graph', '000.threshold.thresholds', '000.threshold.rising']
    >>> np.where(arrays["001.binary_conv2d.weight"], 1, -1)
    array([[[[ 1, -1]]]])
    """
    arrays: dict[str, npt.NDArray[Any]] = {}
    nodes = []
    for index, node in enumerate(graph.nodes):
        keys = {slot: f"{index:03}.{node.op}.{slot}" for slot in node.blobs}
        arrays |= {keys[slot]: _numbers(blob) for slot, blob in node.blobs.items()}
        fields: dict[str, Any] = {"op": node.op, "name": node.name, "note": node.note}
        fields |= {"inputs": node.inputs, "output": node.output, "attributes": dict(node.attributes)}
        # JSON has no infinity, which a clamp may reach up to; Python's float() reads "inf" back.
        fields |= {"scalars": {name: repr(float(number)) for name, number in node.scalars.items()}, "arrays": keys}
        nodes.append(fields)
    values = [
        {
            "name": value.name,
            "dtype": value.dtype.name.lower(),
            "alphabet": value.alphabet.name if value.alphabet else None,
            "shape": value.shape,
        }
        for value in graph.values
    ]
    text = json.dumps(
        {
            "input": graph.input,
            "output": graph.output,
            "values": values,
            "nodes": nodes,
            "metadata": dict(graph.metadata),
        },
        allow_nan=False,
    )
    return {GRAPH: np.array(text), **arrays}


def from_npz(arrays: Arrays) -> Graph:
    """The inverse of :func:`to_npz`.

    Errors
    ------
    DataError : an array is missing, or the graph is not one that :func:`to_npz` writes.
    RuleError : a rule of the format is broken.
    """
    try:
        stored = json.loads(str(arrays[GRAPH]))
        values = tuple(
            Value(v["name"], DType[v["dtype"].upper()], tuple(v["shape"]), v["alphabet"] and Alphabet[v["alphabet"]])
            for v in stored["values"]
        )
        nodes = tuple(
            Node(
                node["op"],
                tuple(node["inputs"]),
                node["output"],
                node["attributes"],
                {name: float(number) for name, number in node["scalars"].items()},
                {slot: _blob(arrays[key]) for slot, key in node["arrays"].items()},
                node["name"],
                node["note"],
            )
            for node in stored["nodes"]
        )
        graph = Graph(values, nodes, stored["input"], stored["output"], stored["metadata"])
    except (KeyError, TypeError, AttributeError, json.JSONDecodeError) as error:
        raise DataError(
            f"these arrays are not a network of signbit: {type(error).__name__} {error}; "
            "write them with: signbit export --to npz"
        ) from None
    check_graph(graph)
    return graph


def write_npz(graph: Graph, path: Path) -> None:
    """Write :func:`to_npz` as one compressed file."""
    np.savez_compressed(path, allow_pickle=False, **to_npz(graph))


def read_npz(path: Path) -> Graph:
    """The network that :func:`write_npz` wrote."""
    with np.load(path, allow_pickle=False) as arrays:
        return from_npz(arrays)


def _numbers(blob: Blob) -> npt.NDArray[Any]:
    return blob.unpack() if isinstance(blob, Bits) else blob


def _blob(array: npt.NDArray[Any]) -> Blob:
    return Bits.pack(array) if array.dtype == np.bool_ else array
