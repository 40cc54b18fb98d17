"""What acts or reports during training: each a pure decision or computation and a thin Lightning callback."""

from signbit.callbacks.flips import FlipRates
from signbit.callbacks.progress import Progress
from signbit.callbacks.record import EpochRecord

__all__ = ["EpochRecord", "FlipRates", "Progress"]
