"""The ``.sbn`` file: its graph in memory, reader, writer. ``docs/format.md`` is the contract; only numpy is needed."""

from signbit.format.builder import GraphBuilder
from signbit.format.check import check_graph
from signbit.format.graph import OPS, SPATIAL, Bits, Blob, DType, Graph, Node, OpSchema, Value, blob_dtype
from signbit.format.operation import Inferred
from signbit.format.reader import read, read_bytes
from signbit.format.rules import RuleError
from signbit.format.shapes import infer
from signbit.format.writer import write, write_bytes

__all__ = [
    "OPS",
    "SPATIAL",
    "Bits",
    "Blob",
    "DType",
    "Graph",
    "GraphBuilder",
    "Inferred",
    "Node",
    "OpSchema",
    "RuleError",
    "Value",
    "blob_dtype",
    "check_graph",
    "infer",
    "read",
    "read_bytes",
    "write",
    "write_bytes",
]
