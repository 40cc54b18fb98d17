"""What a method is made of: a frozen record of the slots that it fills.

A binarized layer computes, in this order (every slot is one field of :class:`Method`)::

    x -> activation_transforms, by stage -> activations (binarizer) ---\\
                                                                        op -> outputs -> scale -> y
    w -> weight_transforms, by stage ----> weights.binarizer ----------/

A method fills the slots that its paper is about and leaves the rest: ``None`` and empty mean "no opinion".
:func:`signbit.methods.compose.resolve` joins the records of one or more methods:

* **lists are merged**: both transforms (sorted by :class:`Stage`, so that self-distribution comes before the
  threshold whoever is named first), ``outputs``, ``callbacks``, ``wrappers``, ``restarts``;
* **exclusive slots have one owner**: ``activations``, ``weights``, ``scale`` (:class:`Slot`). If two methods fill the
  same one, the table in ``table.py`` says whose stays, or :class:`~signbit.errors.IncompatibleMethods` is raised;
* **preferences follow the order of the names**: ``rules`` by role and ``defaults`` come from the method named first;
* what nobody fills is that of the baseline ``ste``.

A method file holds a function from the method's own options (keyword-only, each with its paper's default) to a
record, and registers that function in ``table.py``::

    def sd_bnn(*, strength: float = 0.01, reduction: int = 16) -> Method: ...
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum, IntEnum
from typing import TYPE_CHECKING, Literal

from torch import Tensor, nn
from torch.optim import Optimizer

from signbit.alphabet import Alphabet
from signbit.binarizers import Binarizer
from signbit.roles import Role
from signbit.schedules import Schedule

if TYPE_CHECKING:
    from lightning.pytorch import Callback

PerChannel = Callable[[int], nn.Module]
"""Channels (features) of a layer's output -> a fresh module."""


class Slot(Enum):
    """A part of a layer that only one method can own."""

    ACTIVATIONS = "activations"
    WEIGHTS = "weights"
    SCALE = "scale"


class Stage(IntEnum):
    """Where a transform stands on its side of a layer; those of one stage keep the order of the methods' names."""

    DISTRIBUTE = 1
    """Adds what the tensor's own distribution suggests."""
    THRESHOLD = 2
    """Moves the point where the sign changes."""
    STANDARDIZE = 3
    """Divides by a spread: after the threshold, where it changes no sign and evaluation can do without it."""
    QUANTIZE = 4
    """Rounds to a grid."""


@dataclass(frozen=True)
class Staged:
    """A transform before a binarizer.

    Attributes
    ----------
    stage : its place among the transforms of the same side.
    build : (channels, alphabet that the side's binarizer produces) -> a fresh module, usually a
        :class:`~signbit.transforms.Transform`. Channels are the layer's inputs on the activation side and its outputs
        (filters) on the weight side.
    """

    stage: Stage
    build: Callable[[int, Alphabet], nn.Module]


@dataclass(frozen=True)
class Weights:
    """How weights are stored and binarized.

    Attributes
    ----------
    role : LATENT (real, binarized in forward), BINARY (stored as -1/+1), or ORDINARY: a network of real layers.
    binarizer : output channels -> a fresh {-1, +1} binarizer; None unless the role is LATENT.
    clamp : latent weights are kept in [-clamp, clamp] after every step; None for no limit.
    initialize : sets the first value of a weight, ``[outputs, ...]``, in place; None for Glorot's (for the role BINARY
        the signs of them).
    """

    role: Role
    binarizer: Callable[[int], Binarizer] | None = None
    clamp: float | None = None
    initialize: Callable[[Tensor], object] | None = None


def unscaled(_channels: int) -> nn.Module:
    """The output scale of a layer that has none."""
    return nn.Identity()


@dataclass(frozen=True)
class Scale:
    """What multiplies a layer's result, channel by channel.

    Attributes
    ----------
    output : applied to the result; for a factor that is learned.
    filter : maps the layer's stored weight ``[O, ...]`` to one factor for each filter, ``[O]``; None for none.
    """

    output: PerChannel = unscaled
    filter: PerChannel | None = None


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


@dataclass(frozen=True)
class RunInfo:
    """The run that a callback takes part in.

    Attributes
    ----------
    epochs, steps_per_epoch : >= 1.
    rate : factor of the peak learning rate at each 0-based step.
    restarts : steps at which a method of the combination changes what is trained (a jump of precision), ascending.
    """

    epochs: int
    steps_per_epoch: int
    rate: Schedule
    restarts: tuple[int, ...] = ()

    @property
    def total_steps(self) -> int:
        """Optimizer steps of the whole run."""
        return self.epochs * self.steps_per_epoch


CallbackBuilder = Callable[[nn.Module, RunInfo], "Callback"]
"""(network, run) -> a Lightning callback. Import ``signbit.callbacks`` inside the function: it brings Lightning.

What it needs after an interruption goes through its ``state_dict`` and ``load_state_dict`` (tensors and plain values)
or is state of modules. In a combination the modules that it drives may have been replaced by another method's; it
then does nothing.
"""

Wrapper = Callable[[UpdateRule], UpdateRule]
"""A rule -> a rule around it, with the same options; the clamp of latent weights comes outside of it."""


@dataclass(frozen=True)
class Method:
    """A way to train: what it puts in each slot, with its paper's defaults. See the module for how records combine.

    Attributes
    ----------
    name : what users type.
    activation_transforms, weight_transforms : before the binarizers; sorted by stage. Those of weights need latent
        weights and are left out where a combination stores -1/+1.
    activations : input channels -> a fresh binarizer of a layer's input.
    weights : how weights are stored and binarized.
    outputs : modules between the operation and the scale that change nothing in forward, such as a quantizer of the
        gradient.
    scale : what multiplies the result.
    rules : role -> update rule.
    wrappers : role -> what is wrapped around the rule of that role; ignored where the network has no such role.
    callbacks : what acts during training.
    restarts : (total steps) -> steps at which training starts over in a sense, for the callbacks of other methods.
    defaults : for the trainer.
    """

    name: str
    activation_transforms: tuple[Staged, ...] = ()
    activations: Callable[[int], Binarizer] | None = None
    weight_transforms: tuple[Staged, ...] = ()
    weights: Weights | None = None
    outputs: tuple[PerChannel, ...] = ()
    scale: Scale | None = None
    rules: Mapping[Role, UpdateRule] = field(default_factory=dict)
    wrappers: Mapping[Role, Wrapper] = field(default_factory=dict)
    callbacks: tuple[CallbackBuilder, ...] = ()
    restarts: Callable[[int], tuple[int, ...]] | None = None
    defaults: TrainingDefaults | None = None

    def owned(self) -> dict[Slot, object]:
        """The exclusive slots that this method fills."""
        filled = {Slot.ACTIVATIONS: self.activations, Slot.WEIGHTS: self.weights, Slot.SCALE: self.scale}
        return {slot: value for slot, value in filled.items() if value is not None}


MethodBuilder = Callable[..., Method]
"""The method's options, as keywords with defaults -> its record."""
