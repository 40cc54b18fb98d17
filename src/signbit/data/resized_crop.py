"""Random crops of random size and shape, scaled to one size, half of them mirrored: ImageNet's usual augmentation."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from signbit.errors import ConfigError

AREA = (0.08, 1.0)
ASPECT = (3 / 4, 4 / 3)
TRIES = 10

Box = tuple[int, int, int, int]
"""Left, top, right, bottom."""


@dataclass(frozen=True)
class Crop:
    """What becomes of one picture: the part of it that is kept, and whether that is mirrored."""

    box: Box
    mirrored: bool


def draw_crop(
    width: int,
    height: int,
    random: np.random.Generator,
    area: tuple[float, float] = AREA,
    aspect: tuple[float, float] = ASPECT,
) -> Crop:
    """A random part of a picture: its share of the area uniform in ``area``, width / height log-uniform in ``aspect``.

    A part that does not fit is drawn again, at most 10 times; then it is the largest central part whose shape is
    allowed. Mirrored half of the time.

    Parameters
    ----------
    width, height : of the picture, >= 1.
    random : where chance comes from.
    area : least and largest share of the picture, 0 < least <= largest <= 1; (0.08, 1) from the reference.
    aspect : least and largest width / height, > 0; (3/4, 4/3) from the reference.

    Reference: Szegedy, Liu, Jia, Sermanet, Reed, Anguelov, Erhan, Vanhoucke, Rabinovich, "Going Deeper with
    Convolutions", 2015, section 6.

    >>> draw_crop(1, 1, np.random.default_rng(0)).box
    (0, 0, 1, 1)
    """
    mirrored = bool(random.random() < 0.5)
    for _ in range(TRIES):
        wanted = width * height * random.uniform(*area)
        shape = math.exp(random.uniform(math.log(aspect[0]), math.log(aspect[1])))
        w, h = round(math.sqrt(wanted * shape)), round(math.sqrt(wanted / shape))
        if 0 < w <= width and 0 < h <= height:
            left, top = int(random.integers(width - w + 1)), int(random.integers(height - h + 1))
            return Crop((left, top, left + w, top + h), mirrored)
    w = max(1, min(width, round(height * aspect[1])))
    h = max(1, min(height, round(width / aspect[0])))
    left, top = (width - w) // 2, (height - h) // 2
    return Crop((left, top, left + w, top + h), mirrored)


class ResizedCropFlip(nn.Module):
    """:func:`draw_crop` of every image, scaled back to its size.

    Called with images in memory it cuts and scales those (bilinear, antialiased). A loader of image files cuts the
    part out of the whole picture instead, at full resolution, while it decodes.

    Parameters
    ----------
    area, aspect : see :func:`draw_crop`.

    Shape: float ``[N, C, H, W]``, kept.

    Errors: ConfigError for ranges that are empty or out of bounds.
    """

    def __init__(self, area: tuple[float, float] = AREA, aspect: tuple[float, float] = ASPECT) -> None:
        super().__init__()
        if not (0 < area[0] <= area[1] <= 1 and 0 < aspect[0] <= aspect[1]):
            raise ConfigError(
                f"ResizedCropFlip: 0 < area <= 1 and aspect > 0, each from least to largest; got {area} and {aspect}"
            )
        self.area, self.aspect = area, aspect

    def draw(self, width: int, height: int, random: np.random.Generator) -> Crop:
        """What to keep of one picture."""
        return draw_crop(width, height, random, self.area, self.aspect)

    def forward(self, images: Tensor) -> Tensor:
        """Crop, scale and mirror each image by chance that follows from torch's global random state."""
        height, width = images.shape[-2:]
        random = np.random.default_rng(int(torch.randint(2**62, ())))
        out = torch.empty_like(images)
        for place, image in zip(out, images, strict=True):
            crop = self.draw(width, height, random)
            left, top, right, bottom = crop.box
            part = image[None, :, top:bottom, left:right]
            part = interpolate(part, (height, width), mode="bilinear", antialias=True, align_corners=False)[0]
            place.copy_(part.flip(-1) if crop.mirrored else part)
        return out
