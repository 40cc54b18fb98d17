"""Cutout: a black square somewhere in every image."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from signbit.errors import ConfigError


class Cutout(nn.Module):
    """Sets a square of every image to 0. Its centre is any pixel: at the border a part of the square lies outside.

    Parameters
    ----------
    side : of the square in pixels, even, >= 2; 16 on CIFAR-10 (the paper).

    Shape: ``[N, C, H, W] -> [N, C, H, W]``.

    Errors: ConfigError for another side.

    Reference: DeVries, Taylor, "Improved Regularization of Convolutional Neural Networks with Cutout", 2017.

    >>> int((Cutout(2)(torch.ones(1, 1, 9, 9)) == 0).sum()) in (1, 2, 4)
    True
    """

    def __init__(self, side: int = 16) -> None:
        super().__init__()
        if side < 2 or side % 2:
            raise ConfigError(f"Cutout: side is an even number of pixels, >= 2; got {side}")
        self.side = side

    def forward(self, images: Tensor) -> Tensor:
        """Images with a hole."""
        rows, columns = (self._covered(len(images), size) for size in images.shape[2:])
        return images.masked_fill((rows.unsqueeze(2) & columns.unsqueeze(1)).unsqueeze(1), 0.0)

    def _covered(self, count: int, size: int) -> Tensor:
        """``[count, size]``: which rows (columns) of each image the square covers."""
        first = torch.randint(size, (count, 1)) - self.side // 2
        position = torch.arange(size)
        return (position >= first) & (position < first + self.side)
