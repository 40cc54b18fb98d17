"""A ``.sbn`` graph as a QONNX model: signs are ``BipolarQuant`` nodes, bits of {0, 1} ``Quant`` nodes of one bit.

What they quantize is the distance to the threshold, whose sign is exact in float32. The rest is standard ONNX. As
QONNX's tools expect, the number of images is fixed: one, until their ``ChangeBatchSize`` sets another.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from signbit.alphabet import Alphabet
from signbit.format import Bits, DType, Graph, Node
from signbit.interop import onnx_graph
from signbit.interop.constants import EXACT, comparison
from signbit.interop.onnx_writer import Writer, write_model

if TYPE_CHECKING:
    import onnx

DOMAIN = "qonnx.custom_op.general"


def to_qonnx(graph: Graph) -> onnx.ModelProto:
    """The network as a QONNX model for one image; see :func:`signbit.interop.onnx_writer.write_model`.

    ``BipolarQuant(z, 1) = 1 if z >= 0 else -1``; ``Quant(z, 1, 0, 1) = 1 if z > 0 else 0``, unsigned and rounding up.

    Parameters
    ----------
    graph : what to write.

    >>> import numpy as np
    >>> from signbit.format import Bits, GraphBuilder
    >>> builder = GraphBuilder()
    >>> weight = Bits.pack(np.ones((3, 2, 2, 4)))
    >>> sums = builder.node("conv2d", builder.input((4, 4, 4)), blobs={"weight": weight})
    >>> [node.op_type for node in to_qonnx(builder.graph(sums)).graph.node]
    ['BipolarQuant', 'Conv', 'Identity']
    """
    return write_model(graph, OPERATIONS, batch=1, domains={DOMAIN: 1})


def _filters(writer: Writer, node: Node, weight: npt.NDArray[np.float32]) -> str:
    name = writer.constant(weight)
    return _bipolar(writer, name) if isinstance(node.blobs["weight"], Bits) else name


def _bipolar(writer: Writer, name: str) -> str:
    return writer.op("BipolarQuant", name, writer.constant(np.float32(1)), domain=DOMAIN)


def _threshold(writer: Writer, node: Node) -> None:
    """``x >= t`` is ``x - t >= 0`` and, with q the next number below t, ``x - q > 0``; falling channels are turned."""
    thresholds, rising = comparison(node)
    alphabet = writer.graph.values[node.output].alphabet
    signs = np.where(rising, np.float32(1), np.float32(-1))
    bounds = signs * thresholds
    if alphabet is Alphabet.ZERO_ONE:
        below = np.nextafter(bounds, np.float32(-np.inf))
        # Half-way between integers where a float32 is, because the next number below 0 is one that engines may flush.
        halves = (writer.graph.values[node.inputs[0]].dtype is DType.I32) & (np.abs(bounds) < EXACT / 4)
        bounds = np.where(halves, bounds - np.float32(0.5), below)
    constant = ~np.isfinite(thresholds)
    # The bit of a constant channel is that of a number which has nothing to do with x, and is finite.
    scale = np.where(constant, np.float32(0), signs)
    shift = np.where(constant, -np.sign(bounds), -bounds)
    name = writer.names[node.inputs[0]]
    if (scale != 1).any():
        name = writer.op("Mul", name, writer.per_channel(node, scale))
    if shift.any():
        name = writer.op("Add", name, writer.per_channel(node, shift))
    if alphabet is Alphabet.PM1:
        writer.names[node.output] = _bipolar(writer, name)
        return
    scale_zero_point_bits = (writer.constant(np.float32(number)) for number in (1, 0, 1))
    rounding = {"signed": 0, "narrow": 0, "rounding_mode": "CEIL"}
    writer.names[node.output] = writer.op("Quant", name, *scale_zero_point_bits, domain=DOMAIN, **rounding)


OPERATIONS: dict[str, Callable[[Writer, Node], None]] = {
    **onnx_graph.OPERATIONS,
    "conv2d": onnx_graph.convolution(_filters),
    "binary_conv2d": onnx_graph.convolution(_filters),
    "threshold": _threshold,
}
