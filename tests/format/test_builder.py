"""Shapes are inferred as PyTorch does, and a broken rule is reported where it is broken."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signbit.alphabet import Alphabet
from signbit.format import OPS, Bits, DType, Graph, GraphBuilder, RuleError, Value, check_graph, infer

SMALL = st.integers(1, 6)


@given(st.integers(1, 40), SMALL, SMALL, SMALL, st.integers(0, 5), st.integers(0, 5))
@settings(derandomize=True, max_examples=200, deadline=None)
def test_the_output_extent_counts_the_windows_that_fit(
    extent: int, kernel: int, stride: int, dilation: int, before: int, after: int
) -> None:
    span = dilation * (kernel - 1) + 1
    starts = [start for start in range(-before, extent + after) if start + span <= extent + after]
    b = GraphBuilder()
    x = b.input((1, extent, 2))
    attributes = {"stride_w": stride, "dilation_w": dilation, "pad_left": before, "pad_right": after}
    weight = np.zeros((3, 1, kernel, 2), np.float32)
    if not starts:
        with pytest.raises(RuleError, match="the window spans"):
            b.node("conv2d", x, attributes=attributes, blobs={"weight": weight})
    else:
        y = b.node("conv2d", x, attributes=attributes, blobs={"weight": weight})
        assert b.value(y).shape == (1, len(starts[::stride]), 3)


def test_defaults_are_complete_for_every_operation() -> None:
    """With the kernel and the strides given, every attribute has a value: files carry them all."""
    b = GraphBuilder()
    x = b.input((4, 4, 2))
    y = b.node("max_pool2d", x, attributes={"kernel_h": 2, "kernel_w": 2})
    b.node("subsample", x, attributes={"stride_h": 2, "stride_w": 2})
    b.node("pad_channels", x)
    b.node("avg_pool2d", x, attributes={"kernel_h": 2, "kernel_w": 2})
    z = b.node("threshold", x, blobs={"thresholds": np.zeros(2, np.float32), "rising": Bits.pack([1, 1])})
    b.node("binary_conv2d", z, blobs={"weight": Bits.pack(np.ones((1, 3, 2, 2)))})
    for node in b.graph(y).nodes:
        assert set(node.attributes) == set(OPS[node.op].attributes)
    assert b.graph(y).nodes[-1].attributes["kernel_h"] == 3
    assert b.value(z).alphabet is Alphabet.PM1


def test_an_error_names_operation_and_field() -> None:
    b = GraphBuilder()
    x = b.input((4, 4, 2))
    with pytest.raises(RuleError, match=r"node 0, affine 'layer1.bn', scale: scale has shape \[3\]; \[2\] is needed"):
        b.node("affine", x, blobs=dict.fromkeys(("scale", "shift"), np.ones(3, np.float32)), name="layer1.bn")
    with pytest.raises(RuleError, match="kernel_h: attribute 'kernel_h' is missing"):
        b.node("max_pool2d", x)
    with pytest.raises(RuleError, match="'pad' is not one of this operation's: kernel_h"):
        b.node("max_pool2d", x, attributes={"kernel_h": 2, "kernel_w": 2, "pad": 1})
    with pytest.raises(RuleError, match=r"unknown operation 'relu'; known: conv2d"):
        b.node("relu", x)
    with pytest.raises(RuleError, match="value 7 doesn't exist"):
        b.node("flatten", 7)
    with pytest.raises(RuleError, match="add has 2 input"):
        b.node("add", x)
    with pytest.raises(RuleError, match="does not fit into 32 bits"):
        b.node("subsample", x, attributes={"stride_h": 1 << 31, "stride_w": 1})
    with pytest.raises(RuleError, match="bits"):
        b.node("prelu", x, blobs={"slope": Bits(np.zeros((1, 2), np.uint8), (2,))})
    with pytest.raises(RuleError, match="exactly one input"):
        b.input((1, 1, 1))
    y = b.node("flatten", x)
    assert (y, b.value(y).shape) == (1, (1, 1, 32)), "a refused node must leave nothing behind"


def test_the_whole_graph_is_checked() -> None:
    value = Value("x", DType.F32, (1, 1, 1))
    with pytest.raises(RuleError, match="0 values"):
        GraphBuilder().graph(0)
    with pytest.raises(RuleError, match="value 1, dtype: no node computes"):
        check_graph(Graph((value, value), (), 0, 0))
    b = GraphBuilder()
    x = b.node("threshold", b.input((1, 1, 1)), blobs={"thresholds": np.zeros(1, np.float32), "rising": Bits.pack([1])})
    with pytest.raises(RuleError, match="output must be f32"):
        b.graph(x)


@pytest.mark.parametrize("alphabet", list(Alphabet))
def test_padding_belongs_to_the_alphabet(alphabet: Alphabet) -> None:
    value = Value("x", DType.BITS, (3, 3, 1), alphabet)
    attributes = dict.fromkeys(OPS["binary_conv2d"].attributes, 1) | dict.fromkeys(("pad_top", "pad_left"), 0)
    weight = {"weight": Bits.pack(np.ones((1, 1, 1, 1)))}
    for pad, allowed in ((0, True), (1, True), (-1, alphabet is Alphabet.PM1), (2, False)):
        call = ("binary_conv2d", {**attributes, "pad_value": pad}, {}, weight, [value])
        if allowed:
            assert infer(*call).dtype is DType.I32
        else:
            with pytest.raises(RuleError, match="pad_value"):
                infer(*call)
