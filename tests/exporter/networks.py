"""Networks in a state that training could leave them in, and the two ways to run them."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from signbit.binarizers import SignClip
from signbit.exporter import lower_model
from signbit.exporter.trace import evaluating
from signbit.format import Graph
from signbit.layers import BinaryConv2d, BinaryLinear
from signbit.runtime import reference


def lived_in(model: nn.Module, images: Tensor, seed: int = 0) -> nn.Module:
    """``model`` with batch-norm statistics of ``images`` and random, partly negative and zero, scales."""
    generator = torch.Generator().manual_seed(seed)
    norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d)]
    with torch.no_grad():
        for norm in norms:
            for parameter in (norm.weight, norm.bias):
                if parameter is not None:
                    parameter.copy_(torch.randn(parameter.shape, generator=generator))
            if norm.weight is not None:
                norm.weight[1:2] = 0.0
        model.train()
        for _ in range(3):
            model(images)
    return model


def assert_equal_networks(model: nn.Module, images: Tensor) -> Graph:
    """The graph of ``model``, whose sums equal torch's exactly and whose outputs equal torch's up to rounding."""
    graph = lower_model(model, images)
    seen: dict[str, np.ndarray] = {}
    layers = {name: m for name, m in model.named_modules() if isinstance(m, BinaryConv2d | BinaryLinear)}
    hooks = [
        layer.output_scale.register_forward_pre_hook(
            lambda _, inputs, name=name: seen.update({name: inputs[0].detach().numpy()})
        )
        for name, layer in layers.items()
    ]
    with evaluating(model):
        expected = model(images).numpy()
    for hook in hooks:
        hook.remove()
    values = reference.run_all(graph, images.numpy())
    for node in graph.nodes:
        if node.op == "binary_conv2d":
            sums = seen[node.name]
            ours = values[node.output].transpose(0, 3, 1, 2).reshape(sums.shape)
            np.testing.assert_array_equal(ours, sums.astype(np.int32), err_msg=node.name)
    ours = values[graph.output].transpose(0, 3, 1, 2).reshape(expected.shape)
    np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-4 * np.ptp(expected))
    return graph


def sign_conv(*args: int, **settings: object) -> BinaryConv2d:
    """A binary convolution of signs with latent weights."""
    return BinaryConv2d(
        *args, input_pipeline=nn.Sequential(SignClip()), weight_pipeline=nn.Sequential(SignClip()), **settings
    )  # type: ignore[arg-type]


def sign_linear(*args: int, **settings: object) -> BinaryLinear:
    """A binary linear layer of signs with latent weights."""
    return BinaryLinear(
        *args, input_pipeline=nn.Sequential(SignClip()), weight_pipeline=nn.Sequential(SignClip()), **settings
    )  # type: ignore[arg-type]
