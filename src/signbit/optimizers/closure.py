"""The function that a step may be given."""

from __future__ import annotations

from collections.abc import Callable

import torch


def evaluated(closure: Callable[[], float] | None) -> float | None:
    """The loss of a step's closure, which leaves gradients behind; None without one."""
    if closure is None:
        return None
    with torch.enable_grad():
        return closure()
