"""Flip counts and rates; shares of activations; what training costs."""

from signbit.metrics.flips import FlipTracker
from signbit.metrics.operations import published_cost, released_code_cost
from signbit.metrics.windows import WindowShares

__all__ = ["FlipTracker", "WindowShares", "published_cost", "released_code_cost"]
