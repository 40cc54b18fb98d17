"""Every published form of every network becomes a graph of the file that computes the same."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from models_at_hand import VARIANTS, binary, built
from torch import nn

from signbit.exporter import lower_model
from signbit.layers import BinaryConv2d, BinaryLinear, ChannelLayerNorm, LayerFactory, float_layers
from signbit.runtime import reference


@pytest.mark.parametrize("key", VARIANTS)
@pytest.mark.parametrize("layers", [binary(), float_layers()], ids=["binary", "float"])
@pytest.mark.slow
def test_reference_agrees_with_torch(key: str, layers: LayerFactory) -> None:
    model, size = built(key, layers)
    images = torch.randn(4, *size[1:])
    for norm in model.modules():
        if isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d | ChannelLayerNorm):
            nn.init.normal_(norm.bias)
            if norm.weight is not None:
                nn.init.normal_(norm.weight)
    for _ in range(3):
        model(images)
    model.eval()
    graph = lower_model(model, images)
    expected = model(images).detach().numpy()
    ours = reference.run(graph, images.numpy()).reshape(expected.shape)
    np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-4 * np.ptp(expected))
    on_bits = [m for m in model.modules() if isinstance(m, BinaryConv2d | BinaryLinear) and len(m.input_pipeline)]
    assert sum(node.op == "binary_conv2d" for node in graph.nodes) == len(on_bits)


def test_signs_of_sums_that_equal_their_mean_are_the_same_in_the_file() -> None:
    """Fresh layer norms shift by nothing, so such sums land on the boundary of the next sign."""
    model, size = built("binarynet, layer norm", binary())
    model.eval()
    images = torch.randn(8, *size[1:])
    expected = model(images).detach().numpy()
    ours = reference.run(lower_model(model, images), images.numpy()).reshape(expected.shape)
    np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-4 * np.ptp(expected))
