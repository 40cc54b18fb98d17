"""Reading the blob table of a ``.sbn`` file: every tensor is a checked, read-only view into the file's bytes."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any, NoReturn

import numpy as np

from signbit.errors import FormatError
from signbit.format.check import first_bad_byte, packed_shape
from signbit.format.graph import Bits, Blob, DType
from signbit.format.layout import ALIGNMENT, BLOB, MAX_BLOB_EXTENT, MAX_RANK, aligned, field_offset


def read_blobs(data: bytes, table_at: int, count: int, strings_end: int) -> list[Blob]:
    """All tensors of a file.

    Parameters
    ----------
    data : the file.
    table_at : offset of the blob table, which lies inside the file.
    count : number of its records.
    strings_end : offset of the first byte after the strings.

    Errors
    ------
    FormatError : a record, or the content that it points to, breaks a rule.
    """
    records = np.frombuffer(data, BLOB, count, table_at)
    blobs = [
        _view(data, index, record, table_at + index * BLOB.itemsize, aligned(strings_end))
        for index, record in enumerate(records)
    ]
    order = np.argsort(records["offset"], kind="stable")
    for before, after in pairwise(order):
        if int(records[before]["offset"]) + int(records[before]["bytes"]) > int(records[after]["offset"]):
            at = table_at + int(after) * BLOB.itemsize
            raise FormatError(f"blob {after} overlaps blob {before}", at + field_offset(BLOB, "offset"))
    # Only now the contents: blobs that overlapped could make a small file cost any amount of time.
    for index, blob in enumerate(blobs):
        if problem := first_bad_byte(blob):
            raise FormatError(f"blob {index}: {problem[1]}", int(records[index]["offset"]) + problem[0])
    return blobs


def check_reserved(record: Any, at: int, *fields: str) -> None:
    """The reserved bytes of a record, which starts at ``at``, are zero."""
    for field in fields:
        for index in np.flatnonzero(record[field]):
            raise FormatError("a reserved byte is not zero", at + field_offset(record.dtype, field, int(index)))


def _view(data: bytes, index: int, record: Any, at: int, data_start: int) -> Blob:
    def fail(field: str, slot: int, message: str) -> NoReturn:
        raise FormatError(f"blob {index}: {message}", at + field_offset(BLOB, field, slot))

    dtype, rank = int(record["dtype"]), int(record["rank"])
    offset, size = int(record["offset"]), int(record["bytes"])
    if dtype not in (1, 2, 3):
        fail("dtype", 0, f"dtype is {dtype}; 1, 2 and 3 are allowed")
    if not 1 <= rank <= MAX_RANK:
        fail("rank", 0, f"rank is {rank}; 1 .. {MAX_RANK} is allowed")
    check_reserved(record, at, "reserved_a", "reserved_b")
    shape = tuple(int(extent) for extent in record["shape"])
    for axis, extent in enumerate(shape):
        if axis < rank and not 1 <= extent <= MAX_BLOB_EXTENT:
            fail("shape", axis, f"dimension {axis} is {extent}; 1 .. 2^28 is allowed")
        if axis >= rank and extent:
            fail("shape", axis, f"dimension {axis} is {extent}; it must be zero for rank {rank}")
    shape = shape[:rank]
    needed = math.prod(packed_shape(shape)) if dtype == DType.BITS.value else 4 * math.prod(shape)
    if size != needed:
        fail("bytes", 0, f"it says {size} bytes; its dtype and shape need {needed}")
    if offset % ALIGNMENT or offset < data_start:
        fail("offset", 0, f"offset is {offset}; a multiple of {ALIGNMENT} from {data_start} on is needed")
    if offset + size > len(data):
        fail("offset", 0, f"it ends at byte {offset + size}; the file has {len(data)}")
    if dtype == DType.BITS.value:
        return Bits(np.frombuffer(data, np.uint8, size, offset).reshape(packed_shape(shape)), shape)
    if dtype == DType.F32.value:
        return np.frombuffer(data, np.dtype("<f4"), size // 4, offset).reshape(shape)
    return np.frombuffer(data, np.dtype("<i4"), size // 4, offset).reshape(shape)
