"""What is known about a tensor of the traced network before anything is emitted for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from signbit.alphabet import Alphabet
from signbit.exporter import fold

Order = npt.NDArray[np.intp]
"""Which of torch's features stands at each position: a flatten in the file runs over h, w, c, torch's over c, h, w."""


@dataclass(frozen=True, eq=False)
class MaxPool:
    """Maximum over windows; ``attributes`` as in the file."""

    attributes: Mapping[str, int]
    path: str


@dataclass(frozen=True, eq=False)
class Flatten:
    """``[H, W, C]`` to ``[1, 1, H W C]``."""

    path: str


@dataclass(frozen=True, eq=False)
class Elementwise:
    """A function of each element by itself."""

    step: fold.Step
    path: str


Pending = MaxPool | Flatten | Elementwise
"""Work that is put off until somebody asks for real numbers (do it) or for bits (fold it into a threshold)."""


@dataclass(frozen=True, eq=False)
class Symbol:
    """A tensor: a value of the graph under construction, and the work still to be done on it.

    Attributes
    ----------
    base : index of a value of the graph.
    pending : what remains to be done, in order.
    shape : height, width, channels of the result.
    rank : dimensions that torch sees: 4 for ``[N, C, H, W]``, 2 for ``[N, C]``, 3 on the way from 2 to 4.
    order : of a flattened image's features; None where channels stand as in torch.
    alphabet : what the result was binarized to, None for real numbers.
    """

    base: int
    shape: tuple[int, int, int]
    pending: tuple[Pending, ...] = ()
    rank: int = 4
    order: Order | None = None
    alphabet: Alphabet | None = None

    @property
    def vector(self) -> bool:
        """Whether torch sees ``[N, C]``."""
        return self.rank == 2

    def then(self, step: fold.Step, path: str) -> Symbol:
        """With one more elementwise function at the end."""
        return replace(self, pending=(*self.pending, Elementwise(step, path)))

    def pooled(self, attributes: Mapping[str, int], shape: tuple[int, int, int], path: str) -> Symbol:
        """With a max pool at the end."""
        return replace(self, shape=shape, pending=(*self.pending, MaxPool(attributes, path)))

    def flattened(self, path: str) -> Symbol:
        """As a vector."""
        height, width, channels = self.shape
        if height * width == 1:
            return replace(self, rank=2)
        order = np.arange(height * width * channels).reshape(channels, height, width).transpose(1, 2, 0).ravel()
        pending = (*self.pending, Flatten(path))
        return replace(self, shape=(1, 1, order.size), pending=pending, rank=2, order=order)

    def arranged(self, per_feature: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Torch's per-channel numbers in the order of this tensor's channels."""
        return per_feature if self.order is None else per_feature[..., self.order]
