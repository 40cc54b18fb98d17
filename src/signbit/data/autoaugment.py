"""AutoAugment with the policy for CIFAR-10: every image draws a sub-policy of its own.

Kornia's class draws one sub-policy for a whole batch, and its ranges are not the published ones (a shear of 0.3 becomes
54 degrees, brightness is added). So the operations stand here, on Kornia's pixel functions; the policy is Kornia's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn
from torch.nn.functional import affine_grid, grid_sample

from signbit.errors import ConfigError

LEVELS = 9
"""The strongest level of an operation; level 0 is none."""

MAX_SHEAR, MAX_SHIFT, MAX_DEGREES, MAX_BLEND = 0.3, 150 / 331, 30.0, 0.9
"""Tangent; share of the side; degrees; distance of a blend's factor from 1."""

GREY = 128 / 255
"""What moves into an image from outside."""

Operation = Callable[[Tensor, float, Tensor], Tensor]
"""(images ``[N, 3, H, W]`` in [0, 1], strength 0 .. 1, signs -1 or 1 ``[N]``) -> images."""


class AutoAugment(nn.Module):
    """Applies to every image one of the 25 sub-policies found for CIFAR-10, drawn uniformly.

    A sub-policy is two operations, each done with a probability and at a level of 0 to 9; what has a direction or makes
    more or less of something draws its sign evenly. Angles up to 30 degrees, shears up to 0.3, shifts up to 150/331 of
    a side; colour, contrast, brightness and sharpness blend with a factor of 1 -/+ 0.9 level / 9; posterize keeps 8 to
    4 bits; solarize inverts from 1 - level / 9. Uncovered pixels are grey (128).

    Shape: ``[N, 3, H, W] -> [N, 3, H, W]``, in [0, 1].

    Errors: ConfigError for images that are not of three channels.

    Reference: Cubuk, Zoph, Mane, Vasudevan, Le, "AutoAugment: Learning Augmentation Policies from Data", 2019.
    """

    def __init__(self) -> None:
        super().__init__()
        from kornia.augmentation.auto.autoaugment.autoaugment import cifar10_policy

        self.policy = [[(name, float(p), level or 0) for name, p, level in sub] for sub in cifar10_policy]

    def forward(self, images: Tensor) -> Tensor:
        """Augmented images."""
        if images.shape[1] != 3:
            raise ConfigError(
                f"AutoAugment's policy is for RGB images; got {images.shape[1]} channel(s); choose another"
            )
        images = images.clone()
        drawn = torch.randint(len(self.policy), (len(images),))
        for index, sub_policy in enumerate(self.policy):
            for name, probability, level in sub_policy:
                chosen = torch.nonzero((drawn == index) & (torch.rand(len(images)) < probability)).flatten()
                signs = 1 - 2 * torch.randint(2, (len(chosen),)).float()
                if len(chosen):
                    images[chosen] = OPERATIONS[name](images[chosen], level / LEVELS, signs)
        return images


def _warp(images: Tensor, matrices: Tensor) -> Tensor:
    """Nearest pixels under affine maps ``[N, 2, 3]`` of output to input, both from -1 to 1; grey from outside."""
    grid = affine_grid(matrices, list(images.shape), align_corners=False)
    warped: Tensor = grid_sample(images - GREY, grid, mode="nearest", align_corners=False) + GREY
    return warped.clamp(0, 1)


def _identities(count: int) -> Tensor:
    return torch.eye(2, 3).repeat(count, 1, 1)


def _shear(row: int) -> Operation:
    """Row 0 moves pixels along x in proportion to y, about the centre; row 1 the other way round."""

    def apply(images: Tensor, strength: float, signs: Tensor) -> Tensor:
        matrices = _identities(len(images))
        sides = images.shape[3], images.shape[2]
        matrices[:, row, 1 - row] = signs * strength * MAX_SHEAR * sides[1 - row] / sides[row]
        return _warp(images, matrices)

    return apply


def _shift(row: int) -> Operation:
    """Row 0 moves along x, row 1 along y."""

    def apply(images: Tensor, strength: float, signs: Tensor) -> Tensor:
        matrices = _identities(len(images))
        matrices[:, row, 2] = signs * 2 * strength * MAX_SHIFT
        return _warp(images, matrices)

    return apply


def _rotate(images: Tensor, strength: float, signs: Tensor) -> Tensor:
    angles = torch.deg2rad(signs * strength * MAX_DEGREES)
    matrices, (height, width) = _identities(len(images)), images.shape[2:]
    matrices[:, 0, 0] = matrices[:, 1, 1] = angles.cos()
    matrices[:, 0, 1] = -angles.sin() * height / width
    matrices[:, 1, 0] = angles.sin() * width / height
    return _warp(images, matrices)


def _blend(function: str) -> Operation:
    def apply(images: Tensor, strength: float, signs: Tensor) -> Tensor:
        from kornia import enhance

        out: Tensor = getattr(enhance, function)(images, 1 + signs * strength * MAX_BLEND)
        return out

    return apply


def _posterize(images: Tensor, strength: float, _signs: Tensor) -> Tensor:
    step = 2 ** round(4 * strength)
    kept: Tensor = torch.floor((images * 255).round() / step) * step / 255
    return kept


def _solarize(images: Tensor, strength: float, _signs: Tensor) -> Tensor:
    return torch.where(images >= 1 - strength, 1 - images, images)


def _auto_contrast(images: Tensor, _strength: float, _signs: Tensor) -> Tensor:
    """Stretch every channel to 0 .. 1; one of a single value stays."""
    low, high = images.amin((2, 3), keepdim=True), images.amax((2, 3), keepdim=True)
    return torch.where(high > low, (images - low) / (high - low).clamp(min=1e-6), images)


def _equalize(images: Tensor, _strength: float, _signs: Tensor) -> Tensor:
    from kornia import enhance

    out: Tensor = enhance.equalize(images)
    return out


def _invert(images: Tensor, _strength: float, _signs: Tensor) -> Tensor:
    return 1 - images


OPERATIONS: Mapping[str, Operation] = {
    "shear_x": _shear(0),
    "shear_y": _shear(1),
    "translate_x": _shift(0),
    "translate_y": _shift(1),
    "rotate": _rotate,
    "color": _blend("adjust_saturation_with_gray_subtraction"),
    "contrast": _blend("adjust_contrast_with_mean_subtraction"),
    "brightness": _blend("adjust_brightness_accumulative"),
    "sharpness": _blend("sharpness"),
    "posterize": _posterize,
    "solarize": _solarize,
    "auto_contrast": _auto_contrast,
    "equalize": _equalize,
    "invert": _invert,
}
