"""The loss around trained weights: along filter-normalised directions, or with a growing share of bits flipped."""

from signbit.landscape.record import Landscape, Scan, View, draw, look
from signbit.landscape.spaces import SPACES, FlipSpace, LatentSpace, Space
from signbit.landscape.surface import Loss, recalibrated, surface

__all__ = [
    "SPACES",
    "FlipSpace",
    "Landscape",
    "LatentSpace",
    "Loss",
    "Scan",
    "Space",
    "View",
    "draw",
    "look",
    "recalibrated",
    "surface",
]
