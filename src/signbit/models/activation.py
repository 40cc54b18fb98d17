"""The nonlinearities that a network may have besides the signs of its binary layers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

from torch import nn

Activation = Literal["hardtanh", "prelu", "none"]
"""``min(max(x, -1), 1)``; ``x`` or a learned slope per channel times x below 0 (0.25 at first); x."""

ACTIVATIONS: Mapping[str, Callable[[int], nn.Module]] = {
    "hardtanh": lambda _channels: nn.Hardtanh(),
    "prelu": nn.PReLU,
    "none": lambda _channels: nn.Identity(),
}
"""Name -> (channels -> fresh module)."""
