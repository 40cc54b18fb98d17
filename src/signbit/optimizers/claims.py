"""Every trainable parameter has exactly one owner."""

from __future__ import annotations

from collections import Counter

from torch import nn
from torch.optim import Optimizer

from signbit.errors import ConfigError
from signbit.roles import Role, parameter_roles

NamedParameters = list[tuple[str, nn.Parameter]]


def parameters_by_role(model: nn.Module) -> dict[Role, NamedParameters]:
    """The trainable parameters of ``model`` by role, in the order of :class:`Role`; each once, under its full name."""
    groups: dict[Role, NamedParameters] = {role: [] for role in Role}
    roles = parameter_roles(model)
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            groups[roles[name]].append((name, parameter))
    return {role: named for role, named in groups.items() if named}


def check_claims(model: nn.Module, optimizer: Optimizer) -> None:
    """Raise ConfigError unless ``optimizer`` owns every trainable parameter of ``model`` once, and nothing else."""
    owned = Counter(id(p) for group in optimizer.param_groups for p in group["params"])
    problems = []
    for name, parameter in model.named_parameters():
        count = owned.pop(id(parameter), 0)
        if count == 0 and parameter.requires_grad:
            problems.append(f"{name} is claimed by none")
        elif count > 1:
            problems.append(f"{name} is claimed {count} times")
    if owned:
        problems.append(f"{len(owned)} claimed parameters are not the model's")
    if problems:
        shown = ", ".join(problems[:5]) + (f" and {len(problems) - 5} more" if len(problems) > 5 else "")
        raise ConfigError(f"every trainable parameter is claimed exactly once; {shown}; change the method's rules")
