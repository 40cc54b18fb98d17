"""What a method is made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from torch import nn
from torch.optim import Optimizer

from signbit.layers import LayerFactory, binary_layers, float_layers
from signbit.layers.factory import InputSide, OutputScale, WeightSide
from signbit.roles import Role
from signbit.schedules import Schedule


@dataclass(frozen=True)
class Weights:
    """The weight side: how a weight is stored, and a fresh pipeline per layer that binarizes it (or an empty one)."""

    role: Role
    pipeline: WeightSide


@dataclass(frozen=True)
class UpdateRule:
    """How the parameters of one role are updated.

    Attributes
    ----------
    build : (parameters, **options) -> optimizer.
    options : what may be overridden, with its defaults.
    over_run : options that follow a schedule over the run once its length is known: total steps -> schedule.
    """

    build: Callable[..., Optimizer]
    options: Mapping[str, object]
    over_run: Mapping[str, Callable[[int], Schedule]] = field(default_factory=dict)

    def resolved(self, total_steps: int | None) -> dict[str, object]:
        """The default options of a run of ``total_steps`` steps (None: length unknown)."""
        scheduled = {} if total_steps is None else {name: make(total_steps) for name, make in self.over_run.items()}
        return {**self.options, **scheduled}


@dataclass(frozen=True)
class TrainingDefaults:
    """What a trainer does when its user doesn't say: peak learning rate, and the shape of its schedule over the run."""

    learning_rate: float
    schedule: Literal["constant", "linear", "cosine", "one-cycle"]


def unscaled(_channels: int) -> nn.Module:
    """The output scale of a layer that has none."""
    return nn.Identity()


@dataclass(frozen=True)
class Method:
    """A way to train: what it puts in each slot, with its paper's defaults.

    Attributes
    ----------
    name : what users type.
    rules : role -> update rule; a model may only hold roles that have one.
    defaults : for the trainer.
    activations : input channels -> fresh pipeline that binarizes a layer's input; None in the float twin.
    weights : how weights are stored and binarized; None in the float twin.
    output_scale : output channels -> fresh module applied to a layer's result.
    """

    name: str
    rules: Mapping[Role, UpdateRule]
    defaults: TrainingDefaults
    activations: InputSide | None = None
    weights: Weights | None = None
    output_scale: OutputScale = unscaled

    def layers(self) -> LayerFactory:
        """The factory that models are built from."""
        if self.activations is None or self.weights is None:
            return float_layers()
        return binary_layers(
            input_side=self.activations,
            weight_side=self.weights.pipeline,
            output_scale=self.output_scale,
            weight_role=self.weights.role,
        )
