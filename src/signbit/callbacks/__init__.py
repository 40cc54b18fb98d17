"""What acts or reports during training: each a pure decision or computation and a thin Lightning callback."""

from signbit.callbacks.ede import EdeSchedule
from signbit.callbacks.flip_masks import FlipMasks, MaskRule
from signbit.callbacks.flip_stop import FlipStop, StopRule
from signbit.callbacks.flips import FlipRates
from signbit.callbacks.held_by_threshold import HeldByThreshold
from signbit.callbacks.precision import PrecisionSchedule
from signbit.callbacks.progress import Progress
from signbit.callbacks.record import EpochRecord
from signbit.callbacks.time_budget import TimeBudget
from signbit.callbacks.windows import WindowRates

__all__ = [
    "EdeSchedule",
    "EpochRecord",
    "FlipMasks",
    "FlipRates",
    "FlipStop",
    "HeldByThreshold",
    "MaskRule",
    "PrecisionSchedule",
    "Progress",
    "StopRule",
    "TimeBudget",
    "WindowRates",
]
