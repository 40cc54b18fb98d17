"""Networks in a state that training could leave them in, and the ways to run them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from signbit.binarizers import SignClip
from signbit.exporter import lower_model
from signbit.exporter.trace import evaluating
from signbit.format import Bits, Graph, GraphBuilder, Node, write_bytes
from signbit.layers import BinaryConv2d, BinaryLinear, ChannelLayerNorm
from signbit.runtime import Session, reference
from signbit.transforms import ChannelScale, ChannelThreshold

Array = npt.NDArray[np.generic]


def lived_in(model: nn.Module, images: Tensor, seed: int = 0, *, passes: int = 3) -> nn.Module:
    """``model`` with batch-norm statistics of ``images``, random, partly negative and zero, scales, and thresholds and
    slopes of any size, some of them under their bound."""
    generator = torch.Generator().manual_seed(seed)

    def draw(parameter: Tensor | None, low: float = 0.0, width: float = 0.0) -> None:
        if parameter is not None:
            even = low + width * torch.rand(parameter.shape, generator=generator)
            parameter.copy_(even if width else torch.randn(parameter.shape, generator=generator))

    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d | ChannelLayerNorm):
                draw(module.weight)
                draw(module.bias)
                if module.weight is not None:
                    module.weight[1:2] = 0.0
            elif isinstance(module, ChannelThreshold):
                draw(module.threshold, -0.5, 1.0)
                draw(module.slope, -0.5, 2.5)
            elif isinstance(module, ChannelScale):
                draw(module.alpha)
        model.train()
        for _ in range(passes):
            model(images)
    return model


def assert_equal_networks(model: nn.Module, images: Tensor) -> Graph:
    """The graph of ``model``, whose sums equal torch's exactly and whose outputs equal torch's up to rounding."""
    graph = lower_model(model, images)
    assert_same_numbers(graph, model, images)
    return graph


def assert_same_numbers(graph: Graph, model: nn.Module, images: Tensor) -> list[Array]:
    """What the reference computes for every value of ``graph``: sums as in ``model``, outputs within rounding."""
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
    return values


def assert_native_sums(graph: Graph, values: list[Array], isa: str) -> int:
    """Every packed layer of ``graph`` computes natively the sums of the reference; returns how many there are.

    Parameters
    ----------
    values : of the whole graph, as the reference computed them.
    """
    packed = [node for node in graph.nodes if node.op == "binary_conv2d"]
    for node in packed:
        bits = np.ascontiguousarray(values[node.inputs[0]].transpose(0, 3, 1, 2), np.float32)
        with Session(write_bytes(_alone(graph, node)), isa=isa) as session:
            sums = session.run(bits).reshape(values[node.output].transpose(0, 3, 1, 2).shape)
        np.testing.assert_array_equal(sums, values[node.output].transpose(0, 3, 1, 2), err_msg=node.name)
    return len(packed)


def _alone(graph: Graph, node: Node) -> Graph:
    """One packed layer as a network from its bits, given as numbers, to its sums."""
    bits, builder = graph.values[node.inputs[0]], GraphBuilder()
    channels, filters = bits.shape[2], graph.values[node.output].shape[2]
    ones = {"rising": Bits.pack(np.ones(channels)), "thresholds": np.full(channels, 0.5, np.float32)}
    assert bits.alphabet is not None
    packed = builder.node("threshold", builder.input(bits.shape), blobs=ones, alphabet=bits.alphabet)
    sums = builder.node("binary_conv2d", packed, attributes=node.attributes, blobs=node.blobs)
    same = {"scale": np.ones(filters, np.float32), "shift": np.zeros(filters, np.float32)}
    return builder.graph(builder.node("affine", sums, blobs=same))


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
