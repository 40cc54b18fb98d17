"""What is done to a tensor of another project before it is loaded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor

from signbit.errors import ConfigError, UnknownNameError

VALUES = ("numbers", "signs", "bits")


@dataclass(frozen=True)
class TensorRule:
    """What is done to a tensor before it is loaded.

    Attributes
    ----------
    transpose : order of its axes, as for ``Tensor.permute``; default: as they are.
    values : "numbers" (default) are taken as they are; of "signs" only the sign counts, +1 at 0; "bits" are 0 for -1
        and 1 for +1.
    """

    transpose: tuple[int, ...] | None = None
    values: str = "numbers"

    @staticmethod
    def from_dict(pattern: str, raw: Any) -> TensorRule:
        """The rule for the tensors that ``pattern`` names, from plain data; :class:`ConfigError` for anything else."""
        known = [each.name for each in fields(TensorRule)]
        if not isinstance(raw, Mapping):
            raise ConfigError(f"key map, tensors: {pattern!r} needs {' or '.join(known)}; got {raw!r}")
        for name in raw:
            if name not in known:
                raise UnknownNameError("rule for a tensor", str(name), known)
        values, transpose = raw.get("values", "numbers"), raw.get("transpose")
        if values not in VALUES:
            raise UnknownNameError("kind of values", str(values), VALUES)
        if transpose is not None and not (isinstance(transpose, list) and all(type(axis) is int for axis in transpose)):
            raise ConfigError(
                f"key map, tensors: transpose is a list of axes, for example [3, 2, 0, 1]; got {transpose!r}"
            )
        return TensorRule(None if transpose is None else tuple(transpose), values)

    def __call__(self, name: str, tensor: Tensor) -> Tensor:
        """The tensor as it is loaded under ``name``."""
        if self.transpose is not None:
            if sorted(self.transpose) != list(range(tensor.dim())):
                raise ConfigError(
                    f"key map, tensors: transpose {list(self.transpose)} does not order the {tensor.dim()} axes of "
                    f"{name}, {list(tensor.shape)}; name each axis once"
                )
            tensor = tensor.permute(self.transpose)
        if self.values == "numbers":
            return tensor
        if self.values == "bits" and not ((tensor == 0) | (tensor == 1)).all():
            raise ConfigError(f"key map, tensors: {name} holds other values than the bits 0 and 1; try values: signs")
        ones = tensor > 0 if self.values == "bits" else tensor >= 0
        return torch.where(ones, 1.0, -1.0)
