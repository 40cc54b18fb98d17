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
class Subsample:
    """Every ``stride_h``-th row and every ``stride_w``-th column."""

    stride_h: int
    stride_w: int
    path: str


@dataclass(frozen=True, eq=False)
class Pad:
    """Zeros around an image; ``sides`` are top, left, bottom, right."""

    sides: tuple[int, int, int, int]
    path: str


@dataclass(frozen=True, eq=False)
class Elementwise:
    """A function of each element by itself."""

    step: fold.Step
    path: str


Pending = MaxPool | Flatten | Subsample | Pad | Elementwise
"""Work that is put off until somebody asks for real numbers (do it) or for bits (fold it into a threshold)."""


@dataclass(frozen=True, eq=False)
class Symbol:
    """A tensor: the result of an operation, and the work still to be done on it.

    Attributes
    ----------
    base : index of a value of the graph; while a network is recorded, 0 for its input and n for what its n-th action
        makes.
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
    def dimensions(self) -> tuple[int, ...]:
        """The shape that torch sees, without the batch."""
        height, width, channels = self.shape
        return (channels, height, width)[: self.rank - 1]

    @property
    def vector(self) -> bool:
        """Whether torch sees ``[N, C]``."""
        return self.rank == 2

    def then(self, step: fold.Step, path: str) -> Symbol:
        """With one more elementwise function at the end."""
        return replace(self, pending=(*self.pending, Elementwise(step, path)))

    def pooled(self, attributes: Mapping[str, int], shape: tuple[int, int, int], path: str) -> Symbol:
        """With a max pool at the end."""
        return self.moved(MaxPool(attributes, path), shape)

    def moved(self, item: Pending, shape: tuple[int, int, int]) -> Symbol:
        """With something else pending at the end, which gives images of ``shape``."""
        return replace(self, shape=shape, pending=(*self.pending, item))

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
