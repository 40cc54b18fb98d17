"""Pass 4, plan: what nobody reads is dropped, and every node is counted: bytes, products, memory while it runs."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from signbit.format import Bits, DType, Graph, Node, Value


@dataclass(frozen=True)
class NodeCost:
    """What one node takes for one image.

    Attributes
    ----------
    constant_bytes : of its weights, thresholds and scales in the file.
    one_bit_macs : products of a bit and a bit.
    mixed_macs : products of a number and a bit.
    float_macs : products of two numbers.
    alive_bytes : all values that exist while it runs, packed bits included.
    """

    constant_bytes: int
    one_bit_macs: int
    mixed_macs: int
    float_macs: int
    alive_bytes: int


@dataclass(frozen=True)
class Plan:
    """The graph to write, and the cost of each of its nodes.

    Attributes
    ----------
    dropped : names of nodes that nobody reads.
    """

    graph: Graph
    costs: tuple[NodeCost, ...]
    dropped: tuple[str, ...]

    @property
    def peak_bytes(self) -> int:
        """The most that values take together at any time, each in memory of its own and no step joined to the next."""
        return max((cost.alive_bytes for cost in self.costs), default=0)

    def lines(self) -> list[str]:
        """One line a node."""
        rows = []
        for node, cost in zip(self.graph.nodes, self.costs, strict=True):
            macs = cost.one_bit_macs or cost.mixed_macs or cost.float_macs
            kind = "1-bit" if cost.one_bit_macs else "1-bit weight" if cost.mixed_macs else "float"
            work = f", {macs:,} {kind} MACs" if macs else ""
            rows.append(
                f"%{node.output} = {node.op}  [{node.name}] {cost.constant_bytes:,} bytes of constants{work}, "
                f"{cost.alive_bytes:,} bytes of values alive"
            )
        dropped = f"; dropped: {', '.join(self.dropped)}" if self.dropped else ""
        return [*rows, f"at most {self.peak_bytes:,} bytes of values at once{dropped}"]


def plan(graph: Graph) -> Plan:
    """Drop what nobody reads and count the rest.

    >>> from signbit.format import GraphBuilder
    >>> builder = GraphBuilder()
    >>> images = builder.input((4, 4, 1))
    >>> unread, result = builder.node("sigmoid", images, name="a"), builder.node("flatten", images)
    >>> planned = plan(builder.graph(result))
    >>> [node.op for node in planned.graph.nodes], planned.dropped, planned.peak_bytes
    (['flatten'], ('a',), 128)
    """
    kept, dropped = _used(graph)
    last_read = {kept.output: len(kept.nodes)}
    for index, node in enumerate(kept.nodes):
        for source in node.inputs:
            last_read[source] = max(last_read.get(source, 0), index)
    made = {kept.input: 0, **{node.output: index for index, node in enumerate(kept.nodes)}}
    costs = []
    for index, node in enumerate(kept.nodes):
        alive = [v for v, born in made.items() if born <= index and (last_read.get(v, born) >= index)]
        costs.append(_cost(kept, node, sum(value_bytes(kept.values[value]) for value in alive)))
    return Plan(kept, tuple(costs), dropped)


def _used(graph: Graph) -> tuple[Graph, tuple[str, ...]]:
    """The graph without nodes that nobody reads, its values numbered anew."""
    read = {graph.output, graph.input}
    kept: list[Node] = []
    dropped: list[str] = []
    for node in reversed(graph.nodes):
        if node.output in read:
            kept.insert(0, node)
            read.update(node.inputs)
        else:
            dropped.insert(0, node.name)
    number = {old: new for new, old in enumerate(sorted(read))}
    nodes = tuple(
        replace(node, inputs=tuple(number[i] for i in node.inputs), output=number[node.output]) for node in kept
    )
    values = tuple(graph.values[old] for old in sorted(read))
    return Graph(values, nodes, number[graph.input], number[graph.output], graph.metadata), tuple(dropped)


def _cost(graph: Graph, node: Node, alive: int) -> NodeCost:
    weight = node.blobs.get("weight")
    macs = 0
    if weight is not None:
        height, width, filters = graph.values[node.output].shape
        macs = height * width * filters * int(np.prod(weight.shape[1:]))
    one_bit, mixed = node.op == "binary_conv2d", isinstance(weight, Bits)
    return NodeCost(
        constant_bytes=constant_bytes(node),
        one_bit_macs=macs if one_bit else 0,
        mixed_macs=macs if mixed and not one_bit else 0,
        float_macs=0 if mixed else macs,
        alive_bytes=alive,
    )


def constant_bytes(node: Node) -> int:
    """Of a node's blobs, each as often as it is used."""
    return sum(blob.octets.nbytes if isinstance(blob, Bits) else blob.nbytes for blob in node.blobs.values())


def value_bytes(value: Value) -> int:
    """Of one image's value; bits are packed along the channels."""
    height, width, channels = value.shape
    return height * width * (-(-channels // 8) if value.dtype is DType.BITS else 4 * channels)
