"""What a parameter of a study may be: typed ranges, and choices whose options may hold ranges of their own."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml
from optuna.trial import BaseTrial

from signbit.errors import ConfigError
from signbit.yaml_file import parse_yaml

NUMBERS = {"float": (False, False), "log": (False, True), "int": (True, False), "log_int": (True, True)}
"""Kind -> whether its values are whole, and whether they are spread evenly over the logarithm."""

CHOICE = "choice"
FORMS = (
    "{float: [LOW, HIGH]} and {int: [LOW, HIGH]}, both also with 'step', {log: [LOW, HIGH]}, {log_int: [LOW, HIGH]}, "
    "{choice: [A, B]}"
)


@dataclass(frozen=True)
class Range:
    """Numbers from ``low`` to ``high``, both included; every ``step``-th of them where one is given."""

    name: str
    low: float
    high: float
    whole: bool
    logarithmic: bool
    step: float | None = None

    def suggest(self, trial: BaseTrial) -> Any:
        """The value of a trial."""
        if self.whole:
            low, high = int(self.low), int(self.high)
            return trial.suggest_int(self.name, low, high, step=int(self.step or 1), log=self.logarithmic)
        return trial.suggest_float(self.name, self.low, self.high, step=self.step, log=self.logarithmic)


@dataclass(frozen=True)
class Choice:
    """One of a few options, by label; an option may hold ranges, which only trials that choose it have."""

    name: str
    options: Mapping[str, Any]

    def suggest(self, trial: BaseTrial) -> Any:
        """The value of a trial."""
        return filled(self.options[trial.suggest_categorical(self.name, list(self.options))], trial)


Template = Any
"""Plain values, ranges, choices, and mappings of them."""


def filled(template: Template, trial: BaseTrial) -> Any:
    """``template`` with a trial's value in the place of every range and choice.

    >>> from optuna.trial import FixedTrial
    >>> start = {"log": [1e-9, 1e-4], "as": "start"}
    >>> course = parse("optimizer.tau", {"choice": {"still": 1e-6, "line": {"linear": {"start": start, "stop": 0}}}})
    >>> filled(course, FixedTrial({"optimizer.tau": "line", "start": 1e-5}))
    {'linear': {'start': 1e-05, 'stop': 0}}
    """
    if isinstance(template, Range | Choice):
        return template.suggest(trial)
    if isinstance(template, Mapping):
        return {key: filled(part, trial) for key, part in template.items()}
    return template


def parts(template: Template) -> Iterator[Range | Choice]:
    """Every range and choice in ``template``."""
    if isinstance(template, Choice):
        yield template
        yield from parts(template.options)
    elif isinstance(template, Range):
        yield template
    elif isinstance(template, Mapping):
        for part in template.values():
            yield from parts(part)


def combinations(template: Template) -> float:
    """How many values ``template`` can take; infinite with a range of numbers that has no step.

    >>> combinations(parse("x", {"choice": {"off": 0, "on": {"int": [1, 8], "step": 2}}}))
    5
    """
    if isinstance(template, Range):
        step = template.step or (1 if template.whole else 0)
        return 1 + math.floor((template.high - template.low) / step + 1e-9) if step else math.inf
    if isinstance(template, Choice):
        return sum(map(combinations, template.options.values()))
    if isinstance(template, Mapping):
        return math.prod(map(combinations, template.values()))
    return 1


def parse(path: str, raw: Any) -> Template:
    """The template that a study's YAML describes.

    Parameters
    ----------
    path : where it stands; the name of a range unless it says ``as: NAME``. Ranges of one name are one parameter.
    raw : see ``FORMS``; the options of a choice may also be a mapping from labels to templates.

    Errors: :class:`ConfigError` for anything that is nearly a range.
    """
    if not isinstance(raw, Mapping):
        return raw
    kinds = [kind for kind in (*NUMBERS, CHOICE) if kind in raw]
    if not kinds:
        return {key: parse(f"{path}.{key}", part) for key, part in raw.items()}
    extra = set(raw) - {kinds[0], "as", "step"}
    if len(kinds) > 1 or extra or (kinds[0] in (CHOICE, "log", "log_int") and "step" in raw):
        raise ConfigError(f"parameter {path!r} is one of {FORMS}; got {dict(raw)!r}")
    name = str(raw.get("as", path))
    return _choice(path, name, raw[CHOICE]) if kinds[0] == CHOICE else _range(name, kinds[0], raw)


def from_text(path: str, text: str) -> Mapping[str, Any]:
    """What a command line says as ``KIND:LOW:HIGH``, ``KIND:LOW:HIGH:STEP`` or ``choice:A,B``, as YAML would.

    >>> parse("optimizer.tau", from_text("optimizer.tau", "log:1e-9:1e-4"))
    Range(name='optimizer.tau', low=1e-09, high=0.0001, whole=False, logarithmic=True, step=None)
    """
    kind, _, rest = text.partition(":")
    if kind == CHOICE and rest:
        return {CHOICE: [_plain(path, option) for option in rest.split(",")]}
    bounds = rest.split(":")
    if kind not in NUMBERS or len(bounds) not in (2, 3):
        raise ConfigError(
            f"parameter {path!r} is KIND:LOW:HIGH or KIND:LOW:HIGH:STEP with KIND one of {', '.join(NUMBERS)}, or "
            f"choice:A,B; got {text!r}"
        )
    low, high, *step = (_plain(path, bound) for bound in bounds)
    return {kind: [low, high], **({"step": step[0]} if step else {})}


def _plain(path: str, text: str) -> Any:
    try:
        return parse_yaml(text)
    except yaml.YAMLError as error:
        raise ConfigError(
            f"parameter {path!r}: {text!r} is no value as YAML writes it; quote it if it is text"
        ) from error


def _choice(path: str, name: str, raw: Any) -> Choice:
    if isinstance(raw, Mapping):
        options = {str(label): parse(f"{path}.{label}", part) for label, part in raw.items()}
    elif isinstance(raw, list):
        options = {_label(value): value for value in raw}
    else:
        options = {}
    if not options or len(options) != len(raw):
        raise ConfigError(f"parameter {name!r}: a choice is between options that differ; got {raw!r}")
    return Choice(name, options)


def _label(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _range(name: str, kind: str, raw: Mapping[str, Any]) -> Range:
    whole, logarithmic = NUMBERS[kind]
    bounds, step = raw[kind], raw.get("step")
    if not isinstance(bounds, list) or len(bounds) != 2:
        raise ConfigError(f"parameter {name!r}: {kind} takes [LOW, HIGH]; got {bounds!r}")
    low, high, *steps = (_number(name, value, whole) for value in (*bounds, *([] if step is None else [step])))
    if not low < high or (logarithmic and low <= 0) or any(not 0 < s <= high - low for s in steps):
        rule = "0 < LOW < HIGH" if logarithmic else "LOW < HIGH and 0 < step <= HIGH - LOW"
        raise ConfigError(f"parameter {name!r}: {kind} needs {rule}; got {dict(raw)!r}")
    return Range(name, low, high, whole, logarithmic, *steps)


def _number(name: str, value: Any, whole: bool) -> float:
    number = float(value) if isinstance(value, int | float) and not isinstance(value, bool) else math.nan
    if not math.isfinite(number) or (whole and number % 1):
        raise ConfigError(f"parameter {name!r}: bounds and steps are {'whole ' * whole}numbers; got {value!r}")
    return number
