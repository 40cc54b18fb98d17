"""What every layer of a network costs: parameters, products, memory."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from signbit.errors import ConfigError, ShapeError
from signbit.roles import Role, parameter_roles

ONE_BIT = (Role.BINARY, Role.LATENT)
"""Roles of weights that take one bit each once training is over."""


@dataclass(frozen=True)
class LayerCost:
    """One module with parameters, or one convolution or linear layer with all its parts; counts are for one image.

    Attributes
    ----------
    name, kind : path and type of the module.
    kernel, stride : of a convolution, (height, width); None elsewhere.
    groups : of a convolution; 1 elsewhere.
    output_shape : without the batch.
    input_bits, weight_bits : 1 or 32: precision of the operands of its products. Both 0 where it has no products.
    one_bit_parameters : weights of role BINARY or LATENT.
    parameters : all others; the parts of a layer (thresholds, scales) are counted with it.
    macs : multiply-accumulates of the module's own convolution or matrix product.
    activation_bytes : what it reads, an element a bit where it binarizes and 4 bytes elsewhere, and what it writes, 4
        bytes an element. What waits beside it (shortcuts) is not in it.
    takes_weight_gradient, passes_gradient : which products a training step computes for it besides the forward one.
    """

    name: str
    kind: str
    kernel: tuple[int, int] | None
    stride: tuple[int, int] | None
    groups: int
    output_shape: tuple[int, ...]
    input_bits: int
    weight_bits: int
    one_bit_parameters: int
    parameters: int
    macs: int
    activation_bytes: int
    takes_weight_gradient: bool
    passes_gradient: bool

    @property
    def one_bit_macs(self) -> int:
        """Products of a bit and a bit."""
        return self.macs if self.input_bits == self.weight_bits == 1 else 0

    @property
    def float_macs(self) -> int:
        """All other products: one with a real input is float arithmetic, whatever its weights are."""
        return self.macs - self.one_bit_macs


def layer_costs(model: nn.Module, input_size: tuple[int, ...]) -> tuple[LayerCost, ...]:
    """Costs of every module with parameters of its own, in the order of the model's modules.

    A binary layer is recognised by the role of its weight; that it binarizes its input, by an ``input_pipeline`` that
    is not empty. Convolutions and linear layers inside its pipelines are listed by themselves. Products count where a
    module computes them (``nn.Conv*``, ``nn.Linear`` and binary layers); a module called twice counts twice.

    Parameters
    ----------
    model : run once, in evaluation mode, on one image of zeros; its modes and its state stay as they are.
    input_size : (batch, channels, height, width); the batch is not used.

    Errors
    ------
    ShapeError : the network does not take such images.

    >>> net = nn.Sequential(nn.Conv2d(2, 4, 3, bias=False), nn.ReLU(), nn.Conv2d(4, 4, 1, groups=2))
    >>> [(cost.name, cost.parameters, cost.macs) for cost in layer_costs(net, (1, 2, 5, 5))]
    [('0', 72, 648), ('2', 12, 72)]
    """
    if len(input_size) < 2 or any(not isinstance(extent, int) or extent < 1 for extent in input_size):
        raise ConfigError(f"input_size is (batch, channels, height, width), integers >= 1; got {input_size!r}")
    calls: dict[nn.Module, _Calls] = {}

    def hook(module: nn.Module, arguments: tuple[Any, ...], output: Any) -> None:
        if isinstance(output, Tensor) and arguments and isinstance(arguments[0], Tensor):
            calls.setdefault(module, _Calls()).add(module, arguments[0], output)

    modules = dict(model.named_modules())
    listed = [name for name, module in modules.items() if any(True for _ in module.parameters(recurse=False))]
    parameters = list(model.parameters())
    example = parameters[0] if parameters else torch.zeros(())
    image = torch.zeros((1, *input_size[1:]), dtype=example.dtype, device=example.device)
    handles = [modules[name].register_forward_hook(hook) for name in listed]
    try:
        with _evaluating(model), torch.enable_grad():
            model(image)
    except (RuntimeError, ShapeError) as error:
        raise ShapeError(f"the network does not take images {list(input_size[1:])}: {error}") from error
    finally:
        for handle in handles:
            handle.remove()
    counts = _parameters_by_layer(model, listed)
    return tuple(
        _cost(name, modules[name], calls.get(modules[name], _Calls()), *counts.get(name, (0, 0)))
        for name in listed
        if name in counts or _multiplies(modules[name])
    )


@dataclass
class _Calls:
    """What was seen of one module."""

    output_shape: tuple[int, ...] = ()
    macs: int = 0
    activation_bytes: int = 0
    input_takes_gradient: bool = False

    def add(self, module: nn.Module, x: Tensor, y: Tensor) -> None:
        self.output_shape = tuple(y.shape[1:])
        weight = getattr(module, "weight", None)
        if _multiplies(module):
            assert isinstance(weight, Tensor)
            transposed = getattr(module, "transposed", False)
            self.macs += (x if transposed else y).numel() * weight[0].numel()
        read = math.ceil(x.numel() / 8) if _input_pipeline(module) else 4 * x.numel()
        self.activation_bytes = max(self.activation_bytes, read + 4 * y.numel())
        own = _input_pipeline(module)
        self.input_takes_gradient |= x.requires_grad or any(p.requires_grad for part in own for p in part.parameters())


def _cost(name: str, module: nn.Module, calls: _Calls, one_bit: int, others: int) -> LayerCost:
    multiplies, weight = _multiplies(module), getattr(module, "weight", None)
    kernel, stride = getattr(module, "kernel_size", None), getattr(module, "stride", None)
    return LayerCost(
        name=name,
        kind=type(module).__name__,
        kernel=_pair(kernel) if multiplies and kernel is not None else None,
        stride=_pair(stride) if multiplies and stride is not None else None,
        groups=int(getattr(module, "groups", 1)) if multiplies else 1,
        output_shape=calls.output_shape,
        input_bits=(1 if _input_pipeline(module) else 32) if multiplies else 0,
        weight_bits=(1 if _weight_role(module) in ONE_BIT else 32) if multiplies else 0,
        one_bit_parameters=one_bit,
        parameters=others,
        macs=calls.macs,
        activation_bytes=calls.activation_bytes,
        takes_weight_gradient=multiplies and isinstance(weight, Tensor) and weight.requires_grad,
        passes_gradient=multiplies and calls.input_takes_gradient,
    )


def _multiplies(module: nn.Module) -> bool:
    products = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
    return isinstance(module, products) or _weight_role(module) in ONE_BIT


def _weight_role(module: nn.Module) -> Role:
    stated: dict[str, Role] = getattr(module, "parameter_roles", {})
    return stated.get("weight", Role.ORDINARY)


def _input_pipeline(module: nn.Module) -> list[nn.Module]:
    pipeline = getattr(module, "input_pipeline", None)
    return list(pipeline) if isinstance(pipeline, nn.Sequential) else []


def _pair(value: Any) -> tuple[int, int]:
    if isinstance(value, int):
        return value, value
    numbers = tuple(int(number) for number in value)
    return (1, numbers[0]) if len(numbers) == 1 else (numbers[-2], numbers[-1])


def _parameters_by_layer(model: nn.Module, listed: list[str]) -> dict[str, tuple[int, int]]:
    """1-bit and other parameters of each row. What lies inside a binary layer belongs to it, its products excepted."""
    roles = parameter_roles(model)
    modules = dict(model.named_modules())
    binary = [name for name in listed if _weight_role(modules[name]) in ONE_BIT]
    counts: dict[str, list[int]] = {}
    for name, parameter in model.named_parameters():
        owner = name.rpartition(".")[0]
        if not _multiplies(modules[owner]):
            owner = next((layer for layer in binary if owner.startswith(f"{layer}.")), owner)
        row = counts.setdefault(owner, [0, 0])
        row[0 if roles[name] in ONE_BIT else 1] += parameter.numel()
    return {name: (row[0], row[1]) for name, row in counts.items()}


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        yield
    finally:
        for module, training in modes.items():
            module.training = training
