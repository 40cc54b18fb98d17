"""The records of a ``.sbn`` file as numpy structured types, and the limits of its fields; see ``docs/format.md``."""

from __future__ import annotations

import zlib

import numpy as np

MAGIC = b"\x89SBN\r\n\x1a\n"
VERSION = 2
"""The latest version of the format; a file states the lowest whose rules it follows."""

ALIGNMENT = 64

MAX_VALUES = 65536
MAX_NODES = 65535
MAX_BLOBS = 262144
MAX_STRING_BYTES = 1 << 24
MAX_METADATA_BYTES = 1 << 20
MAX_EXTENT = 1 << 20
MAX_ELEMENTS = 1 << 26
MAX_BLOB_EXTENT = 1 << 28
MAX_RANK = 4
MAX_WINDOW = 1 << 16
MAX_TAPS = 1 << 24
LEAST_FLOAT = 2.0**-149

BLOB_SLOTS = 4
ATTRIBUTE_SLOTS = 16
SCALAR_SLOTS = 2
INPUT_SLOTS = 2

HEADER = np.dtype(
    [
        ("magic", "u1", 8),
        ("version", "<u4"),
        ("checksum", "<u4"),
        ("file_bytes", "<u8"),
        ("value_count", "<u4"),
        ("node_count", "<u4"),
        ("blob_count", "<u4"),
        ("string_bytes", "<u4"),
        ("input_value", "<u4"),
        ("output_value", "<u4"),
        ("metadata", "<u4"),
        ("reserved", "u1", 12),
    ]
)

VALUE = np.dtype(
    [
        ("dtype", "u1"),
        ("alphabet", "u1"),
        ("reserved_a", "u1", 2),
        ("shape", "<u4", 3),
        ("name", "<u4"),
        ("reserved_b", "u1", 12),
    ]
)

NODE = np.dtype(
    [
        ("op", "<u2"),
        ("input_count", "u1"),
        ("blob_used", "u1"),
        ("inputs", "<u4", INPUT_SLOTS),
        ("output", "<u4"),
        ("blobs", "<u4", BLOB_SLOTS),
        ("attributes", "<i4", ATTRIBUTE_SLOTS),
        ("scalars", "<f4", SCALAR_SLOTS),
        ("name", "<u4"),
        ("note", "<u4"),
        ("reserved", "u1", 16),
    ]
)

BLOB = np.dtype(
    [
        ("dtype", "u1"),
        ("rank", "u1"),
        ("reserved_a", "u1", 6),
        ("shape", "<u4", MAX_RANK),
        ("offset", "<u8"),
        ("bytes", "<u8"),
        ("reserved_b", "u1", 8),
    ]
)


def field_offset(record: np.dtype[np.void], field: str, index: int = 0) -> int:
    """Where element ``index`` of ``field`` starts inside ``record``.

    >>> field_offset(NODE, "attributes", 2)
    40
    """
    assert record.fields is not None
    kind, start, *_ = record.fields[field]
    return int(start) + index * int(kind.base.itemsize)


def aligned(position: int) -> int:
    """The next multiple of 64 at or after ``position``."""
    return -(-position // ALIGNMENT) * ALIGNMENT


def checksum(data: bytes | memoryview) -> int:
    """CRC-32 of a whole file with its own field taken as zero."""
    view = memoryview(data)
    start = field_offset(HEADER, "checksum")
    return zlib.crc32(view[start + 4 :], zlib.crc32(bytes(4), zlib.crc32(view[:start])))
