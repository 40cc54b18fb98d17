"""The graph of a ``.sbn`` file in memory. ``docs/format.md`` defines every field and operation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import numpy as np
import numpy.typing as npt

from signbit.alphabet import BIT_ORDER, Alphabet
from signbit.errors import ConfigError

FloatArray = npt.NDArray[np.float32]


class DType(Enum):
    """Element type of a value or blob; the enum value is the code in the file."""

    F32 = 1
    I32 = 2
    BITS = 3


@dataclass(frozen=True)
class Value:
    """A batch of channels-last images ``[N, H, W, C]`` with free N."""

    name: str
    dtype: DType
    shape: tuple[int, int, int]
    alphabet: Alphabet | None = None


@dataclass(frozen=True, eq=False)
class Bits:
    """Packed rows of bits: what a bits blob holds.

    Attributes
    ----------
    octets : uint8 ``[rows, ceil(K / 8)]``, element i of a row is bit ``i % 8`` of octet ``i // 8``, padding bits zero.
    shape : logical shape ``[rows, ...]`` with K the product of the rest, or ``[K]`` for one single row.
    """

    octets: npt.NDArray[np.uint8]
    shape: tuple[int, ...]

    @staticmethod
    def pack(ones: npt.ArrayLike) -> Bits:
        """Pack an array of booleans; the first axis counts rows (rank 1: one row).

        >>> Bits.pack([[True, False, True]]).octets
        array([[5]], dtype=uint8)
        """
        array = np.asarray(ones, dtype=bool)
        rows = array.reshape(1 if array.ndim == 1 else array.shape[0], -1)
        return Bits(np.packbits(rows, axis=1, bitorder=BIT_ORDER), array.shape)

    def unpack(self) -> npt.NDArray[np.bool_]:
        """The booleans that were packed, in :attr:`shape`."""
        count = int(np.prod(self.shape)) // self.octets.shape[0]
        bits = np.unpackbits(self.octets, axis=1, count=count, bitorder=BIT_ORDER)
        return bits.astype(np.bool_).reshape(self.shape)


Blob = npt.NDArray[np.float32] | npt.NDArray[np.int32] | Bits
"""A constant of the graph."""


def blob_dtype(blob: Blob) -> DType:
    """The element type of a blob.

    >>> blob_dtype(np.zeros(3, np.int32))
    <DType.I32: 2>
    """
    if isinstance(blob, Bits):
        return DType.BITS
    for dtype, element in ((DType.F32, np.float32), (DType.I32, np.int32)):
        if blob.dtype == element:
            return dtype
    raise ConfigError(f"a blob of {blob.dtype} was given; float32, int32 and Bits can be stored: convert it first")


@dataclass(frozen=True)
class OpSchema:
    """How one operation is written in a node record: names of its integer attributes, scalars and blob slots in order.

    Only the last blob slots can be optional. ``version`` is the first version of the format that has the operation.
    """

    code: int
    inputs: int = 1
    attributes: tuple[str, ...] = ()
    scalars: tuple[str, ...] = ()
    blobs: tuple[str, ...] = ()
    optional_blobs: tuple[str, ...] = ()
    version: int = 1


SPATIAL = (
    "kernel_h", "kernel_w", "stride_h", "stride_w",
    "pad_top", "pad_left", "pad_bottom", "pad_right", "dilation_h", "dilation_w",
)  # fmt: skip
"""Attributes of everything that slides a window over the image."""

OPS: Mapping[str, OpSchema] = {
    "conv2d": OpSchema(1, attributes=(*SPATIAL, "groups"), blobs=("weight", "bias"), optional_blobs=("bias",)),
    "binary_conv2d": OpSchema(2, attributes=(*SPATIAL, "groups", "pad_value"), blobs=("weight",)),
    "affine": OpSchema(3, blobs=("scale", "shift")),
    "threshold": OpSchema(4, blobs=("thresholds", "rising")),
    "max_pool2d": OpSchema(5, attributes=SPATIAL),
    "avg_pool2d": OpSchema(6, attributes=(*SPATIAL, "count_include_pad")),
    "add": OpSchema(7, inputs=2),
    "clamp": OpSchema(8, scalars=("low", "high")),
    "prelu": OpSchema(9, blobs=("slope",)),
    "flatten": OpSchema(10),
    "subsample": OpSchema(11, attributes=("stride_h", "stride_w")),
    "pad_channels": OpSchema(12, attributes=("before", "after")),
    "sigmoid": OpSchema(13),
    "layer_norm": OpSchema(14, scalars=("eps",), blobs=("scale", "shift")),
    "mul": OpSchema(15, inputs=2, version=2),
}
"""Operation by name -> what its nodes carry."""


@dataclass(frozen=True, eq=False)
class Node:
    """One operation. ``attributes`` and ``scalars`` carry every name of the operation's schema."""

    op: str
    inputs: tuple[int, ...]
    output: int
    attributes: Mapping[str, int] = field(default_factory=dict)
    scalars: Mapping[str, float] = field(default_factory=dict)
    blobs: Mapping[str, Blob] = field(default_factory=dict)
    name: str = ""
    note: str = ""


@dataclass(frozen=True, eq=False)
class Graph:
    """A whole network: values, nodes in execution order, input, output and the metadata object."""

    values: tuple[Value, ...]
    nodes: tuple[Node, ...]
    input: int
    output: int
    metadata: Mapping[str, Any] = field(default_factory=dict)
