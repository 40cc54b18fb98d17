"""From the names of methods to everything a network and its training need."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import reduce
from itertools import combinations
from typing import TYPE_CHECKING, Any

from torch import nn

from signbit.alphabet import Alphabet
from signbit.binarizers import Binarizer
from signbit.errors import IncompatibleMethods
from signbit.layers import LayerFactory, binary_layers, float_layers
from signbit.methods.method import (
    CallbackBuilder,
    Method,
    RunInfo,
    Scale,
    Slot,
    Staged,
    TrainingDefaults,
    UpdateRule,
    Weights,
)
from signbit.methods.pairings import pairing
from signbit.methods.parts import clamped
from signbit.methods.ste import ste
from signbit.methods.table import METHODS
from signbit.options import refuse_mistyped, refuse_unknown
from signbit.roles import Role

if TYPE_CHECKING:
    from lightning.pytorch import Callback


@dataclass(frozen=True)
class Composition:
    """One or more methods as one: every slot filled, see :class:`~signbit.methods.method.Method`.

    Attributes
    ----------
    activation_transforms, weight_transforms : sorted by stage.
    rules : what :func:`~signbit.methods.create.create_optimizer` builds, wrappers and clamp included.
    """

    name: str
    activation_transforms: tuple[Staged, ...]
    activations: Callable[[int], Binarizer]
    weight_transforms: tuple[Staged, ...]
    weights: Weights
    outputs: tuple[Callable[[int], nn.Module], ...]
    scale: Scale
    rules: Mapping[Role, UpdateRule]
    callback_builders: tuple[CallbackBuilder, ...]
    restarts: tuple[Callable[[int], tuple[int, ...]], ...]
    defaults: TrainingDefaults

    def layers(self) -> LayerFactory:
        """The factory that models are built from."""
        if self.weights.role is Role.ORDINARY:
            return float_layers()
        return binary_layers(
            input_side=self._input_side,
            weight_side=self._weight_side,
            output_scale=self._output_scale,
            weight_role=self.weights.role,
            filter_scale=self.scale.filter,
            initialize=self.weights.initialize,
        )

    def callbacks(self, network: nn.Module, run: RunInfo) -> list[Callback]:
        """Fresh callbacks for one run."""
        jumps = {step for restarts in self.restarts for step in restarts(run.total_steps)}
        run = replace(run, restarts=tuple(sorted(jumps)))
        return [build(network, run) for build in self.callback_builders]

    def _input_side(self, channels: int) -> nn.Sequential:
        binarizer = self.activations(channels)
        before = [part.build(channels, binarizer.alphabet) for part in self.activation_transforms]
        return nn.Sequential(*before, binarizer)

    def _weight_side(self, channels: int) -> nn.Sequential:
        if self.weights.binarizer is None:
            return nn.Sequential()
        before = [part.build(channels, Alphabet.PM1) for part in self.weight_transforms]
        return nn.Sequential(*before, self.weights.binarizer(channels))

    def _output_scale(self, channels: int) -> nn.Module:
        scale = self.scale.output(channels)
        return nn.Sequential(*(build(channels) for build in self.outputs), scale) if self.outputs else scale


def resolve(name: str, options: Mapping[str, object] | None = None) -> Composition:
    """A method by its name, or several joined by ``+``.

    Parameters
    ----------
    name : names in ``METHODS``, for example ``"ste"`` or ``"si-bnn+sfao"``. The first one sets the optimizers and
        training defaults that more than one of them has an opinion about.
    options : of the methods themselves; an option goes to every method that has it.

    Errors: UnknownNameError; ConfigError for options that no method has; IncompatibleMethods with the reason.

    >>> resolve("bop").weights.role
    <Role.BINARY: 'binary'>
    >>> resolve("bop+ste")
    Traceback (most recent call last):
        ...
    signbit.errors.IncompatibleMethods: 'bop' and 'ste' cannot be combined: both say how every weight is stored ...
    """
    return _joined(name, _records(name, options or {}))


def _records(name: str, options: Mapping[str, object]) -> list[Method]:
    names = name.split("+")
    builders = {part: METHODS[part].target for part in names}
    if len(builders) < len(names):
        raise IncompatibleMethods(f"a combination names every method once; got {name!r}")
    for a, b in combinations(names, 2):
        entry = pairing(a, b)
        if entry is None or not entry.works:
            reason = "nobody has said which parts each would own" if entry is None else entry.note
            raise IncompatibleMethods(f"{a!r} and {b!r} cannot be combined: {reason}")
    known = {part: tuple(inspect.signature(build).parameters) for part, build in builders.items()}
    refuse_unknown(f"method {name!r}", options, {option for its in known.values() for option in its})
    records = []
    for part, build in builders.items():
        its = {option: value for option, value in options.items() if option in known[part]}
        refuse_mistyped(f"method {part!r}", build, its)
        records.append(build(**its))
    return records


def _joined(name: str, records: list[Method]) -> Composition:
    base = ste()
    filled: dict[Slot, Any] = {slot: _owner(slot, records, base).owned()[slot] for slot in Slot}
    weights: Weights = filled[Slot.WEIGHTS]
    latent = weights.role is Role.LATENT
    preferences = [*records, base]
    return Composition(
        name=name,
        activation_transforms=_by_stage(part for record in records for part in record.activation_transforms),
        activations=filled[Slot.ACTIVATIONS],
        weight_transforms=_by_stage(part for record in records if latent for part in record.weight_transforms),
        weights=weights,
        outputs=tuple(build for record in records for build in record.outputs),
        scale=filled[Slot.SCALE],
        rules=_rules(preferences, weights),
        callback_builders=tuple(build for record in records for build in record.callbacks),
        restarts=tuple(record.restarts for record in records if record.restarts is not None),
        defaults=next(record.defaults for record in preferences if record.defaults is not None),
    )


def _by_stage(parts: Any) -> tuple[Staged, ...]:
    return tuple(sorted(parts, key=lambda part: part.stage))


def _owner(slot: Slot, records: list[Method], base: Method) -> Method:
    """Who fills ``slot``: the one that every other claimant gives way to, or the baseline where nobody claims it."""
    claimants = [record for record in records if slot in record.owned()]
    if not claimants:
        return base

    def keeps(mine: Method, other: Method) -> bool:
        entry = pairing(mine.name, other.name)
        return entry is not None and entry.owners.get(slot) == mine.name

    for record in claimants:
        if all(other is record or keeps(record, other) for other in claimants):
            return record
    names = ", ".join(repr(record.name) for record in claimants)
    raise IncompatibleMethods(f"{names} all fill the {slot.value} of a layer and none gives way; leave one out")


def _rules(preferences: list[Method], weights: Weights) -> dict[Role, UpdateRule]:
    """The first rule for each role that the network can have, with what the methods wrap around it."""
    possible = {weights.role, Role.ORDINARY, Role.THRESHOLD}
    rules: dict[Role, UpdateRule] = {}
    for record in preferences:
        for role, rule in record.rules.items():
            if role in possible:
                rules.setdefault(role, rule)
    for role in rules:
        wrappers = [record.wrappers[role] for record in preferences if role in record.wrappers]
        rules[role] = reduce(lambda rule, wrap: wrap(rule), wrappers, rules[role])
    if weights.clamp is not None and Role.LATENT in rules:
        rules[Role.LATENT] = clamped(rules[Role.LATENT], weights.clamp)
    return rules
