"""The networks that are measured: a binary graph and its full-precision twin, with random weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from signbit.format import Bits, Graph, GraphBuilder

SEED = 0
STATISTICS_IMAGES = 4
"""Images that the norms take their statistics from, so that thresholds and activations are of the usual size."""


@dataclass(frozen=True)
class Subject:
    """A binary network, the same topology in floats, and what the summary says of the binary one's file."""

    binary: Graph
    float_twin: Graph
    predicted_bytes: int = 0


def networks(model: str, methods: Sequence[str], size: int, classes: int) -> dict[str, Subject]:
    """A model of ours with random weights, by method; all with the same twin."""
    import torch

    import signbit
    from signbit.exporter import lower_model

    shape = (1, 3, size, size)
    x = torch.zeros(shape)
    twin = lower_model(_module(model, "float", shape, classes), x)
    subjects = {}
    for method in methods:
        module = _module(model, method, shape, classes)
        predicted_bytes = signbit.summary(module, input_size=shape).sbn_bytes
        subjects[method] = Subject(lower_model(module, x), twin, predicted_bytes)
    return subjects


def _module(model: str, method: str, shape: tuple[int, ...], classes: int) -> Any:
    """In evaluation mode, with the statistics of random images."""
    import torch

    import signbit

    torch.manual_seed(SEED)
    module = signbit.create_model(model, method=method, num_classes=classes, input_size=shape)
    with torch.no_grad():
        module.train()(torch.randn(STATISTICS_IMAGES, *shape[1:]))
    return module.eval()


def chain(size: int, channels: int, kernel: int, depth: int) -> Subject:
    """``depth`` equal layers between a sign and a mean over the image."""
    rng = np.random.default_rng(SEED)
    pad = {f"pad_{side}": kernel // 2 for side in ("top", "left", "bottom", "right")}
    shape = (channels, kernel, kernel, channels)

    builder = GraphBuilder()
    x = _signs(builder, builder.input((size, size, channels)), np.zeros(channels, np.float32))
    for layer in range(depth):
        x = builder.node("binary_conv2d", x, attributes=pad, blobs={"weight": Bits.pack(rng.integers(0, 2, shape))})
        if layer < depth - 1:
            x = _signs(builder, x, _of_norms(rng, channels))
    binary = _mean(builder, _scaled(builder, x, channels), size)

    builder = GraphBuilder()
    x = builder.input((size, size, channels))
    spread = np.float32((2 / (kernel * kernel * channels)) ** 0.5)
    for _ in range(depth):
        weight = spread * rng.standard_normal(shape).astype(np.float32)
        blobs = {"weight": weight, "bias": np.zeros(channels, np.float32)}
        x = builder.node("conv2d", x, attributes=pad, blobs=blobs)
        x = builder.node("clamp", x, scalars={"low": 0.0, "high": np.inf})
    return Subject(binary, _mean(builder, x, size))


def pointwise(size: int, channels: int, filters: int) -> Graph:
    """A 1x1 layer from ``channels`` to ``filters`` with norm and sign, between a sign and a mean over the image."""
    rng = np.random.default_rng(SEED)
    builder = GraphBuilder()
    x = _signs(builder, builder.input((size, size, channels)), np.zeros(channels, np.float32))
    x = builder.node("binary_conv2d", x, blobs={"weight": Bits.pack(rng.integers(0, 2, (filters, 1, 1, channels)))})
    x = _signs(builder, x, _of_norms(rng, filters))
    x = builder.node("binary_conv2d", x, blobs={"weight": Bits.pack(rng.integers(0, 2, (1, 1, 1, filters)))})
    return _mean(builder, _scaled(builder, x, 1), size)


def _signs(builder: GraphBuilder, x: int, thresholds: NDArray[np.float32] | NDArray[np.int32]) -> int:
    rising = Bits.pack(np.ones(len(thresholds)))
    return builder.node("threshold", x, blobs={"thresholds": thresholds, "rising": rising})


def _of_norms(rng: np.random.Generator, channels: int) -> NDArray[np.int32]:
    """Thresholds that norms were folded into."""
    return rng.integers(-5, 6, channels).astype(np.int32)


def _scaled(builder: GraphBuilder, x: int, channels: int) -> int:
    norm = {"scale": np.ones(channels, np.float32), "shift": np.zeros(channels, np.float32)}
    return builder.node("affine", x, blobs=norm)


def _mean(builder: GraphBuilder, x: int, size: int) -> Graph:
    return builder.graph(builder.node("avg_pool2d", x, attributes={"kernel_h": size, "kernel_w": size}))
