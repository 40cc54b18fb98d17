"""Bytes of a ``.sbn`` file -> graph. Files may be hostile: everything is checked, and tensors are views into the bytes.

The tables are decoded here, field by field; the rules about the graph itself are those of
:func:`signbit.format.check_graph`, and what they reject is reported with the byte offset of its field.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from signbit.alphabet import Alphabet
from signbit.errors import DataError, FormatError
from signbit.format import layout
from signbit.format.blobs import check_reserved, read_blobs
from signbit.format.check import check_graph
from signbit.format.graph import OPS, Blob, DType, Graph, Node, Value
from signbit.format.layout import HEADER, NODE, VALUE, field_offset
from signbit.format.rules import RuleError


def read(path: str | os.PathLike[str]) -> Graph:
    """The graph that a ``.sbn`` file holds.

    Errors
    ------
    DataError : there is no such file, or it cannot be opened.
    FormatError : the file is malformed; carries the byte offset of the offending field.
    """
    return read_bytes(read_file(path))


def read_file(path: str | os.PathLike[str]) -> bytes:
    """The bytes of a file, or a :class:`DataError` that names it."""
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}; give the path of a .sbn file") from None


def read_bytes(data: bytes) -> Graph:
    """The graph that the bytes of a file hold; its tensors are read-only views into ``data``.

    Errors
    ------
    FormatError : a rule of ``docs/format.md`` is broken; carries the byte offset of the offending field.

    >>> read_bytes(b"GIF89a")
    Traceback (most recent call last):
        ...
    signbit.errors.FormatError: not a valid .sbn file: it doesn't start with \\x89SBN\\r\\n\\x1a\\n (at byte offset 0)
    """
    data = bytes(data)
    return _Reader(data, _check_header(data)).graph()


def _check_header(data: bytes) -> Any:
    """The header record, after every rule that needs no table."""
    if not data.startswith(layout.MAGIC):
        raise FormatError(r"it doesn't start with \x89SBN\r\n\x1a\n", 0)
    if len(data) < HEADER.itemsize:
        raise FormatError(f"the header takes {HEADER.itemsize} bytes, the file has {len(data)}", len(data))
    header = np.frombuffer(data, HEADER, 1)[0]

    def fail(field: str, message: str) -> NoReturn:
        raise FormatError(message, field_offset(HEADER, field))

    if not 1 <= header["version"] <= layout.VERSION:
        fail("version", f"it has version {header['version']}; this signbit reads versions 1 .. {layout.VERSION}")
    if header["file_bytes"] != len(data):
        fail("file_bytes", f"it should have {header['file_bytes']} bytes and has {len(data)}")
    if header["checksum"] != layout.checksum(data):
        fail("checksum", "the checksum is wrong: the file was damaged")
    limits = (
        ("value_count", 1, layout.MAX_VALUES),
        ("node_count", 0, layout.MAX_NODES),
        ("blob_count", 0, layout.MAX_BLOBS),
        ("string_bytes", 1, layout.MAX_STRING_BYTES),
    )
    for field, low, high in limits:
        if not low <= header[field] <= high:
            fail(field, f"{field} is {header[field]}; {low} .. {high} is allowed")
    position = HEADER.itemsize
    sizes = (VALUE.itemsize, NODE.itemsize, layout.BLOB.itemsize, 1)
    for (field, *_), size in zip(limits, sizes, strict=True):
        position += int(header[field]) * size
        if position > len(data):
            fail(field, f"{field} is {header[field]}, but the file ends before byte {position}")
    check_reserved(header, 0, "reserved")
    return header


class _Reader:
    """Decodes the tables of a file whose header is in order."""

    def __init__(self, data: bytes, header: Any) -> None:
        self.data, self.header = data, header
        self.op_names = {schema.code: op for op, schema in OPS.items() if schema.version <= header["version"]}
        value_count, node_count, blob_count = (int(header[f"{table}_count"]) for table in ("value", "node", "blob"))
        self.values_at = HEADER.itemsize
        self.nodes_at = self.values_at + value_count * VALUE.itemsize
        self.blobs_at = self.nodes_at + node_count * NODE.itemsize
        self.strings_at = self.blobs_at + blob_count * layout.BLOB.itemsize
        self.strings_end = self.strings_at + int(header["string_bytes"])
        self.value_records = np.frombuffer(data, VALUE, value_count, self.values_at)
        self.node_records = np.frombuffer(data, NODE, node_count, self.nodes_at)
        self._strings = {0: ""}
        self.blobs: list[Blob] = []

    def graph(self) -> Graph:
        self._check_strings()
        self.blobs = read_blobs(self.data, self.blobs_at, int(self.header["blob_count"]), self.strings_end)
        graph = Graph(
            values=tuple(self._value(index, record) for index, record in enumerate(self.value_records)),
            nodes=tuple(self._node(index, record) for index, record in enumerate(self.node_records)),
            input=int(self.header["input_value"]),
            output=int(self.header["output_value"]),
            metadata=self._metadata(),
        )
        try:
            check_graph(graph)
        except RuleError as error:
            raise FormatError(self._describe(error), self._offset(error, graph)) from None
        return graph

    def _check_strings(self) -> None:
        if self.data[self.strings_at] != 0:
            raise FormatError("the first string is not the empty one", self.strings_at)
        if self.data[self.strings_end - 1] != 0:
            raise FormatError("the last string isn't terminated", self.strings_end - 1)
        try:
            self.data[self.strings_at : self.strings_end].decode()
        except UnicodeDecodeError as error:
            raise FormatError("a string is not UTF-8", self.strings_at + error.start) from None

    def _string(self, start: int, field_at: int) -> str:
        """The string at ``start``. Strings don't overlap, so all of them together are no longer than their part."""
        if start not in self._strings:
            at = self.strings_at + start
            if at >= self.strings_end:
                raise FormatError(f"string offset {start} lies outside the strings", field_at)
            if self.data[at - 1] != 0:
                raise FormatError(f"string offset {start} is not the start of a string", field_at)
            self._strings[start] = self.data[at : self.data.index(0, at)].decode()
        return self._strings[start]

    def _value(self, index: int, record: Any) -> Value:
        at = self.values_at + index * VALUE.itemsize

        def fail(field: str, message: str) -> NoReturn:
            raise FormatError(f"value {index}: {message}", at + field_offset(VALUE, field))

        dtype, alphabet = int(record["dtype"]), int(record["alphabet"])
        if dtype not in (1, 2, 3):
            fail("dtype", f"dtype is {dtype}; 1, 2 and 3 are allowed")
        if alphabet > 2:
            fail("alphabet", f"alphabet is {alphabet}; 0, 1 and 2 are allowed")
        check_reserved(record, at, "reserved_a", "reserved_b")
        height, width, channels = (int(extent) for extent in record["shape"])
        name = self._string(int(record["name"]), at + field_offset(VALUE, "name"))
        return Value(name, DType(dtype), (height, width, channels), Alphabet(alphabet) if alphabet else None)

    def _node(self, index: int, record: Any) -> Node:
        at = self.nodes_at + index * NODE.itemsize

        def fail(field: str, slot: int, message: str) -> NoReturn:
            raise FormatError(f"node {index}: {message}", at + field_offset(NODE, field, slot))

        if int(record["op"]) not in self.op_names:
            known = f"version {self.header['version']} has 1 .. {max(self.op_names)}"
            fail("op", 0, f"unknown operation {record['op']}; {known}")
        op = self.op_names[int(record["op"])]
        schema = OPS[op]
        if record["input_count"] != schema.inputs:
            fail("input_count", 0, f"{op} has {schema.inputs} input(s), not {record['input_count']}")
        least, most, used = len(schema.blobs) - len(schema.optional_blobs), len(schema.blobs), int(record["blob_used"])
        if not least <= used <= most:
            fail("blob_used", 0, f"{op} uses {least} .. {most} blob slots, not {used}")
        for slot, blob in enumerate(record["blobs"]):
            if (blob == 0) == (slot < used):
                fail("blobs", slot, f"blob slot {slot} is {blob} where {used} slots are used")
            if blob > len(self.blobs):
                fail("blobs", slot, f"blob {blob} does not exist; the file has {len(self.blobs)}")
        in_use = {"inputs": schema.inputs, "attributes": len(schema.attributes), "scalars": len(schema.scalars)}
        for field, count in in_use.items():
            for slot, word in enumerate(record[field].view("<u4")):
                if slot >= count and word != 0:
                    fail(field, slot, f"{field}[{slot}] is not used by {op} and not zero")
        check_reserved(record, at, "reserved")
        return Node(
            op=op,
            inputs=tuple(int(source) for source in record["inputs"][: schema.inputs]),
            output=int(record["output"]),
            attributes=dict(zip(schema.attributes, map(int, record["attributes"]), strict=False)),
            scalars=dict(zip(schema.scalars, map(float, record["scalars"]), strict=False)),
            blobs={name: self.blobs[int(record["blobs"][slot]) - 1] for slot, name in enumerate(schema.blobs[:used])},
            name=self._string(int(record["name"]), at + field_offset(NODE, "name")),
            note=self._string(int(record["note"]), at + field_offset(NODE, "note")),
        )

    def _metadata(self) -> dict[str, Any]:
        field_at = field_offset(HEADER, "metadata")
        text = self._string(int(self.header["metadata"]), field_at)
        start = self.strings_at + int(self.header["metadata"])
        if len(text.encode()) > layout.MAX_METADATA_BYTES:
            raise FormatError(f"the metadata takes {len(text.encode())} bytes; at most 1 MiB is allowed", field_at)
        try:
            metadata = json.loads(text, parse_constant=_no_constant)
        except (ValueError, RecursionError) as error:
            raise FormatError(f"the metadata is not JSON: {error}", start) from None
        if not isinstance(metadata, dict):
            raise FormatError("the metadata is not a JSON object", start)
        return metadata

    @staticmethod
    def _describe(error: RuleError) -> str:
        record = error.table if error.table == "header" else f"{error.table} {error.index}"
        return f"{record}, {error.field}: {error.message}"

    def _offset(self, error: RuleError, graph: Graph) -> int:
        """The byte offset of the field that a rule names."""
        if error.table == "header":
            return field_offset(HEADER, error.field)
        field, _, element = error.field.partition(".")
        slot = int(element or 0)
        if error.table == "value":
            return self.values_at + error.index * VALUE.itemsize + field_offset(VALUE, field, slot)
        at = self.nodes_at + error.index * NODE.itemsize
        schema = OPS[graph.nodes[error.index].op]
        for kind in ("blobs", "attributes", "scalars"):
            names: tuple[str, ...] = getattr(schema, kind)
            if field in names:
                return at + field_offset(NODE, kind, names.index(field))
        return at + field_offset(NODE, field, slot)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not allowed")
