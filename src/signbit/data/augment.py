"""Augmentation of whole batches, by Kornia.

Kornia takes 5.6 ms for crop and flip of 128 CIFAR images on one core of a Zen 3 server, under 3 % of a 200 ms step.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from signbit.registry import Registry

PAD_PIXELS = 4

Build = Callable[[int, int], nn.Module]
"""``(height, width) ->`` a module that maps a batch of images in [0, 1] to another one of the same shape."""

AUGMENTATIONS: Registry[Build] = Registry("augmentation")


@AUGMENTATIONS.register("none", "images as they are")
def no_augmentation(height: int, width: int) -> nn.Module:  # noqa: ARG001 - every builder has the same signature
    """The identity."""
    return nn.Identity()


@AUGMENTATIONS.register("crop-flip", "random crop after padding by 4 black pixels, and mirroring half of the time")
def crop_flip(height: int, width: int) -> nn.Module:
    """The usual augmentation of CIFAR-10: pad by 4 zeros, crop at random, mirror half of the images."""
    from kornia.augmentation import RandomCrop, RandomHorizontalFlip

    return nn.Sequential(
        RandomCrop((height, width), padding=PAD_PIXELS, cropping_mode="slice"), RandomHorizontalFlip(p=0.5)
    )


@AUGMENTATIONS.register(
    "crop-flip-autoaugment-cutout",
    "crop and flip, AutoAugment's policy for CIFAR-10, then a black square of 16 x 16",
    "Cubuk, Zoph, Mane, Vasudevan, Le, AutoAugment, 2019; DeVries, Taylor, Cutout, 2017",
)
def crop_flip_autoaugment_cutout(height: int, width: int) -> nn.Module:
    """Crop and flip, then :class:`~signbit.data.autoaugment.AutoAugment`, then Cutout of 16 x 16; RGB only."""
    from signbit.data.autoaugment import AutoAugment
    from signbit.data.cutout import Cutout

    return nn.Sequential(crop_flip(height, width), AutoAugment(), Cutout(16))


@AUGMENTATIONS.register(
    "resized-crop-flip",
    "a random part of the picture, 8 % to all of its area, scaled to the input size, mirrored half of the time",
    "Szegedy et al., Going Deeper with Convolutions, 2015",
)
def resized_crop_flip(height: int, width: int) -> nn.Module:  # noqa: ARG001 - every builder has the same signature
    """The usual augmentation of ImageNet: :class:`~signbit.data.resized_crop.ResizedCropFlip`."""
    from signbit.data.resized_crop import ResizedCropFlip

    return ResizedCropFlip()


def augment(images: Tensor, augmentation: nn.Module, seed: int) -> Tensor:
    """Apply ``augmentation`` to a batch: the same result for the same ``seed``, the global random state left as it was.

    Parameters
    ----------
    images : float ``[N, C, H, W]`` in [0, 1].
    augmentation : what an entry of ``AUGMENTATIONS`` built.
    seed : 0 .. 2**63 - 1.
    """
    if isinstance(augmentation, nn.Identity):
        return images
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        out: Tensor = augmentation(images)
    return out
