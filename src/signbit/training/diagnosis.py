"""Where a number in a network stopped being finite."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle


@torch.no_grad()
def first_not_finite(network: nn.Module, images: Tensor) -> str | None:
    """What is the first to be NaN or infinite when ``images`` pass through ``network``; None if nothing is.

    Looked at in this order: the images, parameters and buffers, outputs of layers as they are computed.

    >>> network = nn.Sequential(nn.ReLU(), nn.Linear(2, 1))
    >>> first_not_finite(network, torch.tensor([[1e38, 0.0]])) is None
    True
    >>> _ = network[1].weight.data.fill_(1e38)
    >>> first_not_finite(network, torch.tensor([[1e38, 0.0]]))
    "the output of layer '1' (Linear)"
    """
    if not _is_finite(images):
        return "a pixel of the images"
    for name, tensor in (*network.named_parameters(), *network.named_buffers()):
        if not _is_finite(tensor):
            layer, _, part = name.rpartition(".")
            return f"{part!r} of layer {_named(layer, network.get_submodule(layer))}, since the step before"
    found: list[str] = []

    def look(name: str) -> Any:
        def hook(module: nn.Module, _inputs: object, output: object) -> None:
            if not found and isinstance(output, Tensor) and not _is_finite(output):
                found.append(f"the output of layer {_named(name, module)}")

        return hook

    handles: list[RemovableHandle] = []
    try:
        handles += [module.register_forward_hook(look(name)) for name, module in network.named_modules()]
        network(images)
    finally:
        for handle in handles:
            handle.remove()
    return found[0] if found else None


def _is_finite(tensor: Tensor) -> bool:
    return bool(torch.isfinite(tensor).all())


def _named(name: str, module: nn.Module) -> str:
    return f"{name!r} ({type(module).__name__})"
