"""One factor per filter: the mean magnitude of its weights."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class MeanAbsScale(nn.Module):
    """The factors ``alpha_o`` for which ``alpha_o sign(w_o)`` is nearest to ``w_o``; a layer's ``filter_scale``.

    Forward, filter o of n numbers: ``alpha_o = mean|w_o|``.
    Backward, upstream gradient G: ``dL/dw = sign(w) G_o / n``, ``sign(0) = +1``.

    Folds: constant once training is over; it goes into the threshold, batch norm or addition that follows.

    Shape: ``[O, ...] -> [O]``.

    Reference: Rastegari, Ordonez, Redmon, Farhadi, "XNOR-Net", 2016.

    >>> MeanAbsScale()(torch.tensor([[-1.0, 2.0], [0.0, 0.5]]))
    tensor([1.5000, 0.2500])
    """

    def forward(self, weight: Tensor) -> Tensor:
        """One factor per filter."""
        magnitude = torch.where(weight < 0, -weight, weight)  # unlike abs, with a gradient at 0
        return magnitude.flatten(1).mean(1)
