"""An equal graph that suits engines whose bits can only go straight from a threshold into a binary convolution."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from signbit.format import Bits, Blob, Graph, GraphBuilder, Node
from signbit.interop.constants import comparison, pads, pair


def thresholds_before_convolutions(graph: Graph) -> Graph:
    """The same network with nothing between a threshold and the binary convolution that reads it, where possible.

    * ``threshold, max_pool2d`` becomes ``max_pool2d, threshold``: the largest bit is the bit of the largest number. A
      falling channel is multiplied by -1 first, which makes it rising.
    * ``flatten, binary_conv2d`` becomes a ``binary_conv2d`` whose kernel is the whole image: a row of weights holds its
      bits in the order h, w, c already.

    Both apply only where no other node reads the value in between.
    """
    moved = _moved(graph)
    builder = GraphBuilder()
    value = graph.values[graph.input]
    new = {graph.input: builder.input(value.shape, value.name)}
    for node in graph.nodes:
        if node.output in moved:
            continue
        before = moved.get(node.inputs[0])
        inputs = [new[index] for index in (before.inputs if before else node.inputs)]
        if before and before.op == "threshold":
            new[node.output] = _pool_and_threshold(builder, inputs[0], node, before, graph)
        elif before:
            height, width, channels = graph.values[before.inputs[0]].shape
            weight = node.blobs["weight"]
            assert isinstance(weight, Bits)
            kernel = {"kernel_h": height, "kernel_w": width}
            blobs = {"weight": Bits(weight.octets, (weight.shape[0], height, width, channels))}
            new[node.output] = _copy(builder, node, inputs, graph, {**node.attributes, **kernel}, blobs)
        else:
            new[node.output] = _copy(builder, node, inputs, graph, node.attributes, node.blobs)
    return builder.graph(new[graph.output], graph.metadata)


def _moved(graph: Graph) -> Mapping[int, Node]:
    """Thresholds and flattenings that move behind, or into, the one node that reads them; by the value they make."""
    readers = Counter([graph.output, *(index for node in graph.nodes for index in node.inputs)])
    sources = {node.output: node for node in graph.nodes}
    moved = {}
    for node in graph.nodes:
        before = sources.get(node.inputs[0])
        if before is None or readers[before.output] > 1:
            continue
        plain = node.op == "binary_conv2d" and pair(node, "kernel") == (1, 1) and not any(pads(node))
        whole = before.op == "flatten" and plain and node.attributes["groups"] == 1
        if whole or (before.op, node.op) == ("threshold", "max_pool2d"):
            moved[before.output] = before
    return moved


def _copy(
    builder: GraphBuilder,
    node: Node,
    inputs: list[int],
    graph: Graph,
    attributes: Mapping[str, int],
    blobs: Mapping[str, Blob],
) -> int:
    texts: dict[str, Any] = {"name": node.name, "note": node.note}
    if (alphabet := graph.values[node.output].alphabet) is not None:
        texts["alphabet"] = alphabet
    return builder.node(node.op, *inputs, attributes=attributes, scalars=node.scalars, blobs=blobs, **texts)


def _pool_and_threshold(builder: GraphBuilder, x: int, pool: Node, threshold: Node, graph: Graph) -> int:
    thresholds, rising = comparison(threshold)
    blobs = dict(threshold.blobs)
    if not rising.all():
        signs = np.where(rising, np.float32(1), np.float32(-1))
        x = builder.node("affine", x, blobs={"scale": signs, "shift": np.zeros_like(signs)}, name=threshold.name)
        blobs = {"thresholds": signs * thresholds, "rising": Bits.pack(np.ones_like(rising))}
    pooled = builder.node("max_pool2d", x, attributes=pool.attributes, name=pool.name)
    return _copy(builder, threshold, [pooled], graph, threshold.attributes, blobs)
