"""Accuracy over every image of a split."""

from __future__ import annotations

import torch
from torch import nn

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
    if not len(split):
        raise DataError("accuracy needs at least one image; the split is empty")
    return count_correct(model, EvalBatches(split, data, batch_size=batch_size)) / len(split)


@torch.inference_mode()
def count_correct(model: nn.Module, batches: EvalBatches) -> int:
    """How many images of ``batches`` the model classifies correctly, see :func:`evaluate`."""
    was_training = model.training
    model.eval()
    try:
        correct = [(model(images).argmax(1) == labels).sum() for images, labels in batches]
    finally:
        model.train(was_training)
    return int(torch.stack(correct).sum())
