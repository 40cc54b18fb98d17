"""Constants of a graph as the float engines take them: numbers instead of bits, channels first."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from signbit.format import Bits, Node

FloatArray = npt.NDArray[np.float32]

EXACT = 1 << 24
"""Every integer up to this size is a float32, and no sum of a binary convolution is larger (docs/format.md)."""


def weight_bits(node: Node) -> npt.NDArray[np.bool_]:
    """Binary weights ``[O, C / groups, kh, kw]``; True is +1."""
    weight = node.blobs["weight"]
    assert isinstance(weight, Bits)
    ones: npt.NDArray[np.bool_] = np.ascontiguousarray(weight.unpack().transpose(0, 3, 1, 2))
    return ones


def weights(node: Node) -> FloatArray:
    """Weights ``[O, C / groups, kh, kw]``; bits as the numbers -1 and +1."""
    weight = node.blobs["weight"]
    if isinstance(weight, Bits):
        signs: FloatArray = np.where(weight_bits(node), np.float32(1), np.float32(-1))
        return signs
    floats: FloatArray = np.ascontiguousarray(weight.transpose(0, 3, 1, 2), np.float32)
    return floats


def vector(node: Node, name: str) -> FloatArray:
    """One float per channel."""
    blob = node.blobs[name]
    assert not isinstance(blob, Bits)
    return blob.astype(np.float32)


def comparison(node: Node) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
    """Thresholds as floats, and which channels are rising.

    An integer threshold that no float32 holds lies outside of every sum; it becomes an infinity of its sign.

    >>> from signbit.format import Bits, Node
    >>> blobs = {"thresholds": np.array([3, -(2**31)], np.int32), "rising": Bits.pack([True, True])}
    >>> comparison(Node("threshold", (0,), 1, blobs=blobs))[0]
    array([  3., -inf], dtype=float32)
    """
    thresholds, rising = node.blobs["thresholds"], node.blobs["rising"]
    assert isinstance(rising, Bits)
    assert not isinstance(thresholds, Bits)
    floats = thresholds.astype(np.float32)
    if thresholds.dtype == np.int32:
        floats[np.abs(thresholds.astype(np.int64)) > EXACT] *= np.float32(np.inf)
    return floats, rising.unpack()


def pads(node: Node) -> tuple[int, int, int, int]:
    """Top, left, bottom, right."""
    a = node.attributes
    return a["pad_top"], a["pad_left"], a["pad_bottom"], a["pad_right"]


def pair(node: Node, name: str) -> tuple[int, int]:
    """A spatial attribute in height and width: ``kernel``, ``stride`` or ``dilation``."""
    return node.attributes[f"{name}_h"], node.attributes[f"{name}_w"]
