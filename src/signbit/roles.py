"""What every trainable tensor is, so that nobody has to guess from a layer's type or name.

A module states the roles of its own parameters in an attribute ``parameter_roles`` (parameter name -> role);
what is not stated is ``ORDINARY``. Roles live on modules, not on tensors: so they survive deepcopy and pickling.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn


class Role(Enum):
    """How a parameter is stored and updated."""

    BINARY = "binary"
    """Stored as -1/+1, no latent copy; updated by a flip rule."""
    LATENT = "latent"
    """A real shadow weight, binarized in forward."""
    THRESHOLD = "threshold"
    """A trainable threshold or window of a binarizer; never decayed."""
    ORDINARY = "ordinary"
    """Everything else."""


def parameter_roles(model: nn.Module) -> dict[str, Role]:
    """The role of every parameter of ``model`` by its full name; a shared one is listed once, under its first name."""
    roles: dict[str, Role] = {}
    seen: set[int] = set()
    for prefix, module in model.named_modules():
        stated: dict[str, Role] = getattr(module, "parameter_roles", {})
        for name, parameter in module.named_parameters(recurse=False):
            if id(parameter) not in seen:
                seen.add(id(parameter))
                roles[f"{prefix}.{name}" if prefix else name] = stated.get(name, Role.ORDINARY)
    return roles
