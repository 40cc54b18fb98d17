"""Reads ``.sbn`` files with nothing but Python's standard library: ``python read_sbn.py FILE...`` lists what they hold.

Written from docs/format.md alone, as a start for readers in other languages. What that page says of the header, the
tables, the strings and the data is checked. Whether shapes, weights and the numbers in attributes fit the operation of
a node is not: whoever computes needs those rules, too.
"""

from __future__ import annotations

import json
import struct
import sys
import zlib
from collections import namedtuple
from math import isnan, prod
from pathlib import Path
from typing import Any, NamedTuple

HEADER, VALUE, NODE, BLOB = map(struct.Struct, ("<8s2IQ7I12s", "<2BH3II12s", "<H2B2II4I16i2fII16s", "<2B6s4I2Q8s"))
ALIGNMENT = 64
MOST = 65536, 65535, 262144, 2**24  # values, nodes, blobs, bytes of strings
DTYPES, ALPHABETS = {1: "f32", 2: "i32", 3: "bits"}, {1: "{-1,+1}", 2: "{0,1}"}
# code - 1: name, inputs, blobs at least and at most, attributes, scalars
OPERATIONS = (
    ("conv2d", 1, 1, 2, 11, 0), ("binary_conv2d", 1, 1, 1, 12, 0), ("affine", 1, 2, 2, 0, 0),
    ("threshold", 1, 2, 2, 0, 0), ("max_pool2d", 1, 0, 0, 10, 0), ("avg_pool2d", 1, 0, 0, 11, 0),
    ("add", 2, 0, 0, 0, 0), ("clamp", 1, 0, 0, 0, 2), ("prelu", 1, 1, 1, 0, 0), ("flatten", 1, 0, 0, 0, 0),
    ("subsample", 1, 0, 0, 2, 0), ("pad_channels", 1, 0, 0, 2, 0), ("sigmoid", 1, 0, 0, 0, 0),
    ("layer_norm", 1, 2, 2, 0, 1), ("mul", 2, 0, 0, 0, 0),
)  # fmt: skip
KNOWN = {1: 14, 2: 15}  # version of a file -> how many of these it has


class FormatError(Exception):
    """A rule is broken; says which, what was found, and at which byte."""


Network = namedtuple("Network", "values nodes blobs input output metadata")  # input, output: indices of values
Value = namedtuple("Value", "name dtype alphabet shape")  # alphabet: of bits, else None; shape: (H, W, C)
# inputs, output: indices of values; blobs: indices of blobs, slot by slot
Node = namedtuple("Node", "operation name note inputs output blobs attributes scalars")


class Blob(NamedTuple):
    dtype: str
    shape: tuple[int, ...]
    offset: int  # of the data in the file
    data: memoryview

    def numbers(self) -> list[float]:
        """All elements in C order; bits as -1 and +1."""
        if self.dtype != "bits":
            return list(struct.unpack(f"<{prod(self.shape)}{'f' if self.dtype == 'f32' else 'i'}", self.data))
        rows, bits, octets = layout(self.shape)
        return [1 if self.data[r * octets + i // 8] >> i % 8 & 1 else -1 for r in range(rows) for i in range(bits)]


def layout(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """Rows of a bits blob, bits and octets of a row."""
    rows, bits = (1, shape[0]) if len(shape) == 1 else (shape[0], prod(shape[1:]))
    return rows, bits, -(-bits // 8)


def require(holds: bool, offset: int, rule: str) -> None:
    if not holds:
        raise FormatError(f"{rule} (at byte {offset})")


class Reader:
    def __init__(self, data: bytes) -> None:
        self.data = memoryview(data)

    def network(self) -> Network:
        data = self.data
        require(bytes(data[:8]) == b"\x89SBN\r\n\x1a\n", 0, "a .sbn file starts with \\x89SBN\\r\\n\\x1a\\n")
        require(len(data) >= HEADER.size, len(data), f"the header takes {HEADER.size} bytes")
        _, version, checksum, file_bytes, *counts, first, last, metadata, reserved = HEADER.unpack_from(data)
        values, nodes, blobs, string_bytes = counts
        require(version in KNOWN, 8, f"this reader knows versions 1 and 2, not {version}")
        self.operations = OPERATIONS[: KNOWN[version]]
        require(file_bytes == len(data), 16, f"file_bytes is {file_bytes}, the file has {len(data)}")
        found = zlib.crc32(data[16:], zlib.crc32(bytes(4), zlib.crc32(data[:12])))
        require(checksum == found, 12, f"the checksum is {found:08x}, the header says {checksum:08x}")
        for field, least, count, most in zip((24, 28, 32, 36), (1, 0, 0, 1), counts, MOST, strict=True):
            require(least <= count <= most, field, f"{least} .. {most} is allowed, not {count}")
        require(not any(reserved), 52, "reserved bytes are zero")
        self.nodes_at = HEADER.size + values * VALUE.size
        self.blobs_at = self.nodes_at + nodes * NODE.size
        self.strings_at = self.blobs_at + blobs * BLOB.size
        end = self.strings_at + string_bytes
        require(end <= len(data), 16, f"the tables and strings end at {end}, the file at {len(data)}")
        self.data_at = -(-end // ALIGNMENT) * ALIGNMENT
        self.strings = self.read_strings(end)
        self.values = [self.value(HEADER.size + i * VALUE.size) for i in range(values)]
        self.blobs = [self.blob(self.blobs_at + i * BLOB.size) for i in range(blobs)]
        self.check_data()
        for field, index in ((40, first), (44, last)):
            require(index < values, field, f"there is no value {index}")
            require(self.values[index].dtype == "f32", field, "input and output of the network are f32")
        return Network(self.values, self.read_nodes(nodes, first), self.blobs, first, last, self.metadata(metadata))

    def read_strings(self, end: int) -> dict[int, str]:
        text = bytes(self.data[self.strings_at : end])
        require(text[0] == 0 and text[-1] == 0, self.strings_at, "the strings start and end with NUL")
        strings, at = {}, 0
        for part in text[:-1].split(b"\0"):
            try:
                strings[at] = part.decode()
            except UnicodeDecodeError as error:
                raise FormatError(f"strings are UTF-8 (at byte {self.strings_at + at + error.start})") from None
            at += len(part) + 1
        return strings

    def string(self, field: int, offset: int) -> str:
        require(offset in self.strings, field, f"{offset} is not the start of a string")
        return self.strings[offset]

    def metadata(self, offset: int) -> dict[str, Any]:
        text = self.string(48, offset)
        require(len(text.encode()) <= 2**20, 48, "metadata take at most 1 MiB")
        try:
            found = json.loads(text, parse_constant=lambda name: require(False, 48, f"{name} is not JSON"))
        except (ValueError, RecursionError) as error:
            raise FormatError(f"metadata are JSON: {error} (at byte 48)") from None
        require(isinstance(found, dict), 48, "metadata are a JSON object")
        return found

    def value(self, at: int) -> Value:
        dtype, alphabet, zero, *shape, name, reserved = VALUE.unpack_from(self.data, at)
        require(dtype in DTYPES, at, f"a dtype is 1, 2 or 3, not {dtype}")
        require(alphabet in ((1, 2) if dtype == 3 else (0,)), at + 1, f"alphabet {alphabet} does not fit the dtype")
        require(zero == 0 and not any(reserved), at, "reserved bytes are zero")
        require(all(1 <= n <= 2**20 for n in shape) and prod(shape) <= 2**26, at + 4, f"{shape} is out of range")
        return Value(self.string(at + 16, name), DTYPES[dtype], ALPHABETS.get(alphabet), tuple(shape))

    def blob(self, at: int) -> Blob:
        dtype, rank, zeros, *dimensions, offset, size, reserved = BLOB.unpack_from(self.data, at)
        require(dtype in DTYPES, at, f"a dtype is 1, 2 or 3, not {dtype}")
        require(1 <= rank <= 4, at + 1, f"a rank is 1 .. 4, not {rank}")
        require(not any(zeros) and not any(reserved) and not any(dimensions[rank:]), at, "unused bytes are zero")
        shape = tuple(dimensions[:rank])
        require(all(1 <= n <= 2**28 for n in shape), at + 8, f"dimensions are 1 .. 2^28, not {shape}")
        rows, _, octets = layout(shape)
        needed = rows * octets if dtype == 3 else 4 * prod(shape)
        require(size == needed, at + 32, f"the blob has {size} bytes and needs {needed}")
        require(offset % ALIGNMENT == 0 and offset >= self.data_at, at + 24, f"no blob can start at {offset}")
        require(offset + size <= len(self.data), at + 24, "the blob ends after the file")
        return Blob(DTYPES[dtype], shape, offset, self.data[offset : offset + size])

    def check_data(self) -> None:
        end = 0
        for blob in sorted(self.blobs, key=lambda blob: blob.offset):
            require(blob.offset >= end, blob.offset, "two blobs overlap")
            end = blob.offset + len(blob.data)
            _, bits, octets = layout(blob.shape)
            if blob.dtype == "f32":
                require(not any(map(isnan, blob.numbers())), blob.offset, "f32 blobs hold no NaN")
            elif blob.dtype == "bits" and bits % 8:
                spare = any(last >> bits % 8 for last in blob.data[octets - 1 :: octets])
                require(not spare, blob.offset, "bits after the end of a row are zero")

    def read_nodes(self, count: int, first: int) -> list[Node]:
        nodes, known = [], {first}
        for at in range(self.nodes_at, self.nodes_at + count * NODE.size, NODE.size):
            node = self.node(at)
            require(known.issuperset(node.inputs), at + 4, "a node reads what is there already")
            require(node.output not in known, at + 12, f"value {node.output} is computed twice")
            known.add(node.output)
            nodes.append(node)
        require(len(known) == len(self.values), HEADER.size, "every value is computed by a node")
        return nodes

    def node(self, at: int) -> Node:
        code, input_count, used, *rest, name, note, reserved = NODE.unpack_from(self.data, at)
        inputs, output, slots, attributes, scalars = rest[:2], rest[2], rest[3:7], rest[7:23], rest[23:]
        require(1 <= code <= len(self.operations), at, f"there is no operation {code}")
        operation, wanted, fewest, most, integers, floats = self.operations[code - 1]
        require(input_count == wanted, at + 2, f"{operation} has {wanted} input(s), not {input_count}")
        require(not any(inputs[input_count:]), at + 4, "unused inputs are zero")
        require(max(*inputs, output) < len(self.values), at + 4, "inputs and output are values")
        require(fewest <= used <= most, at + 3, f"{operation} has {fewest} .. {most} blobs, not {used}")
        require([slot > 0 for slot in slots] == [i < used for i in range(4)], at + 16, "only used slots hold blobs")
        require(max(slots) <= len(self.blobs), at + 16, "a slot holds the index of a blob, plus 1")
        require(not any(attributes[integers:]), at + 32, "unused attributes are zero")
        require(not any(self.data[at + 96 + 4 * floats : at + 104]), at + 96, "unused scalars are zero")
        require(not any(reserved), at + 112, "reserved bytes are zero")
        names = self.string(at + 104, name), self.string(at + 108, note)
        blobs = tuple(slot - 1 for slot in slots[:used])
        return Node(operation, *names, inputs[:wanted], output, blobs, attributes[:integers], scalars[:floats])


if __name__ == "__main__":
    for path in sys.argv[1:]:
        network = Reader(Path(path).read_bytes()).network()
        print(f"{path}: {json.dumps(network.metadata, ensure_ascii=False)}")
        for node in network.nodes:
            value = network.values[node.output]
            weights = "".join(f"  {network.blobs[i].dtype} {list(network.blobs[i].shape)}" for i in node.blobs)
            print(f"  {node.operation:13} {node.name:24} -> {value.dtype} {list(value.shape)}{weights}")
