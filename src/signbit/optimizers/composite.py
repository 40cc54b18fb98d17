"""Several optimizers as one."""

from __future__ import annotations

from torch.optim import Optimizer

from signbit.errors import ConfigError
from signbit.optimizers.joined import JoinedOptimizer


class Composite(JoinedOptimizer):
    """Steps several optimizers, each in charge of parameters of its own.

    Parameters
    ----------
    parts : name -> optimizer; no parameter in two of them. ``parts[name]`` stays accessible.

    >>> import torch
    >>> a, b = torch.nn.Parameter(torch.ones(2)), torch.nn.Parameter(torch.ones(3))
    >>> both = Composite({"slow": torch.optim.SGD([a], lr=0.1), "fast": torch.optim.SGD([b], lr=1.0)})
    >>> [group["lr"] for group in both.param_groups]
    [0.1, 1.0]
    """

    def __init__(self, parts: dict[str, Optimizer]) -> None:
        owner: dict[int, str] = {}
        for name, part in parts.items():
            for parameter in (p for group in part.param_groups for p in group["params"]):
                if id(parameter) in owner:
                    raise ConfigError(
                        f"Composite: a parameter has one owner; one of shape {list(parameter.shape)} is in both "
                        f"{owner[id(parameter)]!r} and {name!r}; remove it from one of them"
                    )
                owner[id(parameter)] = name
        super().__init__(parts)

    def update(self) -> None:
        """Step every part in order."""
        for part in self.parts.values():
            part.step()
