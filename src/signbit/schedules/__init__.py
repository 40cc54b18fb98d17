"""Step -> value: pure, frozen, picklable."""

from signbit.registry import Registry
from signbit.schedules.base import Schedule
from signbit.schedules.constant import Constant
from signbit.schedules.cosine import Cosine
from signbit.schedules.cyclic import CyclicBits
from signbit.schedules.linear import Linear
from signbit.schedules.staircase import Staircase

SCHEDULES: Registry[type[Schedule]] = Registry("schedule")
SCHEDULES.add("constant", "the same value at every step", Constant)
SCHEDULES.add("staircase", "a factor at equal distances", Staircase)
SCHEDULES.add("linear", "a straight line, then constant", Linear)
SCHEDULES.add(
    "cosine", "half a cosine, then constant", Cosine,
    "Loshchilov, Hutter, SGDR: Stochastic Gradient Descent with Warm Restarts, 2017",
)  # fmt: skip
SCHEDULES.add(
    "cyclic-bits", "half a cosine up, a jump back, and again; whole numbers", CyclicBits,
    "Fontana, Lanzino, Diko, Foresti, Cinque, CycleBNN, 2024",
)  # fmt: skip

__all__ = ["SCHEDULES", "Constant", "Cosine", "CyclicBits", "Linear", "Schedule", "Staircase"]
