"""Shapes of the learning rate over a run, as factors of its peak."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from signbit.errors import ConfigError
from signbit.registry import Registry
from signbit.schedules import Constant, Cosine, Linear, Schedule, Staircase


@dataclass(frozen=True)
class OneCycle(Schedule):
    """Half a cosine up from 1/25 to 1 over the first 30 % of the steps, then half a cosine down to 1/250,000.

    Parameters
    ----------
    steps : length of the cycle, >= 2.

    Reference: Smith, Topin, "Super-Convergence", 2019; the constants are torch's defaults.

    >>> [round(OneCycle(10)(step), 3) for step in (0, 3, 10)]
    [0.04, 1.0, 0.0]
    """

    steps: int

    def __post_init__(self) -> None:
        if self.steps < 2:
            raise ConfigError(f"OneCycle: steps >= 2; got {self.steps}; train for longer or choose another schedule")

    def __call__(self, step: int) -> float:
        """The factor at ``step``."""
        warm_up = max(1, round(0.3 * self.steps))
        if step < warm_up:
            return Cosine(1 / 25, 1.0, warm_up)(step)
        return Cosine(1.0, 1 / 250_000, self.steps - warm_up)(step - warm_up)


SHAPES: Registry[Callable[[int], Schedule]] = Registry("learning-rate schedule")
SHAPES.add("constant", "the peak all along", lambda _: Constant(1.0))
SHAPES.add("linear", "a straight line from the peak to zero", lambda steps: Linear(1.0, 0.0, steps))
SHAPES.add("cosine", "half a cosine from the peak to zero", lambda steps: Cosine(1.0, 0.0, steps))
SHAPES.add("one-cycle", "up to the peak in 30 % of the run, then down to almost zero", OneCycle)


@dataclass(frozen=True)
class Raised(Schedule):
    """``floor + (1 - floor) * shape(step)``: a shape that ends above zero.

    Parameters
    ----------
    name : of the shape, in ``SHAPES``.
    steps : of the run.
    floor : 0 .. 1.

    >>> [Raised("linear", 4, 0.1)(step) for step in (0, 4)]
    [1.0, 0.1]
    """

    # A name, not a schedule: torch saves the attributes of what scales its learning rates, and checkpoints are plain.
    name: str
    steps: int
    floor: float

    def __call__(self, step: int) -> float:
        """The factor at ``step``."""
        return self.floor + (1 - self.floor) * SHAPES[self.name].target(self.steps)(step)


def rate_shape(name: str, steps: int, floor: float | None = None) -> Schedule:
    """The factor of the peak learning rate at each 0-based step of a run of ``steps`` steps.

    Parameters
    ----------
    name : a name of ``SHAPES``.
    steps : of the run.
    floor : the factor that a falling shape ends at, 0 .. 1; its own end if None.

    Errors: ConfigError for a floor out of range or of a shape that does not fall.

    >>> [rate_shape("linear", 4)(step) for step in (0, 2, 4)]
    [1.0, 0.5, 0.0]
    """
    shape = SHAPES[name].target(steps)
    if floor is None:
        return shape
    if isinstance(shape, Constant):
        raise ConfigError(f"schedule {name!r} does not fall; remove 'final_learning_rate' or choose another schedule")
    if not 0 <= floor <= 1:
        raise ConfigError(f"'final_learning_rate' is at most 'learning_rate'; got {floor:g} times as much")
    return Raised(name, steps, floor)


FLIP_RATES = ("gamma", "sigma", "tau")
"""Optimizer settings that may follow a schedule of their own."""

COURSES: dict[str, tuple[str, ...]] = {
    "linear": ("start", "stop"),
    "cosine": ("start", "stop"),
    "staircase": ("start", "factor", "epochs"),
}
"""Schedules over a run, and their settings."""


def with_schedules(settings: Mapping[str, Any], steps: int, steps_per_epoch: int) -> dict[str, Any]:
    """Optimizer settings in which ``{course: {setting: number}}`` has become a schedule over the run.

    Courses: ``linear`` and ``cosine`` from ``start`` to ``stop``; ``staircase`` from ``start``, times ``factor`` every
    ``epochs`` epochs. For ``gamma``, ``sigma`` and ``tau``.

    Errors: ConfigError for other courses, settings and names.

    >>> with_schedules({"tau": {"linear": {"start": 1.0, "stop": 0.0}}, "eps": 0.1}, 100, 10)
    {'tau': Linear(start=1.0, stop=0.0, steps=100), 'eps': 0.1}
    """
    return {
        name: _course(name, value, steps, steps_per_epoch) if isinstance(value, Mapping) else value
        for name, value in settings.items()
    }


def _course(name: str, value: Mapping[str, Any], steps: int, steps_per_epoch: int) -> Schedule:
    if name not in FLIP_RATES:
        raise ConfigError(f"optimizer setting {name!r} takes a value; only {', '.join(FLIP_RATES)} follow schedules")
    course, numbers = next(iter(value.items())) if len(value) == 1 else ("", {})
    named = isinstance(numbers, Mapping) and set(numbers) == set(COURSES.get(course, ()))
    if course not in COURSES or not named or not all(isinstance(n, (int, float)) for n in numbers.values()):
        forms = "; ".join(f"{key}: {{{', '.join(parts)}}}" for key, parts in COURSES.items())
        raise ConfigError(f"optimizer setting {name!r} is a number or one of {forms}, all numbers; got {dict(value)!r}")
    if course == "staircase":
        return Staircase(numbers["start"], numbers["factor"], max(1, round(numbers["epochs"] * steps_per_epoch)))
    return (Linear if course == "linear" else Cosine)(numbers["start"], numbers["stop"], steps)
