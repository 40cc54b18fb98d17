"""Graphs for the tests of the file and of the runtime: one that uses every operation, and any number of random ones."""

from __future__ import annotations

import numpy as np

from signbit.alphabet import Alphabet
from signbit.format import Bits, DType, Graph, GraphBuilder

CHANNELS = (1, 2, 3, 7, 8, 9, 16, 31, 63, 64, 65, 130)


def floats(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.standard_normal(shape).astype(np.float32)


def bits(rng: np.random.Generator, *shape: int) -> Bits:
    return Bits.pack(rng.integers(0, 2, shape))


def every_operation() -> Graph:
    """Nodes 0 .. 14 are the operations in the order of ``NODES``; value i + 1 is the output of node i."""
    rng = np.random.default_rng(0)
    b = GraphBuilder()
    x = b.input((6, 6, 4), name="image")
    spatial = {"pad_top": 1, "pad_left": 1, "pad_bottom": 1, "pad_right": 1}
    x = b.node(
        "conv2d", x, attributes=spatial, blobs={"weight": floats(rng, 6, 3, 3, 4), "bias": floats(rng, 6)}, name="first"
    )
    x = b.node("threshold", x, blobs={"thresholds": floats(rng, 6), "rising": bits(rng, 6)}, name="sign", note="packed")
    x = b.node(
        "binary_conv2d", x, attributes={**spatial, "groups": 2}, blobs={"weight": bits(rng, 10, 3, 3, 3)}, name="binary"
    )
    x = b.node("affine", x, blobs={"scale": floats(rng, 10), "shift": floats(rng, 10)}, name="norm")
    x = b.node("clamp", x, scalars={"low": -1.0, "high": 1.0})
    x = b.node("subsample", x, attributes={"stride_h": 2, "stride_w": 1})
    x = b.node("pad_channels", x, attributes={"before": 1, "after": 2})
    x = b.node("add", x, x)
    x = b.node("avg_pool2d", x, attributes={"kernel_h": 2, "kernel_w": 2, "count_include_pad": 0, "pad_top": 1})
    x = b.node("max_pool2d", x, attributes={"kernel_h": 2, "kernel_w": 2})
    x = b.node("prelu", x, blobs={"slope": floats(rng, 13)})
    x = b.node("layer_norm", x, scalars={"eps": 1e-3}, blobs={"scale": floats(rng, 13), "shift": floats(rng, 13)})
    gate = b.node("sigmoid", x)
    x = b.node("mul", x, gate)
    x = b.node("flatten", x)
    return b.graph(x, {"labels": ["kočka", "pes"], "input": {"mean": [0.5] * 4, "std": [0.25] * 4}})


def wide_graph() -> Graph:
    """Binary convolutions of more filters and pixels than random graphs have: kernels for many rows and columns."""
    rng = np.random.default_rng(1)
    b = GraphBuilder()
    x = b.input((5, 5, 17))
    for filters, kernel, pad in ((33, 2, 1), (40, 1, 0)):
        channels = b.value(x).shape[2]
        x = b.node("threshold", x, blobs={"thresholds": floats(rng, channels), "rising": bits(rng, channels)})
        spatial = {f"pad_{side}": pad for side in ("top", "left", "bottom", "right")}
        x = b.node(
            "binary_conv2d", x, attributes=spatial, blobs={"weight": bits(rng, filters, kernel, kernel, channels)}
        )
        x = b.node("affine", x, blobs={"scale": floats(rng, filters), "shift": floats(rng, filters)})
    return b.graph(x)


NODES = (
    "conv2d", "threshold", "binary_conv2d", "affine", "clamp", "subsample",
    "pad_channels", "add", "avg_pool2d", "max_pool2d", "prelu",
    "layer_norm", "sigmoid", "mul", "flatten",
)  # fmt: skip


def window(rng: np.random.Generator, height: int, width: int, pool: bool) -> dict[str, int]:
    """Spatial attributes that fit an image."""
    attributes = {}
    for axis, extent, sides in (("h", height, ("top", "bottom")), ("w", width, ("left", "right"))):
        kernel = int(rng.integers(1, 5))
        pads = [int(rng.integers(0, kernel if pool else 3)) for _ in sides]
        dilation = 1 if pool else int(rng.integers(1, 4))
        while dilation * (kernel - 1) + 1 > extent + sum(pads):
            dilation, kernel = max(1, dilation - 1), kernel - (dilation == 1)
            pads = [min(pad, kernel - 1) for pad in pads] if pool else pads
        attributes |= {
            f"kernel_{axis}": kernel,
            f"dilation_{axis}": dilation,
            f"stride_{axis}": int(rng.integers(1, 4)),
        }
        attributes |= {f"pad_{side}": pad for side, pad in zip(sides, pads, strict=True)}
    return attributes


def add_random_node(b: GraphBuilder, rng: np.random.Generator, x: int, op: str) -> int | None:
    """Add ``op`` on value ``x`` with random parameters; None where it doesn't apply."""
    value = b.value(x)
    height, width, channels = value.shape
    attributes: dict[str, int] = {}
    scalars: dict[str, float] = {}
    blobs = {}
    inputs = (x,)
    alphabet = Alphabet.PM1
    if op in ("conv2d", "binary_conv2d"):
        if value.dtype is not (DType.F32 if op == "conv2d" else DType.BITS):
            return None
        groups = int(rng.choice([g for g in (1, 2, 3, 4, channels) if channels % g == 0]))
        filters = groups * int(rng.integers(1, 6))
        attributes = {**window(rng, height, width, pool=False), "groups": groups}
        shape = (filters, attributes["kernel_h"], attributes["kernel_w"], channels // groups)
        if op == "binary_conv2d":
            blobs = {"weight": bits(rng, *shape)}
            attributes["pad_value"] = int(rng.choice((-1, 0, 1) if value.alphabet is Alphabet.PM1 else (0, 1)))
        else:
            blobs = {"weight": floats(rng, *shape) if rng.integers(2) else bits(rng, *shape)}
            if rng.integers(2):
                blobs["bias"] = floats(rng, filters)
    elif op == "threshold":
        if value.dtype is DType.BITS:
            return None
        rising = bits(rng, channels)
        if value.dtype is DType.I32:
            thresholds = rng.integers(-5, 6, channels).astype(np.int32)
            constant = rng.integers(0, 8, channels) == 0
            thresholds[constant] = np.iinfo(np.int32).min
        else:
            thresholds = floats(rng, channels)
            thresholds[rng.integers(0, 8, channels) == 0] = -np.inf
        blobs = {"thresholds": thresholds, "rising": rising}
        alphabet = Alphabet(int(rng.integers(1, 3)))
    elif op == "affine":
        if value.dtype is DType.BITS:
            return None
        blobs = {"scale": floats(rng, channels), "shift": floats(rng, channels)}
    elif op == "max_pool2d":
        attributes = window(rng, height, width, pool=True)
    elif op == "flatten":
        if height * width * channels > 4096:
            return None
    elif value.dtype is not DType.F32:
        return None
    elif op == "avg_pool2d":
        attributes = {**window(rng, height, width, pool=True), "count_include_pad": int(rng.integers(2))}
    elif op in ("add", "mul"):
        pool = {"kernel_h": height, "kernel_w": width}
        inputs = (x, x) if rng.integers(2) else (x, b.node("avg_pool2d", x, attributes=pool))
    elif op == "layer_norm":
        scalars = {"eps": float(np.float32(10.0 ** rng.integers(-3, 1)))}
        blobs = {"scale": floats(rng, channels), "shift": floats(rng, channels)}
    elif op == "clamp":
        low = float(np.float32(rng.standard_normal()))
        scalars = {"low": low, "high": np.inf if rng.integers(2) else low + 1.0}
    elif op == "prelu":
        blobs = {"slope": floats(rng, channels)}
    elif op == "subsample":
        attributes = {"stride_h": int(rng.integers(1, 4)), "stride_w": int(rng.integers(1, 4))}
    elif op == "pad_channels":
        attributes = {"before": int(rng.integers(0, 3)), "after": int(rng.integers(0, 3))}
    return b.node(
        op,
        *inputs,
        attributes=attributes,
        scalars=scalars,
        blobs=blobs,
        alphabet=alphabet,
        name=f"{op}.{x}",
        note=op[:3],
    )


def random_graph(seed: int) -> Graph:
    """A small valid graph of 1 to 10 operations; the same for the same seed."""
    rng = np.random.default_rng(seed)
    b = GraphBuilder()
    extent = (1, 2, 3, 5, 8, 13)
    last = b.input((int(rng.choice(extent)), int(rng.choice(extent)), int(rng.choice(CHANNELS))))
    reals = [last]
    for _ in range(int(rng.integers(1, 11))):
        source = last if rng.integers(4) else int(rng.choice(reals))
        added = add_random_node(b, rng, source, str(rng.choice(NODES)))
        if added is None:  # bits and integers have few operations: let them go on where they can
            choices = {DType.F32: "threshold", DType.I32: "threshold", DType.BITS: "binary_conv2d"}
            added = add_random_node(b, rng, source, choices[b.value(source).dtype])
        assert added is not None
        last = added
        if b.value(last).dtype is DType.F32:
            reals.append(last)
    if b.value(last).dtype is DType.BITS:
        last = add_random_node(b, rng, last, "binary_conv2d") or 0
    if b.value(last).dtype is DType.I32:
        last = add_random_node(b, rng, last, "affine") or 0
    return b.graph(last, {"seed": seed})


def random_input(graph: Graph, seed: int, count: int = 2) -> np.ndarray:
    """A batch of normal floats ``[N, C, H, W]``."""
    height, width, channels = graph.values[graph.input].shape
    return floats(np.random.default_rng(seed), count, channels, height, width)
