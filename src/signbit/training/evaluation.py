"""Accuracy over every image of a split."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from signbit.data import Card, Dataset, Split
from signbit.data.batches import EvalBatches
from signbit.errors import DataError


def evaluate(model: nn.Module, data: Card | Dataset, split: Split, *, batch_size: int = 250) -> float:
    """Share of ``split`` that ``model`` classifies correctly, in float32 and in evaluation mode; 0 .. 1.

    Parameters
    ----------
    model : maps standardized images ``[N, C, H, W]`` to logits; its mode is put back afterwards.
    data : whose mean and standard deviation standardize the images.
    split : every image of it is used once.
    batch_size : images at once; 250 by default. Does not change the result.

    Errors: :class:`DataError` for an empty split.
    """
    correct, images = count_correct(model, EvalBatches(split, data, batch_size=batch_size))
    if not images:
        raise DataError("accuracy needs at least one image; the split is empty")
    return correct / images


@torch.inference_mode()
def count_correct(model: nn.Module, batches: Iterable[tuple[Tensor, Tensor]]) -> tuple[int, int]:
    """How many images of ``batches`` the model classifies correctly, see :func:`evaluate`, and how many there are."""
    was_training = model.training
    model.eval()
    try:
        right = [model(images).argmax(1) == labels for images, labels in batches]
    finally:
        model.train(was_training)
    together = torch.cat(right) if right else torch.zeros(0)
    return int(together.sum()), len(together)
