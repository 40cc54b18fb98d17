"""Graph -> bytes of a ``.sbn`` file, in the canonical form of ``docs/format.md``."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from signbit.errors import ConfigError
from signbit.files import write_bytes_atomically
from signbit.format import layout
from signbit.format.check import check_blob, check_graph, first_bad_byte
from signbit.format.graph import OPS, Bits, Blob, DType, Graph, Node, blob_dtype
from signbit.format.rules import RuleError


def write(graph: Graph, path: str | os.PathLike[str]) -> int:
    """Write a graph to a file, whole or not at all; returns the file's size in bytes.

    Errors
    ------
    ConfigError : the graph breaks a rule of the format.
    SignbitError : the file cannot be written.
    """
    data = write_bytes(graph)
    write_bytes_atomically(path, data)
    return len(data)


def write_bytes(graph: Graph) -> bytes:
    """The file that holds a graph. Equal graphs give equal bytes.

    Errors
    ------
    ConfigError : the graph breaks a rule of the format, or exceeds one of its limits.

    >>> from signbit.format import GraphBuilder
    >>> builder = GraphBuilder()
    >>> x = builder.input((8, 8, 1))
    >>> len(write_bytes(builder.graph(builder.node("flatten", x))))
    266
    """
    check_graph(graph)
    strings, blobs = _Strings(), _Blobs()
    values = np.zeros(len(graph.values), layout.VALUE)
    for record, value in zip(values, graph.values, strict=True):
        record["dtype"] = value.dtype.value
        record["alphabet"] = value.alphabet.value if value.alphabet else 0
        record["shape"] = value.shape
        record["name"] = strings.offset(value.name)
    nodes = np.zeros(len(graph.nodes), layout.NODE)
    for index, (record, node) in enumerate(zip(nodes, graph.nodes, strict=True)):
        _fill_node(record, index, node, strings, blobs)
    metadata = strings.offset(_metadata_text(graph.metadata))
    if len(strings.text) > layout.MAX_STRING_BYTES:
        raise ConfigError(
            f"names, notes and metadata take {len(strings.text)} bytes; at most 2^24 fit: shorten the names"
        )
    if len(blobs.contents) > layout.MAX_BLOBS:
        raise ConfigError(f"{len(blobs.contents)} different tensors; at most {layout.MAX_BLOBS} fit")

    start = layout.HEADER.itemsize + values.nbytes + nodes.nbytes + len(blobs.contents) * layout.BLOB.itemsize
    blob_table, data_part = blobs.lay_out(start + len(strings.text))
    header = np.zeros(1, layout.HEADER)
    header["magic"] = np.frombuffer(layout.MAGIC, np.uint8)
    header["version"] = max((OPS[node.op].version for node in graph.nodes), default=1)
    header["file_bytes"] = start + len(strings.text) + len(data_part)
    header["value_count"], header["node_count"], header["blob_count"] = len(values), len(nodes), len(blob_table)
    header["string_bytes"] = len(strings.text)
    header["input_value"], header["output_value"] = graph.input, graph.output
    header["metadata"] = metadata
    body = b"".join((values.tobytes(), nodes.tobytes(), blob_table.tobytes(), bytes(strings.text), data_part))
    header["checksum"] = layout.checksum(header.tobytes() + body)
    return header.tobytes() + body


class _Strings:
    """The string part while it grows."""

    def __init__(self) -> None:
        self.text = bytearray(b"\0")
        self._offsets = {"": 0}

    def offset(self, string: str) -> int:
        if string not in self._offsets:
            if "\0" in string:
                raise ConfigError(f"the name {string!r} holds a NUL character; remove it")
            try:
                encoded = string.encode()
            except UnicodeEncodeError as error:
                raise ConfigError(f"the name {string!r} is not valid Unicode: {error.reason}") from None
            self._offsets[string] = len(self.text)
            self.text += encoded + b"\0"
        return self._offsets[string]


class _Blobs:
    """The different blobs of a file, in order of first use."""

    def __init__(self) -> None:
        self.contents: list[tuple[DType, tuple[int, ...], bytes]] = []
        self._indices: dict[tuple[DType, tuple[int, ...], bytes], int] = {}

    def index(self, blob: Blob) -> int:
        array = blob.octets if isinstance(blob, Bits) else blob.astype(blob.dtype.newbyteorder("<"), copy=False)
        content = (blob_dtype(blob), tuple(blob.shape), array.tobytes())
        if content not in self._indices:
            self._indices[content] = len(self.contents)
            self.contents.append(content)
        return self._indices[content]

    def lay_out(self, strings_end: int) -> tuple[npt.NDArray[np.void], bytes]:
        """The blob table, and everything that follows the strings."""
        table = np.zeros(len(self.contents), layout.BLOB)
        part = bytearray()
        for record, (dtype, shape, data) in zip(table, self.contents, strict=True):
            part += bytes(layout.aligned(strings_end + len(part)) - strings_end - len(part))
            record["dtype"] = dtype.value
            record["rank"] = len(shape)
            record["shape"][: len(shape)] = shape
            record["offset"] = strings_end + len(part)
            record["bytes"] = len(data)
            part += data
        return table, bytes(part)


def _fill_node(record: Any, index: int, node: Node, strings: _Strings, blobs: _Blobs) -> None:
    schema = OPS[node.op]
    record["op"] = schema.code
    record["input_count"] = len(node.inputs)
    record["inputs"][: len(node.inputs)] = node.inputs
    record["output"] = node.output
    record["blob_used"] = len(node.blobs)
    for slot, name in enumerate(name for name in schema.blobs if name in node.blobs):
        try:
            check_blob(node.blobs[name])
        except RuleError as error:
            raise RuleError(error.message, "node", name, index) from None
        if problem := first_bad_byte(node.blobs[name]):
            raise RuleError(f"{problem[1]} (byte {problem[0]} of its data)", "node", name, index)
        record["blobs"][slot] = blobs.index(node.blobs[name]) + 1
    for slot, name in enumerate(schema.attributes):
        record["attributes"][slot] = node.attributes[name]
    for slot, name in enumerate(schema.scalars):
        record["scalars"][slot] = node.scalars[name]
    record["name"] = strings.offset(node.name)
    record["note"] = strings.offset(node.note)


def _metadata_text(metadata: Mapping[str, Any]) -> str:
    try:
        text = json.dumps(dict(metadata), sort_keys=True, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise ConfigError(f"the metadata cannot be written as JSON: {error}") from None
    if len(text) > layout.MAX_METADATA_BYTES:
        raise ConfigError(f"the metadata takes {len(text)} bytes; at most 1 MiB fits: store less")
    return text
