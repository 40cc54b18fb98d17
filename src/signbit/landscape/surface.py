"""The loss of a network at one point after another."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.functional import cross_entropy
from torch.nn.modules.batchnorm import _BatchNorm
from torchmetrics import MeanMetric

from signbit.landscape.spaces import Space

Batches = Sequence[tuple[Tensor, Tensor]]
"""Standardized images and their labels."""


@dataclass(frozen=True)
class Loss:
    """Cross entropy and accuracy (a share) over all images, at one point."""

    loss: float
    accuracy: float


@torch.inference_mode()
def surface(
    network: nn.Module, space: Space, coordinates: Sequence[float], directions: int, batches: Batches,
    *, calibration: Batches = (), step: Callable[[], object] = lambda: None,
) -> list[Loss]:  # fmt: skip
    """The loss at every point of a grid, the last direction running fastest. The network is as before afterwards.

    Parameters
    ----------
    network : in evaluation mode.
    space : of this network, with as many directions.
    coordinates : along every direction.
    directions : 1 or 2.
    batches : the images that the loss is over.
    calibration : images that batch norms take their statistics from anew at every point; default none: the statistics
        are those that training left. Labels are not looked at.
    step : is called after every point.
    """
    found = []
    for point in product(coordinates, repeat=directions):
        with space.at(point) as parameters:
            statistics = recalibrated(network, parameters, (images for images, _ in calibration)) if calibration else {}
            found.append(_loss(network, {**parameters, **statistics}, batches))
        step()
    return found


def recalibrated(network: nn.Module, parameters: Mapping[str, Tensor], images: Iterable[Tensor]) -> dict[str, Tensor]:
    """Statistics of every batch norm with ``parameters`` in the place of the network's: means over the batches."""
    norms = {name: module for name, module in network.named_modules() if isinstance(module, _BatchNorm)}
    fresh = {}
    for prefix, norm in norms.items():
        for name, buffer in norm.named_buffers(recurse=False):
            start = torch.ones_like(buffer) if name == "running_var" else torch.zeros_like(buffer)
            fresh[f"{prefix}.{name}" if prefix else name] = start
    with _averaging(norms.values()):
        for batch in images:
            functional_call(network, {**parameters, **fresh}, (batch,))
    return fresh


@contextmanager
def _averaging(norms: Iterable[_BatchNorm]) -> Iterator[None]:
    """Batch norms that use and average the statistics of batches; everything else stays in evaluation mode."""
    before = [(norm, norm.training, norm.momentum) for norm in norms]
    try:
        for norm, _, _ in before:
            norm.training, norm.momentum = True, None
        yield
    finally:
        for norm, training, momentum in before:
            norm.training, norm.momentum = training, momentum


def _loss(network: nn.Module, values: dict[str, Tensor], batches: Batches) -> Loss:
    # The same sums as in validation: at the centre the result is the run's own, to the bit.
    mean, correct, count = MeanMetric(), 0, 0
    for images, labels in batches:
        logits = functional_call(network, values, (images,))
        mean.update(cross_entropy(logits, labels), len(labels))
        correct += int((logits.argmax(1) == labels).sum())
        count += len(labels)
    return Loss(float(mean.compute()), correct / count)
