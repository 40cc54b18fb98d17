"""The networks that are measured: a binary graph and its full-precision twin, with random weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from signbit.format import Bits, Graph, GraphBuilder

SEED = 0
CLASSES = 1000
STATISTICS_IMAGES = 4
"""Images that the norms take their statistics from, so that thresholds and activations are of the usual size."""


@dataclass(frozen=True)
class Subject:
    """A binary network, the same topology in floats, and what the summary says of the binary one's file."""

    binary: Graph
    float_twin: Graph
    predicted_bytes: int = 0


def network(model: str, method: str, size: int) -> Subject:
    """A model of ours with random weights."""
    import torch

    import signbit
    from signbit.exporter import lower_model

    shape = (1, 3, size, size)

    def built(name: str) -> Any:
        torch.manual_seed(SEED)
        module = signbit.create_model(model, method=name, num_classes=CLASSES, input_size=shape)
        with torch.no_grad():
            module.train()(torch.randn(STATISTICS_IMAGES, *shape[1:]))
        return module.eval()

    image = torch.zeros(shape)
    binary, twin = built(method), built("float")
    predicted = signbit.summary(binary, input_size=shape).sbn_bytes
    return Subject(lower_model(binary, image), lower_model(twin, image), predicted)


def chain(size: int, channels: int, kernel: int, depth: int) -> Subject:
    """``depth`` equal layers between a sign and a mean over the image."""
    rng = np.random.default_rng(SEED)
    pad = {f"pad_{side}": kernel // 2 for side in ("top", "left", "bottom", "right")}
    shape = (channels, kernel, kernel, channels)

    def finished(builder: GraphBuilder, x: int) -> Graph:
        return builder.graph(builder.node("avg_pool2d", x, attributes={"kernel_h": size, "kernel_w": size}))

    builder = GraphBuilder()
    rising = Bits.pack(np.ones(channels))
    start = {"thresholds": np.zeros(channels, np.float32), "rising": rising}
    x = builder.node("threshold", builder.input((size, size, channels)), blobs=start)
    for layer in range(depth):
        x = builder.node("binary_conv2d", x, attributes=pad, blobs={"weight": Bits.pack(rng.integers(0, 2, shape))})
        if layer < depth - 1:
            cut = rng.integers(-5, 6, channels).astype(np.int32)
            x = builder.node("threshold", x, blobs={"thresholds": cut, "rising": rising})
    norm = {"scale": np.ones(channels, np.float32), "shift": np.zeros(channels, np.float32)}
    binary = finished(builder, builder.node("affine", x, blobs=norm))

    builder = GraphBuilder()
    x = builder.input((size, size, channels))
    spread = np.float32((2 / (kernel * kernel * channels)) ** 0.5)
    for _ in range(depth):
        weight = spread * rng.standard_normal(shape).astype(np.float32)
        blobs = {"weight": weight, "bias": np.zeros(channels, np.float32)}
        x = builder.node("conv2d", x, attributes=pad, blobs=blobs)
        x = builder.node("clamp", x, scalars={"low": 0.0, "high": np.inf})
    return Subject(binary, finished(builder, x))
