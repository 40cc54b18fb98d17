"""From names to a model and its optimizer."""

from __future__ import annotations

import inspect
from collections.abc import Mapping

from torch import nn
from torch.optim import Optimizer

from signbit.errors import ConfigError
from signbit.methods.compose import resolve
from signbit.models import MODELS, InputSize
from signbit.optimizers import Composite, check_claims, parameters_by_role
from signbit.options import refuse_mistyped, refuse_unknown
from signbit.schedules import Schedule


def create_model(
    model: str,
    *,
    method: str,
    num_classes: int,
    input_size: InputSize | None = None,
    method_options: Mapping[str, object] | None = None,
    **settings: object,
) -> nn.Module:
    """A network ready to be trained, made of the layers of a method.

    Parameters
    ----------
    model : a name in ``signbit.models.MODELS``.
    method : a name in ``signbit.methods.METHODS``, or several joined by ``+``: ``"si-bnn+sfao"``.
    num_classes : >= 1, the length of the output.
    input_size : (1, channels, height, width); the model's own default if None.
    method_options : options of the method, such as SD-BNN's ``strength``; the paper's if None.
    settings : further settings of the model.

    Shape: the network maps ``[N, channels, height, width]`` to logits ``[N, num_classes]``.

    Errors: UnknownNameError for names that don't exist, IncompatibleMethods, ConfigError for settings and options that
    the model and the method don't have or that are out of range.

    >>> net = create_model("convnet-tiny", method="ste", num_classes=10, input_size=(1, 1, 8, 8))
    >>> sum(p.numel() for p in net.parameters() if p.dim() == 4)
    92448
    """
    build, layers = MODELS[model].target, resolve(method, method_options).layers()
    if not isinstance(num_classes, int) or num_classes < 1:
        raise ConfigError(f"num_classes is an integer >= 1; got {num_classes!r}")
    known = [
        name for name in inspect.signature(build).parameters if name not in ("layers", "num_classes", "input_size")
    ]
    refuse_unknown(f"model {model!r}", settings, known)
    refuse_mistyped(f"model {model!r}", build, settings)
    if input_size is not None:
        settings["input_size"] = input_size
    return build(layers, num_classes=num_classes, **settings)


def create_optimizer(
    model: nn.Module,
    *,
    method: str,
    total_steps: int | None = None,
    method_options: Mapping[str, object] | None = None,
    **overrides: object,
) -> Optimizer:
    """The optimizer of a method: one update rule per parameter role, joined into one ``torch.optim.Optimizer``.

    Parameters
    ----------
    model : made by :func:`create_model` with the same method, or built from the same kinds of layers.
    method : as in :func:`create_model`.
    total_steps : optimizer steps of the whole run; rates that the paper varies over the run then follow its schedule.
        None: they are constant.
    method_options : as in :func:`create_model`.
    overrides : options of the method's rules. Numbers, and schedules for the rates of flip rules. An option that
        several rules have, such as ``lr``, is set in all of them.

    Returns: an optimizer that owns every trainable parameter of ``model`` exactly once; ``.parts`` holds one per role.

    Errors: UnknownNameError, ConfigError for overrides that no rule has, for roles that the method has no rule for.

    >>> net = create_model("convnet-tiny", method="bop", num_classes=10)
    >>> sorted(create_optimizer(net, method="bop", tau=1e-6).parts)
    ['binary', 'ordinary']
    """
    rules = resolve(method, method_options).rules
    if total_steps is not None and total_steps < 1:
        raise ConfigError(f"total_steps is >= 1 or None; got {total_steps}")
    refuse_unknown(f"method {method!r}", overrides, {name for rule in rules.values() for name in rule.options})
    parts: dict[str, Optimizer] = {}
    for role, named in parameters_by_role(model).items():
        if role not in rules:
            raise ConfigError(
                f"method {method!r} has no rule for {role.value} parameters such as {named[0][0]}; "
                f"it has rules for {', '.join(r.value for r in rules)}; make the model with the same method"
            )
        rule = rules[role]
        _refuse_unlike(method, rule.options, overrides)
        options = rule.resolved(total_steps) | {
            name: value for name, value in overrides.items() if name in rule.options
        }
        try:
            parts[role.value] = rule.build([parameter for _, parameter in named], **options)
        except ConfigError:
            raise
        except ValueError as error:  # torch's optimizers have errors of their own
            raise ConfigError(f"method {method!r}: {error}; got the settings {dict(overrides)!r}") from error
    optimizer = Composite(parts)
    check_claims(model, optimizer)
    return optimizer


def _refuse_unlike(method: str, defaults: Mapping[str, object], given: Mapping[str, object]) -> None:
    """ConfigError for the first given setting that is of another kind than its default."""
    for name, value in given.items():
        default = defaults.get(name)
        if isinstance(default, tuple):
            fits = isinstance(value, list | tuple) and len(value) == len(default) and all(map(_is_number, value))
            kind = f"a list of {len(default)} numbers"
        elif _is_number(default):
            fits, kind = _is_number(value) or isinstance(value, Schedule), "a number"
        else:  # names are checked by who knows which there are
            continue
        if not fits:
            raise ConfigError(f"method {method!r}: {name} is {kind}, {default!r} by default; got {value!r}")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
