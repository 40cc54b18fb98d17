"""Folding arithmetic: what a chain of batch norms, scales and clamps becomes when only its sign is asked for.

Everything here is computed in exact rational numbers (the one rounding is the square root of a batch norm's variance,
to binary64), so a tie in the network's own equations stays a tie: a sum that lands exactly on the boundary gets the
bit that ``sign(0) = +1`` or ``step(0) = 0`` demands, whatever the signs and sizes of the scales in between.

**From a sign to a threshold.** A binarizer says ``bit = 1 iff z >= 0`` ({-1,+1}) or ``z > 0`` ({0,1}).
Walking backwards through ``z = f(y)`` with f monotone, ``{z : bit = 1}`` is a half-line and so is ``{y : bit = 1}``:

* ``z = a y + b, a > 0``: ``z >= q  iff  y >= (q - b) / a``: the direction stays
* ``z = a y + b, a < 0``: ``z >= q  iff  y <= (q - b) / a``: the direction turns, a closed end stays closed
* ``a = 0``: ``z = b`` for every y: the bit is the constant ``b >= q``
* ``z = clamp(y, lo, hi)``: ``z >= q`` is always true for ``q <= lo``, never for ``q > hi``, else ``y >= q``;
  hence ``sign(hardtanh(y)) = sign(y)``
* ``z = y or s y (y < 0), s > 0``: ``z >= q  iff  y >= q`` for ``q >= 0``, else ``y >= q / s``

On integers ``y >= q`` is ``y >= ceil(q)`` and ``y > q`` is ``y >= floor(q) + 1``: one int32 per channel, no rounding.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from signbit.alphabet import Alphabet

Rationals = tuple[Fraction, ...]
"""One exact number per channel."""

ACCUMULATOR_LIMIT = 2**24
"""No integer sum is larger in magnitude; a threshold beyond it is a constant bit."""

INT32_CONSTANT = -(2**31)
"""The threshold that stands for a constant bit: rising is always 1, falling always 0."""


def exact(values: npt.ArrayLike) -> Rationals:
    """The numbers of a 1-d float array, exactly.

    >>> exact([0.5, -2])
    (Fraction(1, 2), Fraction(-2, 1))
    """
    return tuple(Fraction(float(value)) for value in np.asarray(values, dtype=np.float64).ravel())


@dataclass(frozen=True)
class Affine:
    """``z = scale[c] * y + shift[c]``."""

    scale: Rationals
    shift: Rationals

    def then(self, outer: Affine) -> Affine:
        """``outer(self(y))`` as one affine."""
        scale = tuple(a * b for a, b in zip(outer.scale, self.scale, strict=True))
        shift = tuple(a * b + c for a, b, c in zip(outer.scale, self.shift, outer.shift, strict=True))
        return Affine(scale, shift)


@dataclass(frozen=True)
class Clamp:
    """``z = min(max(y, low), high)``; ReLU is (0, inf), hardtanh (-1, 1)."""

    low: float
    high: float


@dataclass(frozen=True)
class PRelu:
    """``z = y if y >= 0 else slope[c] * y``."""

    slope: Rationals


Step = Affine | Clamp | PRelu
"""A function of each element by itself, with per-channel constants."""


def batch_norm(
    mean: npt.ArrayLike, var: npt.ArrayLike, eps: float, gamma: npt.ArrayLike | None, beta: npt.ArrayLike | None
) -> Affine:
    """``gamma * (y - mean) / sqrt(var + eps) + beta`` with the running statistics; None means gamma = 1, beta = 0.

    >>> batch_norm([3.0], [4.0], 0.0, [-2.0], [1.0])
    Affine(scale=(Fraction(-1, 1),), shift=(Fraction(4, 1),))
    """
    sigma = exact(np.sqrt(np.asarray(var, dtype=np.float64) + eps))
    ones, zeros = np.ones(len(sigma)), np.zeros(len(sigma))
    scale = tuple(g / s for g, s in zip(exact(ones if gamma is None else gamma), sigma, strict=True))
    offset = exact(zeros if beta is None else beta)
    return Affine(scale, tuple(b - k * m for b, k, m in zip(offset, scale, exact(mean), strict=True)))


def monotone(step: Step) -> bool:
    """Whether half-lines come from half-lines (or from all, or nothing): false only for a negative PReLU slope."""
    return not isinstance(step, PRelu) or min(step.slope) >= 0


@dataclass(frozen=True)
class HalfLine:
    """The numbers on one side of ``bound``: above it if ``rising``; with ``bound`` itself if ``closed``."""

    rising: bool
    bound: Fraction
    closed: bool


Condition = HalfLine | bool
"""When a bit is 1, as a statement about one real number; True and False stand for always and never."""


def binarizer(alphabet: Alphabet) -> HalfLine:
    """When a binarizer gives 1: ``z >= 0`` for {-1,+1}, ``z > 0`` for {0,1}."""
    return HalfLine(rising=True, bound=Fraction(0), closed=alphabet.at_zero == alphabet.high)


def complement(condition: Condition) -> Condition:
    """True where ``condition`` is false."""
    if isinstance(condition, bool):
        return not condition
    return HalfLine(not condition.rising, condition.bound, not condition.closed)


def holds(condition: Condition, y: Fraction | float) -> bool:
    """Whether ``y`` meets the condition.

    >>> holds(HalfLine(rising=False, bound=Fraction(1, 2), closed=True), 0.5)
    True
    """
    if isinstance(condition, bool):
        return condition
    if y == condition.bound:
        return condition.closed
    return (y > condition.bound) == condition.rising


def before(condition: Condition, step: Step, channel: int) -> Condition:
    """The condition on y that is equivalent to ``condition`` on ``z = step(y)``.

    Parameters
    ----------
    condition : about z.
    step : a step for which :func:`monotone` is true.
    channel : which of the step's constants to use.
    """
    if isinstance(condition, bool):
        return condition
    if isinstance(step, Affine):
        return _before_affine(condition, step.scale[channel], step.shift[channel])
    if not condition.rising:  # stated once, for rising half-lines; a falling one is the complement of a rising one
        return complement(before(complement(condition), step, channel))
    if isinstance(step, Clamp):
        return _before_clamp(condition, step.low, step.high)
    return _before_prelu(condition, step.slope[channel])


def _before_affine(condition: HalfLine, scale: Fraction, shift: Fraction) -> Condition:
    if scale == 0:
        return holds(condition, shift)
    return HalfLine(condition.rising == (scale > 0), (condition.bound - shift) / scale, condition.closed)


def _before_clamp(condition: HalfLine, low: float, high: float) -> Condition:
    if holds(condition, low):
        return True
    return condition if holds(condition, high) else False


def _before_prelu(condition: HalfLine, slope: Fraction) -> Condition:
    if not holds(condition, 0) or (condition.bound == 0 and not condition.closed):
        return condition  # every z that meets it is positive, where z = y
    if slope == 0:
        return True  # the least z is 0, which meets it
    return HalfLine(True, condition.bound / slope, condition.closed)


def integer_thresholds(conditions: Iterable[Condition]) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.bool_]]:
    """Conditions on integer sums as ``(t, rising)``: rising ``bit = (y >= t)``, falling ``bit = (y <= t)``.

    >>> integer_thresholds([HalfLine(True, Fraction(5, 2), True), HalfLine(False, Fraction(3), False), False])
    (array([          3,           2, -2147483648], dtype=int32), array([ True, False, False]))
    """
    pairs = [_integer_threshold(condition) for condition in conditions]
    return np.array([t for t, _ in pairs], dtype=np.int32), np.array([rising for _, rising in pairs], dtype=bool)


def _integer_threshold(condition: Condition) -> tuple[int, bool]:
    if isinstance(condition, bool):
        return INT32_CONSTANT, condition
    bound, rising = condition.bound, condition.rising
    if rising:
        t = math.ceil(bound) if condition.closed else math.floor(bound) + 1
    else:
        t = math.floor(bound) if condition.closed else math.ceil(bound) - 1
    if abs(t) > ACCUMULATOR_LIMIT:
        return INT32_CONSTANT, rising == (t < 0)
    return t, rising


def float_thresholds(conditions: Iterable[Condition]) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    """Conditions on float32 numbers as ``(t, rising)``, exact for every finite float32.

    >>> float_thresholds([HalfLine(True, Fraction(0), True), True])
    (array([  0., -inf], dtype=float32), array([ True,  True]))
    """
    pairs = [_float_threshold(condition) for condition in conditions]
    return np.array([t for t, _ in pairs], dtype=np.float32), np.array([rising for _, rising in pairs], dtype=bool)


def _float_threshold(condition: Condition) -> tuple[float, bool]:
    if isinstance(condition, bool):
        return -math.inf, condition
    bound, rising = condition.bound, condition.rising
    largest = float(np.finfo(np.float32).max)
    if abs(bound) > largest:
        return -math.inf, rising == (bound < 0)
    t = np.float32(float(bound))
    if math.isinf(t) or not holds(condition, float(t)):  # rounding, or the open end, left the half-line: step inside
        inwards = np.float32(math.inf if rising else -math.inf)
        with np.errstate(over="ignore"):
            t = np.nextafter(np.float32(np.clip(t, -largest, largest)), inwards)
    if math.isinf(t):
        return -math.inf, False  # no finite float32 is inside
    return float(t) + 0.0, rising  # + 0.0 turns -0 into 0
