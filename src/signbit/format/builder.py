"""Making a graph node by node; shapes and element types are inferred and every rule is checked at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from signbit.alphabet import Alphabet
from signbit.format.check import check_blob, check_graph
from signbit.format.graph import OPS, Blob, DType, Graph, Node, Value
from signbit.format.rules import RuleError
from signbit.format.shapes import infer

_DEFAULTS = {
    "stride_h": 1, "stride_w": 1, "dilation_h": 1, "dilation_w": 1, "groups": 1, "pad_value": 0,
    "pad_top": 0, "pad_left": 0, "pad_bottom": 0, "pad_right": 0, "count_include_pad": 1, "before": 0, "after": 0,
}  # fmt: skip


class GraphBuilder:
    """Collects values and nodes of one graph.

    >>> import numpy as np
    >>> builder = GraphBuilder()
    >>> x = builder.input((8, 8, 2))
    >>> y = builder.node("affine", x, blobs={"scale": np.ones(2, np.float32), "shift": np.zeros(2, np.float32)})
    >>> z = builder.node("max_pool2d", y, attributes={"kernel_h": 2, "kernel_w": 2, "stride_h": 2, "stride_w": 2})
    >>> builder.value(z).shape
    (4, 4, 2)
    >>> len(builder.graph(z).nodes)
    2
    """

    def __init__(self) -> None:
        self._values: list[Value] = []
        self._nodes: list[Node] = []

    def input(self, shape: tuple[int, int, int], name: str = "input") -> int:
        """Add the network's one input, f32 ``(H, W, C)``; returns the value's index."""
        if self._values:
            raise RuleError("a graph has exactly one input, and it comes first", "header", "input_value")
        return self._add_value(Value(name, DType.F32, shape))

    def node(
        self,
        op: str,
        *inputs: int,
        attributes: Mapping[str, int] | None = None,
        scalars: Mapping[str, float] | None = None,
        blobs: Mapping[str, Blob] | None = None,
        alphabet: Alphabet = Alphabet.PM1,
        name: str = "",
        note: str = "",
    ) -> int:
        """Add an operation; returns the index of the value that it computes.

        Parameters
        ----------
        op : a name of :data:`signbit.format.OPS`.
        inputs : values that exist already.
        attributes : what differs from the defaults: stride 1, pad 0, dilation 1, groups 1, pad_value 0,
            count_include_pad 1, before 0, after 0; the kernel size is that of the weight, if there is one.
        scalars, blobs : by the names of the operation's schema.
        alphabet : what the bits of a ``threshold`` stand for; default {-1, +1}.
        name : path of the module that it came from.
        note : packed or float, and why.

        Errors
        ------
        RuleError : names the field that breaks a rule of the format.
        """
        index = len(self._nodes)
        for slot, source in enumerate(inputs):
            if not 0 <= source < len(self._values):
                raise RuleError(f"value {source} doesn't exist", "node", f"inputs.{slot}", index)
        blobs, scalars = dict(blobs or {}), dict(scalars or {})
        for slot_name, blob in blobs.items():
            try:
                check_blob(blob)
            except RuleError as error:
                raise RuleError(error.message, "node", slot_name, index) from None
        attributes = self._complete(op, attributes or {}, blobs)
        try:
            result = infer(op, attributes, scalars, blobs, [self._values[source] for source in inputs], alphabet)
        except RuleError as error:
            raise RuleError(error.message, "node", f"{op} {name!r}, {error.field}", index) from None
        output = self._add_value(Value(name, result.dtype, result.shape, result.alphabet))
        self._nodes.append(Node(op, inputs, output, attributes, scalars, blobs, name, note))
        return output

    def value(self, index: int) -> Value:
        """Element type, shape and alphabet of a value."""
        return self._values[index]

    def graph(self, output: int, metadata: Mapping[str, Any] | None = None) -> Graph:
        """The finished graph. Values that nothing reads stay in it.

        Errors
        ------
        RuleError : there is no input, or the output is not f32.
        """
        graph = Graph(tuple(self._values), tuple(self._nodes), 0, output, dict(metadata or {}))
        check_graph(graph)
        return graph

    def _add_value(self, value: Value) -> int:
        self._values.append(value)
        return len(self._values) - 1

    @staticmethod
    def _complete(op: str, given: Mapping[str, int], blobs: Mapping[str, Blob]) -> dict[str, int]:
        """The given attributes and the defaults of the others; what has no default stays missing (infer reports it)."""
        if op not in OPS:
            return dict(given)
        defaults = dict(_DEFAULTS)
        if op == "subsample":
            del defaults["stride_h"], defaults["stride_w"]
        if "weight" in blobs and len(blobs["weight"].shape) == 4:
            defaults["kernel_h"], defaults["kernel_w"] = blobs["weight"].shape[1:3]
        complete = {name: defaults[name] for name in OPS[op].attributes if name in defaults}
        return {**complete, **given}
