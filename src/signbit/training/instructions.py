"""Instructions of a training step: real steps in a process of their own, under a tool that counts them."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback
from torch import nn
from torch.optim import Optimizer

from signbit.callbacks import FlipStop
from signbit.errors import ConfigError
from signbit.methods import RunInfo, create_model, create_optimizer, resolve
from signbit.metrics.flips import FlipTracker
from signbit.schedules import Constant
from signbit.training.instructions_tools import Tool

CLASSES = 10
RATE = Constant(1.0)
EPOCHS, STEPS_PER_EPOCH = 100, 100
"""Of the run that methods believe to be in; the counted steps belong to its first epoch."""


@dataclass(frozen=True)
class Workload:
    """The steps to count.

    Attributes
    ----------
    model, method, method_options : registered names, and options of the method.
    input_size : ``(batch, C, H, W)``.
    steps : counted steps, >= 1; two more come before them.
    frozen : binary layers from the input on that are frozen, for methods that freeze layers; 0 for none.
    """

    model: str
    method: str
    input_size: tuple[int, int, int, int]
    steps: int
    frozen: int = 0
    method_options: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Prepared:
    """What takes part in the steps of a workload."""

    network: nn.Module
    optimizer: Optimizer
    callbacks: list[Callback]


@dataclass(frozen=True)
class Count:
    """What a workload took.

    Attributes
    ----------
    instructions : a step.
    binary_layers : of the network.
    frozen_layers, frozen_parameters : binary layers, and parameters of all kinds, that the last step left alone.
    environment : of the process that was counted.
    """

    workload: Workload
    instructions: int
    binary_layers: int
    frozen_layers: int
    frozen_parameters: int
    environment: Mapping[str, Any]


def prepare(work: Workload) -> Prepared:
    """Network, optimizer and the method's callbacks, with the first ``work.frozen`` binary layers marked frozen.

    Errors: those of :func:`~signbit.methods.create_model`; ConfigError for layers that do not exist or cannot freeze.
    """
    torch.manual_seed(0)
    name, options = work.method, work.method_options
    image = (1, *work.input_size[1:])
    network = create_model(work.model, method=name, method_options=options, num_classes=CLASSES, input_size=image)
    optimizer = create_optimizer(network, method=name, method_options=options, total_steps=EPOCHS * STEPS_PER_EPOCH)
    method = resolve(name, options)
    callbacks = method.callbacks(network, RunInfo(EPOCHS, STEPS_PER_EPOCH, RATE))
    if work.frozen:
        layers = list(FlipTracker(network).sizes)
        freezing = [callback for callback in callbacks if isinstance(callback, FlipStop)]
        if not freezing or work.frozen > len(layers):
            raise ConfigError(
                f"{work.method!r} on {work.model!r} can freeze {len(layers) if freezing else 0} binary layers; "
                f"got {work.frozen}; methods that freeze contain sfao"
            )
        for callback in freezing:
            callback.freeze(layers[: work.frozen])
    return Prepared(network, optimizer, callbacks)


def count_instructions(workloads: Sequence[Workload], tool: Tool) -> Iterator[Count]:
    """Instructions of a training step: forward, backward, update, and what callbacks do in a step, on one thread.

    The loop is Lightning's, as in ``signbit train``, and its own instructions are counted too. What callbacks do once
    an epoch is not, nor are data and augmentation: the images are random and ready.

    Errors: SignbitError if the process or the tool fails; check workloads with :func:`prepare` first.
    """
    jobs = [asdict(work) for work in workloads]
    with tempfile.TemporaryDirectory() as folder:
        for work, (total, said) in zip(workloads, tool.count(jobs, Path(folder)), strict=True):
            yield Count(workload=work, instructions=round(total / work.steps), **json.loads(said))
