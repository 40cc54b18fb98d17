"""AutoAugment against Pillow, operation by operation; Cutout against its definition."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance, ImageOps
from torch import Tensor

from signbit.data.augment import AUGMENTATIONS, augment
from signbit.data.autoaugment import GREY, OPERATIONS, AutoAugment
from signbit.data.cutout import Cutout
from signbit.errors import ConfigError

STRONG = "crop-flip-autoaugment-cutout"


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    """Smooth colour images that do not use the whole range."""
    y, x = np.mgrid[0:32, 0:32] / 31
    waves = [np.stack([np.sin(3 * x + k), np.cos(4 * y - k), np.sin(5 * x * y + 2 * k)]) for k in range(4)]
    return (20 + 200 * (np.stack(waves) + 1) / 2).round().astype(np.uint8)


def as_images(pixels: np.ndarray) -> Tensor:
    return torch.from_numpy(pixels).float().div(255)


def by_pillow(name: str, image: Image.Image, strength: float, sign: int) -> Image.Image:
    enhancers = {
        "color": ImageEnhance.Color,
        "contrast": ImageEnhance.Contrast,
        "brightness": ImageEnhance.Brightness,
        "sharpness": ImageEnhance.Sharpness,
    }
    if name in enhancers:
        return enhancers[name](image).enhance(1 + sign * 0.9 * strength)
    return {
        "posterize": lambda: ImageOps.posterize(image, 8 - round(4 * strength)),
        "auto_contrast": lambda: ImageOps.autocontrast(image),
        "equalize": lambda: ImageOps.equalize(image),
        "invert": lambda: ImageOps.invert(image),
        "rotate": lambda: image.rotate(sign * strength * 30, fillcolor=(128, 128, 128)),
    }[name]()


@pytest.mark.parametrize("sign", [-1, 1])
@pytest.mark.parametrize("level", [0, 3, 7, 9])
@pytest.mark.parametrize(
    "name", ["color", "contrast", "brightness", "sharpness", "posterize", "auto_contrast", "equalize", "invert"]
)
def test_pixel_operations_are_pillows(pixels: np.ndarray, name: str, level: int, sign: int) -> None:
    ours = OPERATIONS[name](as_images(pixels), level / 9, torch.full((4,), float(sign)))
    theirs = np.stack(
        [np.asarray(by_pillow(name, Image.fromarray(p.transpose(1, 2, 0)), level / 9, sign)) for p in pixels]
    )
    # Pillow rounds or cuts to whole grey levels after every stage, Contrast the mean too.
    np.testing.assert_allclose(ours.numpy() * 255, theirs.transpose(0, 3, 1, 2), atol=2)


@pytest.mark.parametrize("sign", [-1, 1])
def test_rotation_is_pillows(pixels: np.ndarray, sign: int) -> None:
    ours = OPERATIONS["rotate"](as_images(pixels), 0.5, torch.full((4,), float(sign)))
    theirs = np.stack(
        [np.asarray(by_pillow("rotate", Image.fromarray(p.transpose(1, 2, 0)), 0.5, sign)) for p in pixels]
    )
    # The nearest pixel of a point between two may be either.
    same = np.abs(ours.numpy() * 255 - theirs.transpose(0, 3, 1, 2)) < 1
    assert same.mean() > 0.98


def test_shifts_and_shears_move_pixels_by_the_published_distances() -> None:
    images = torch.rand(2, 3, 32, 32)
    signs = torch.tensor([1.0, -1.0])
    shift = round(150 / 331 * 32)
    along_x = OPERATIONS["translate_x"](images, 1.0, signs)
    torch.testing.assert_close(along_x[0, :, :, : 31 - shift], images[0, :, :, shift:31])
    assert torch.allclose(along_x[0, :, :, 32 - shift + 1 :], torch.tensor(GREY))
    torch.testing.assert_close(
        OPERATIONS["translate_y"](images.transpose(2, 3), 1.0, signs).transpose(2, 3), along_x, rtol=0, atol=0
    )
    sheared = OPERATIONS["shear_x"](images, 1.0, signs)
    for row in (0, 8, 20, 31):
        offset = 0.3 * (row - 15.5)
        for column in range(6, 26):
            torch.testing.assert_close(sheared[0, :, row, column], images[0, :, row, round(column + offset)])
    torch.testing.assert_close(
        OPERATIONS["shear_y"](images.transpose(2, 3), 1.0, signs).transpose(2, 3), sheared, rtol=0, atol=0
    )


def test_solarize_inverts_what_is_bright() -> None:
    images = torch.tensor([0.1, 0.4, 0.6, 0.9]).view(1, 1, 2, 2).expand(1, 3, 2, 2)
    out = OPERATIONS["solarize"](images, 0.5, torch.ones(1))
    torch.testing.assert_close(out[0, 0].flatten(), torch.tensor([0.1, 0.4, 0.4, 0.1]))


def test_every_image_draws_a_sub_policy_of_its_own(pixels: np.ndarray) -> None:
    torch.manual_seed(0)
    images = as_images(pixels[:1]).repeat(200, 1, 1, 1)
    out = AutoAugment()(images)
    assert out.min() >= 0
    assert out.max() <= 1
    different = torch.unique(out.flatten(1), dim=0)
    assert len(different) > 25, "one sub-policy for a whole batch gives few different images"
    assert len(AutoAugment().policy) == 25


def test_cutout_clears_one_square_with_its_centre_anywhere() -> None:
    torch.manual_seed(0)
    holes = Cutout(16)(torch.ones(2000, 3, 32, 32)) == 0
    assert torch.equal(holes[:, 0], holes[:, 2])
    rows, columns = holes[:, 0].any(2), holes[:, 0].any(1)
    assert torch.equal(holes[:, 0], rows.unsqueeze(2) & columns.unsqueeze(1))
    heights = rows.sum(1)
    assert set(heights.tolist()) == set(range(8, 17))
    whole = heights == 16
    assert 0.45 < whole.float().mean() < 0.6, "17 of 32 centres leave the whole square inside"
    for side in (0, 3):
        with pytest.raises(ConfigError, match="even number of pixels"):
            Cutout(side)


def test_strong_augmentation_follows_its_seed_and_stays_in_range(pixels: np.ndarray) -> None:
    images, module = as_images(pixels).repeat(8, 1, 1, 1), AUGMENTATIONS[STRONG].target(32, 32)
    first = augment(images, module, seed=5)
    assert first.shape == images.shape
    assert 0 <= first.min() <= first.max() <= 1
    assert torch.equal(first, augment(images, module, seed=5))
    assert not torch.equal(first, augment(images, module, seed=6))
    assert (first == 0).all(1).flatten(1).sum(1).min() >= 64, "every image has a hole of at least 8 x 8"


def test_grey_images_are_refused() -> None:
    with pytest.raises(ConfigError, match="RGB images; got 1 channel"):
        AutoAugment()(torch.rand(2, 1, 8, 8))
