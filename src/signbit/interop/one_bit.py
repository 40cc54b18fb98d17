"""What OpenVINO's one-bit kernel takes."""

from __future__ import annotations

from signbit.format import Graph, Node
from signbit.interop.constants import pads

OCTET = 8
"""Input channels of the one-bit kernel come in multiples of this; it reads the weights of other numbers wrongly."""

WIDEST_PAD = 2
"""Columns of padding on a side that the kernel takes; also no more than its output has columns."""


def packed_values(graph: Graph) -> set[int]:
    """The thresholds' outputs that OpenVINO can keep as bits: only convolutions for its one-bit kernel read them."""
    kept = {
        node.output
        for node in graph.nodes
        if node.op == "threshold" and graph.values[node.output].shape[2] % OCTET == 0
    }
    for node in graph.nodes:
        if node.op != "binary_conv2d" or node.attributes["groups"] > 1 or _pads_are_wide(graph, node):
            kept.difference_update(node.inputs)
    return kept


def _pads_are_wide(graph: Graph, node: Node) -> bool:
    _, left, _, right = pads(node)
    return max(left, right) > min(WIDEST_PAD, graph.values[node.output].shape[1])
