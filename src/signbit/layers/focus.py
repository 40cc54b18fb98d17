"""Which filters of a network's binary layers get a weight gradient."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from signbit.layers.pipeline import BinaryLayer


def focus_gradients(network: nn.Module, masks: Mapping[nn.Parameter, Tensor]) -> None:
    """Compute weight gradients of only these filters: weight -> bool ``[O]``; of all filters of weights not named.

    Convolutions in groups always compute all.
    """
    for layer in network.modules():
        if isinstance(layer, BinaryLayer):
            mask = masks.get(layer.weight)
            layer.active_filters = None if mask is None or bool(mask.all()) else mask.nonzero().flatten()
