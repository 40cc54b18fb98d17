"""What every transform is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from torch import Tensor, nn


class Transform(nn.Module, ABC):
    """A real-to-real module that stands before a binarizer in a pipeline.

    Activations are ``[N, C, H, W]`` (those of a linear layer have one pixel), weights ``[O, ...]``.

    ``folds`` says whether its effect is constant at export and disappears into weights or thresholds; one that
    does not fold costs work in the deployed network.
    """

    folds: ClassVar[bool]

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """The transformed ``x``, same shape."""
