"""Every published form of every network becomes a graph of the file that computes the same."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from models_at_hand import VARIANTS, binary, built
from torch import nn

from signbit.errors import ExportError
from signbit.exporter import lower_model
from signbit.layers import BinaryConv2d, BinaryLinear, LayerFactory, float_layers
from signbit.runtime import reference

EXPORTABLE = [key for key in VARIANTS if "layer norm" not in key]


@pytest.mark.parametrize("key", EXPORTABLE)
@pytest.mark.parametrize("layers", [binary(), float_layers()], ids=["binary", "float"])
def test_reference_agrees_with_torch(key: str, layers: LayerFactory) -> None:
    model, size = built(key, layers)
    images = torch.randn(4, *size[1:])
    for norm in model.modules():
        if isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d):
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


def test_layer_norms_are_refused_by_name() -> None:
    model, size = built("binarynet, layer norm", binary())
    with pytest.raises(ExportError, match=r"features\.1.*no counterpart"):
        lower_model(model, torch.zeros(size))
