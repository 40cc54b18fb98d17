"""The modules that stand in a trace as one operation each, so that they are lowered as a whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from signbit.binarizers import Binarizer
from signbit.errors import ExportError
from signbit.layers import BinaryConv2d, BinaryLayer, ChannelLayerNorm
from signbit.transforms import QuantizeActivation, QuantizeWeight


@torch.library.custom_op("signbit::opaque", mutates_args=())
def _opaque(x: Tensor, path: str, shape: Sequence[int]) -> Tensor:
    raise NotImplementedError(f"{path}: stands for a module in a trace, and is not run")


@_opaque.register_fake
def _(x: Tensor, path: str, shape: Sequence[int]) -> Tensor:  # noqa: ARG001
    return x.new_empty(shape)


@contextmanager
def kept_whole(names: Mapping[nn.Module, str]) -> Iterator[None]:
    """Binarizers, products of binary layers and channel layer norms as opaque operations."""
    replaced: list[tuple[nn.Module, str]] = []

    def same_shape(path: str) -> Callable[[Tensor], Tensor]:
        return lambda x: _opaque(x, path, x.shape)

    def product(layer: BinaryLayer, path: str) -> Callable[[Tensor], Tensor]:
        return lambda x: _opaque(x, path, _product_shape(layer, x))

    for module, name in names.items():
        if isinstance(module, BinaryLayer):
            module.__dict__["product"] = product(module, name)
            replaced.append((module, "product"))
        elif isinstance(module, Binarizer | ChannelLayerNorm):
            module.__dict__["forward"] = same_shape(name)
            replaced.append((module, "forward"))
    try:
        yield
    finally:
        for module, attribute in replaced:
            del module.__dict__[attribute]


def _product_shape(layer: BinaryLayer, x: Tensor) -> list[int]:
    if not isinstance(layer, BinaryConv2d):
        return [x.shape[0], layer.weight.shape[0]]
    extents = [
        (size + 2 * pad - dilation * (kernel - 1) - 1) // stride + 1
        for size, kernel, stride, pad, dilation in zip(
            x.shape[2:], layer.kernel_size, layer.stride, layer.padding, layer.dilation, strict=True
        )
    ]
    return [x.shape[0], layer.out_channels, *extents]


def check_evaluation(layer: BinaryLayer, path: str) -> None:
    """What evaluates on the grid of the present training step has no counterpart in a file, which holds plain signs."""
    for part in (*layer.input_pipeline, *layer.weight_pipeline):
        if isinstance(part, QuantizeActivation | QuantizeWeight) and part.eval_bits is not None:
            raise ExportError(
                f"{path}: training-only state refused: eval_bits={part.eval_bits!r} evaluates on a grid of the "
                f"{int(part.bits)} bits that training has reached; make the network with eval_bits=None (plain signs), "
                "load this one's state_dict into it and export that"
            )
