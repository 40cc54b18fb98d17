"""What acts or reports during training: each a pure decision or computation and a thin Lightning callback."""

from signbit.callbacks.ede import EdeSchedule
from signbit.callbacks.flips import FlipRates
from signbit.callbacks.progress import Progress
from signbit.callbacks.record import EpochRecord
from signbit.callbacks.windows import WindowRates

__all__ = ["EdeSchedule", "EpochRecord", "FlipRates", "Progress", "WindowRates"]
