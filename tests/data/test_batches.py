from __future__ import annotations

import numpy as np
import pytest
import torch

from signbit.data import Dataset, Split, load, normalize
from signbit.data.augment import AUGMENTATIONS, PAD_PIXELS, augment
from signbit.data.batches import EvalBatches, TrainBatches, normalize_batch
from signbit.errors import ConfigError


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return load("digits")


def colour(count: int = 70, size: int = 32) -> Dataset:
    random = np.random.default_rng(0)
    pixels = random.integers(1, 256, (count, 3, size, size), dtype=np.uint8)
    split = Split(pixels, np.arange(count, dtype=np.int64) % 10)
    return Dataset(
        "toy", split, split, split, tuple("0123456789"), (0.4914, 0.4822, 0.4465), (0.247, 0.2435, 0.2616), "RGB"
    )


def test_numpy_and_torch_normalize_to_the_same_bits() -> None:
    data = colour()
    every = np.arange(256, dtype=np.uint8).repeat(3 * 4).reshape(256, 2, 2, 3).transpose(0, 3, 1, 2)
    torch_result = normalize_batch(
        torch.from_numpy(every).float().div_(255),
        torch.tensor(data.mean).view(-1, 1, 1),
        torch.tensor(data.std).view(-1, 1, 1),
    )
    assert np.array_equal(torch_result.numpy(), normalize(every, data.mean, data.std))
    exact = (every / 255 - np.reshape(data.mean, (3, 1, 1))) / np.reshape(data.std, (3, 1, 1))
    np.testing.assert_allclose(torch_result.numpy(), exact, atol=1e-6)


@pytest.mark.parametrize("batch_size", [1, 7, 360, 361, 1000])
def test_evaluation_sees_every_image_once_in_order(digits: Dataset, batch_size: int) -> None:
    batches = EvalBatches(digits.test, digits, batch_size=batch_size)
    images, labels = (torch.cat(parts) for parts in zip(*batches, strict=True))
    assert len(list(batches)) == len(batches)
    assert np.array_equal(images.numpy(), normalize(digits.test.images, digits.mean, digits.std))
    assert np.array_equal(labels.numpy(), digits.test.labels)


def indices(batches: TrainBatches) -> list[list[int]]:
    """Images by their number, which a toy data set carries as its label."""
    return [labels.tolist() for _, labels in batches]


def numbered(count: int) -> Dataset:
    split = Split(np.zeros((count, 1, 2, 2), np.uint8), np.arange(count, dtype=np.int64))
    return Dataset("toy", split, split, split, tuple(map(str, range(count))), (0.5,), (0.5,), "L")


def test_training_batches_are_full_and_drawn_without_replacement() -> None:
    data = numbered(70)
    batches = TrainBatches(data.train, data, batch_size=16, seed=0)
    drawn = indices(batches)
    assert [len(b) for b in drawn] == [16] * 4 == [16] * len(batches)
    assert len({i for b in drawn for i in b}) == 64


def test_order_depends_on_seed_and_epoch_alone() -> None:
    data = numbered(70)
    one, two = (TrainBatches(data.train, data, batch_size=16, seed=3) for _ in range(2))
    epochs = []
    for epoch in range(3):
        one.sampler.set_epoch(epoch)
        epochs.append(indices(one))
    torch.rand(5)  # the global stream plays no part
    two.sampler.set_epoch(2)
    assert indices(two) == epochs[2]
    assert epochs[0] != epochs[1] != epochs[2]
    other = TrainBatches(data.train, data, batch_size=16, seed=4)
    assert indices(other) != epochs[0]


@pytest.mark.parametrize("batch_size", [0, 71])
def test_batch_sizes_out_of_range_are_refused(batch_size: int) -> None:
    data = numbered(70)
    with pytest.raises(ConfigError, match=r"batch_size must be 1 \.\. 70"):
        TrainBatches(data.train, data, batch_size=batch_size, seed=0)


def test_augmentation_follows_its_seed_and_leaves_the_global_stream_alone() -> None:
    images = torch.from_numpy(colour().train.images).float().div_(255)
    module = AUGMENTATIONS["crop-flip"].target(32, 32)
    torch.manual_seed(11)
    expected_next = torch.rand(3)
    torch.manual_seed(11)
    first = augment(images, module, seed=5)
    assert torch.equal(torch.rand(3), expected_next)
    assert torch.equal(first, augment(images, module, seed=5))
    assert not torch.equal(first, augment(images, module, seed=6))


def test_crop_flip_yields_shifted_and_mirrored_images_with_black_borders() -> None:
    data = colour()
    images = torch.from_numpy(data.train.images).float().div_(255)
    out = augment(images, AUGMENTATIONS["crop-flip"].target(32, 32), seed=0)
    padded = torch.nn.functional.pad(images, (PAD_PIXELS,) * 4)
    seen = set()
    for before, after in zip(padded, out, strict=True):
        matches = [
            (top, left, flipped)
            for top in range(2 * PAD_PIXELS + 1)
            for left in range(2 * PAD_PIXELS + 1)
            for flipped in (False, True)
            if torch.equal(before[:, top : top + 32, left : left + 32], after.flip(2) if flipped else after)
        ]
        assert len(matches) == 1, "an augmented image is exactly one crop of its padded original"
        seen.add(matches[0])
    tops, lefts, flips = (set(values) for values in zip(*seen, strict=True))
    assert flips == {False, True}
    assert min(tops) == min(lefts) == 0
    assert max(tops) == max(lefts) == 2 * PAD_PIXELS


def test_training_batches_resume_with_the_same_augmentation() -> None:
    data = colour()
    module = AUGMENTATIONS["crop-flip"].target(32, 32)
    one, two = (TrainBatches(data.train, data, batch_size=35, seed=0, augmentation=module) for _ in range(2))
    list(one)
    for batches in (one, two):
        batches.sampler.set_epoch(1)
    for (images, labels), (again, labels_again) in zip(one, two, strict=True):
        assert torch.equal(images, again)
        assert torch.equal(labels, labels_again)
