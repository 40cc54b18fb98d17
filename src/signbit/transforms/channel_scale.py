"""One trained factor per output channel."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from signbit.transforms.base import Transform


class ChannelScale(Transform):
    """Every channel multiplied by a trained number.

    Forward: ``y_c = alpha_c x_c``. Backward, upstream gradient G:
    ``dL/dx_c = alpha_c G_c``, ``dL/dalpha_c = sum(G_c x_c)`` over batch, height and width.

    Parameters
    ----------
    channels : >= 1. ``alpha`` starts as an even draw from [0, 1) (released code of the reference).

    Folds: into the threshold, batch norm or addition that follows.

    Shape: ``[N, C, H, W]``, kept.

    Reference: Fontana, Lanzino, Diko, Foresti, Cinque, "CycleBNN", 2024 (released code).
    """

    folds = True

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.rand(channels))

    def forward(self, x: Tensor) -> Tensor:
        """The scaled ``x``."""
        return x * self.alpha.view(-1, 1, 1)

    def extra_repr(self) -> str:
        """The settings, for ``print(model)``."""
        return f"{len(self.alpha)}"
